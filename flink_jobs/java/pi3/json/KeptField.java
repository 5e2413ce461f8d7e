package pi3.json;

import java.io.Serializable;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.table.types.logical.VarCharType;

/** A member that is kept: its name, and the rule for its text. */
final class KeptField implements Serializable {

    private static final long serialVersionUID = 1L;

    private final byte[] name;
    private final int maxLength;

    private KeptField(RowType.RowField column) {
        if (!(column.getType() instanceof VarCharType)) {
            throw new ValidationException("strict-json: column " + column.getName() + " must be a VARCHAR(length)");
        }
        name = column.getName().getBytes(StandardCharsets.UTF_8);
        maxLength = ((VarCharType) column.getType()).getLength();
    }

    static KeptField[] of(RowType row) {
        return row.getFields().stream().map(KeptField::new).toArray(KeptField[]::new);
    }

    boolean isNamed(byte[] in, int from, int to) {
        return to - from == name.length && Arrays.equals(in, from, to, name, 0, name.length);
    }

    /**
     * Whether this UTF-8 may land: at most so many code points, not only spaces, no control character. One that starts
     * like an object or an array is refused, for tools downstream would take it for one.
     */
    boolean admits(byte[] in, int from, int to) {
        if (from == to || in[from] == '{' || in[from] == '[') {
            return false;
        }
        int length = 0;
        boolean blank = true;
        for (int at = from; at < to; at++) {
            byte b = in[at];
            if (b >= 0 && b < ' ' || b == 0x7f) {
                return false;
            }
            blank &= b == ' ';
            length += Utf8.begins(b) ? 1 : 0;
        }
        return !blank && length <= maxLength;
    }
}
