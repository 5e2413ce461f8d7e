package pi3.json;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * Walks through one JSON text (RFC 8259) in strict UTF-8, within the limits of `contract/event.py`; a string may hold
 * raw control characters. Every method takes the index at which something must start and gives the one after it, or -1
 * if it does not start there: a record can be broken anywhere, and an exception for each would be slow.
 */
final class JsonScanner {

    static final int MAX_DEPTH = 1_000;
    static final int MAX_NUMBER_DIGITS = 1_000;
    static final int MAX_NAME_LENGTH = 50_000;

    private static final VarHandle EIGHT_BYTES =
            MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
    private static final long ONES = 0x0101010101010101L;
    private static final long HIGHS = 0x8080808080808080L;

    private final boolean[] isObject = new boolean[MAX_DEPTH + 1];
    private final Unescaped unescaped = new Unescaped();
    private byte[] in;
    private int end;

    /** The name read last, without its quotes. */
    int nameFrom;
    int nameTo;
    boolean nameEscaped;
    /** Whether the string read last holds an escape. */
    boolean escaped;

    void reset(byte[] text) {
        in = text;
        end = text.length;
    }

    /** The byte at the index; 0 beyond the end. */
    byte peek(int at) {
        return at >= 0 && at < end ? in[at] : 0;
    }

    int space(int at) {
        if (at < 0) {
            return -1;
        }
        while (at < end && (in[at] == ' ' || in[at] == '\n' || in[at] == '\r' || in[at] == '\t')) {
            at++;
        }
        return at;
    }

    /** A name and its colon, up to where its value starts. */
    int name(int at) {
        if (peek(at) != '"') {
            return -1;
        }
        int after = string(at + 1);
        nameFrom = at + 1;
        nameTo = after - 1;
        nameEscaped = escaped;
        at = after < 0 || isTooLong() ? -1 : space(after);
        return peek(at) == ':' ? space(at + 1) : -1;
    }

    private boolean isTooLong() {
        if (nameTo - nameFrom <= MAX_NAME_LENGTH) {
            return false;
        }
        unescaped.read(in, nameFrom, nameTo);
        return unescaped.count() > MAX_NAME_LENGTH;
    }

    /** Any value of a member of the outermost object. */
    int value(int at) {
        return peek(at) == '{' || peek(at) == '[' ? nested(at) : scalar(at);
    }

    private int nested(int at) {
        int depth = 1;
        boolean beforeValue = true;
        while (at >= 0) {
            byte b = peek(at);
            if (!beforeValue) {
                if (b == ',') {
                    at = space(at + 1);
                    at = isObject[depth] ? name(at) : at;
                    beforeValue = true;
                } else if (b == (isObject[depth] ? '}' : ']')) {
                    if (--depth == 1) {
                        return at + 1;
                    }
                    at = space(at + 1);
                } else {
                    return -1;
                }
            } else if (b == '{' || b == '[') {
                if (++depth > MAX_DEPTH) {
                    return -1;
                }
                isObject[depth] = b == '{';
                at = space(at + 1);
                beforeValue = peek(at) != (b == '{' ? '}' : ']');
                at = beforeValue && b == '{' ? name(at) : at;
            } else {
                at = space(scalar(at));
                beforeValue = false;
            }
        }
        return -1;
    }

    private int scalar(int at) {
        return switch (peek(at)) {
            case '"' -> string(at + 1);
            case 't' -> literal(at, "true");
            case 'f' -> literal(at, "false");
            case 'n' -> literal(at, "null");
            default -> number(at);
        };
    }

    private int literal(int at, String literal) {
        for (int i = 0; i < literal.length(); i++) {
            if (peek(at + i) != literal.charAt(i)) {
                return -1;
            }
        }
        return at + literal.length();
    }

    private int number(int at) {
        int from = peek(at) == '-' ? at + 1 : at;
        int to = digits(from);
        int count = to - from;
        if (count == 0 || count > 1 && in[from] == '0') {
            return -1;
        }
        if (peek(to) == '.') {
            from = to + 1;
            to = digits(from);
            count += to - from;
            if (from == to) {
                return -1;
            }
        }
        if (peek(to) == 'e' || peek(to) == 'E') {
            from = peek(to + 1) == '+' || peek(to + 1) == '-' ? to + 2 : to + 1;
            to = digits(from);
            count += to - from;
            if (from == to) {
                return -1;
            }
        }
        return count > MAX_NUMBER_DIGITS ? -1 : to;
    }

    private int digits(int at) {
        while (peek(at) >= '0' && peek(at) <= '9') {
            at++;
        }
        return at;
    }

    /** A string from after its opening quote; most bytes of a record are looked at here, eight at a time. */
    private int string(int at) {
        escaped = false;
        while (at < end) {
            at = end - at >= Long.BYTES ? plain(at) : at;
            byte b = in[at];
            if (b == '"') {
                return at + 1;
            }
            if (b == '\\') {
                escaped = true;
                at = escape(at + 1);
            } else {
                at = b < 0 ? Utf8.after(in, at, end) : at + 1;
            }
            if (at < 0) {
                return -1;
            }
        }
        return -1;
    }

    /**
     * Index of the next quote, backslash or byte beyond ASCII, or one not far before it. A byte that is zero borrows
     * from its high bit when one is taken away: Hacker's Delight, 6-1.
     */
    private int plain(int at) {
        int last = end - Long.BYTES;
        while (at <= last) {
            long word = (long) EIGHT_BYTES.get(in, at);
            long quotes = word ^ ONES * '"';
            long slashes = word ^ ONES * '\\';
            long found = ((quotes - ONES & ~quotes) | (slashes - ONES & ~slashes) | word) & HIGHS;
            if (found != 0) {
                return at + (Long.numberOfTrailingZeros(found) >>> 3);
            }
            at += Long.BYTES;
        }
        return Math.min(at, end - 1);
    }

    private int escape(int at) {
        byte b = peek(at);
        if (b != 'u') {
            return b > 0 && "\"\\/bfnrt".indexOf(b) >= 0 ? at + 1 : -1;
        }
        for (int i = at + 1; i <= at + 4; i++) {
            if (Character.digit(peek(i), 16) < 0) {
                return -1;
            }
        }
        return at + 5;
    }
}
