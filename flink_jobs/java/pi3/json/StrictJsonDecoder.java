package pi3.json;

import java.util.Arrays;
import org.apache.flink.api.common.serialization.AbstractDeserializationSchema;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.binary.BinaryStringData;
import org.apache.flink.table.types.logical.RowType;

/** A valid event as a row of its kept texts, which share the record's bytes; null for any other record. */
final class StrictJsonDecoder extends AbstractDeserializationSchema<RowData> {

    private static final long serialVersionUID = 1L;

    private static final int MAX_RECORD_BYTES = 1_048_576;

    private final KeptField[] fields;
    private transient JsonScanner scanner;
    private transient Unescaped unescaped;

    StrictJsonDecoder(RowType row, TypeInformation<RowData> type) {
        super(type);
        fields = KeptField.of(row);
    }

    @Override
    public void open(InitializationContext context) {
        scanner = new JsonScanner();
        unescaped = new Unescaped();
    }

    @Override
    public RowData deserialize(byte[] record) {
        if (record == null || record.length > MAX_RECORD_BYTES) {
            return null;
        }
        scanner.reset(record);
        int at = scanner.space(afterByteOrderMark(record));
        if (scanner.peek(at) != '{') {
            return null;
        }
        GenericRowData row = new GenericRowData(fields.length);
        at = members(record, scanner.space(at + 1), row);
        return at >= 0 && scanner.space(at) == record.length && isComplete(row) ? row : null;
    }

    private static int afterByteOrderMark(byte[] in) {
        boolean marked = in.length >= 3 && in[0] == (byte) 0xEF && in[1] == (byte) 0xBB && in[2] == (byte) 0xBF;
        return marked ? 3 : 0;
    }

    /** Index after the object's end; -1 if it is broken, or a kept member is given twice or not valid. */
    private int members(byte[] in, int at, GenericRowData row) {
        while (true) {
            int from = scanner.name(at);
            int position = from < 0 ? -1 : position(in);
            int to = scanner.value(from);
            if (to < 0 || position >= 0 && !keep(in, from, to, row, position)) {
                return -1;
            }
            at = scanner.space(to);
            if (scanner.peek(at) != ',') {
                return scanner.peek(at) == '}' ? at + 1 : -1;
            }
            at = scanner.space(at + 1);
        }
    }

    /** The column that the name read last is of; -1 for none. */
    private int position(byte[] in) {
        byte[] text = in;
        int from = scanner.nameFrom;
        int to = scanner.nameTo;
        if (scanner.nameEscaped) {
            unescaped.read(in, from, to);
            text = unescaped.bytes;
            from = 0;
            to = unescaped.length;
        }
        for (int position = 0; position < fields.length; position++) {
            if (fields[position].isNamed(text, from, to)) {
                return position;
            }
        }
        return -1;
    }

    private boolean keep(byte[] in, int from, int to, GenericRowData row, int position) {
        byte[] text = in;
        if (in[from] == '"') {
            from++;
            to--;
            if (scanner.escaped) {
                unescaped.read(in, from, to);
                text = Arrays.copyOf(unescaped.bytes, unescaped.length);
                from = 0;
                to = text.length;
                if (unescaped.hasLoneSurrogate) {
                    return false;
                }
            }
        } else if (in[from] == 'n') { // null
            return false;
        }
        if (!row.isNullAt(position) || !fields[position].admits(text, from, to)) {
            return false;
        }
        row.setField(position, BinaryStringData.fromBytes(text, from, to - from));
        return true;
    }

    private static boolean isComplete(GenericRowData row) {
        for (int position = 0; position < row.getArity(); position++) {
            if (row.isNullAt(position)) {
                return false;
            }
        }
        return true;
    }
}
