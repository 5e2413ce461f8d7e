package pi3.json;

/** UTF-8 as Unicode defines it (table 3-7): no overlong form, no surrogate, nothing above U+10FFFF. */
final class Utf8 {

    private Utf8() {}

    /** Whether the byte is the first of a character. */
    static boolean begins(byte b) {
        return (b & 0xC0) != 0x80;
    }

    /** Index after the character of several bytes that starts at `at`; -1 if there is none. */
    static int after(byte[] in, int at, int end) {
        int lead = in[at] & 0xFF;
        int size = lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
        if (size == 0 || end - at < size) {
            return -1;
        }
        int second = in[at + 1] & 0xFF;
        int least = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
        int greatest = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
        if (second < least || second > greatest) {
            return -1;
        }
        for (int i = at + 2; i < at + size; i++) {
            if (begins(in[i])) {
                return -1;
            }
        }
        return at + size;
    }

    /** Index after the code point, written at `at`; a lone surrogate is written as three bytes, which no text has. */
    static int write(int codePoint, byte[] out, int at) {
        if (codePoint < 0x80) {
            out[at++] = (byte) codePoint;
        } else if (codePoint < 0x800) {
            out[at++] = (byte) (0xC0 | codePoint >> 6);
            out[at++] = (byte) (0x80 | codePoint & 0x3F);
        } else {
            if (codePoint < 0x10000) {
                out[at++] = (byte) (0xE0 | codePoint >> 12);
            } else {
                out[at++] = (byte) (0xF0 | codePoint >> 18);
                out[at++] = (byte) (0x80 | codePoint >> 12 & 0x3F);
            }
            out[at++] = (byte) (0x80 | codePoint >> 6 & 0x3F);
            out[at++] = (byte) (0x80 | codePoint & 0x3F);
        }
        return at;
    }
}
