package pi3.json;

/** What a JSON string with escapes stands for, in UTF-8. Used again for each. */
final class Unescaped {

    byte[] bytes = new byte[256];
    int length;
    boolean hasLoneSurrogate;

    /** Of a string that was found to be well formed, without its quotes. */
    void read(byte[] in, int from, int to) {
        if (bytes.length < to - from) {
            bytes = new byte[to - from]; // no escape is shorter than what it stands for
        }
        length = 0;
        hasLoneSurrogate = false;
        for (int at = from; at < to; ) {
            if (in[at] != '\\') {
                bytes[length++] = in[at++];
            } else if (in[at + 1] != 'u') {
                bytes[length++] = plain(in[at + 1]);
                at += 2;
            } else {
                at = readCodePoint(in, at, to);
            }
        }
    }

    /** Code points. */
    int count() {
        int count = 0;
        for (int at = 0; at < length; at++) {
            count += Utf8.begins(bytes[at]) ? 1 : 0;
        }
        return count;
    }

    private int readCodePoint(byte[] in, int at, int to) {
        char first = unit(in, at);
        boolean paired = Character.isHighSurrogate(first)
                && to - at >= 12
                && in[at + 6] == '\\'
                && in[at + 7] == 'u'
                && Character.isLowSurrogate(unit(in, at + 6));
        hasLoneSurrogate |= !paired && Character.isSurrogate(first);
        length = Utf8.write(paired ? Character.toCodePoint(first, unit(in, at + 6)) : first, bytes, length);
        return at + (paired ? 12 : 6);
    }

    private static char unit(byte[] in, int at) {
        int unit = 0;
        for (int i = at + 2; i < at + 6; i++) {
            unit = unit << 4 | Character.digit(in[i], 16);
        }
        return (char) unit;
    }

    private static byte plain(byte escape) {
        return switch (escape) {
            case 'b' -> '\b';
            case 'f' -> '\f';
            case 'n' -> '\n';
            case 'r' -> '\r';
            case 't' -> '\t';
            default -> escape; // quote, backslash and slash stand for themselves
        };
    }
}
