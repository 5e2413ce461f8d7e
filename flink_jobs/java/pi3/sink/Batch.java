package pi3.sink;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.flink.core.memory.DataOutputSerializer;
import org.apache.flink.table.data.RowData;

/**
 * Rows as they came, encoded at once as COPY sends them: signature, then of each row the number of its columns and of
 * each value its length and bytes (https://www.postgresql.org/docs/18/sql-copy.html).
 */
final class Batch {

    /** Signature, no flags, no extension. */
    private static final byte[] HEADER =
            "PGCOPY\n\u00ff\r\n\0\0\0\0\0\0\0\0\0".getBytes(StandardCharsets.ISO_8859_1);
    static final byte[] END = {-1, -1};

    private final BinaryColumn[] columns;
    private final int key;
    private final DataOutputSerializer rows = new DataOutputSerializer(1 << 16);
    private int count;

    Batch(BinaryColumn[] columns, int key) throws IOException {
        this.columns = columns;
        this.key = key;
        clear();
    }

    void add(RowData row) throws IOException {
        rows.writeShort(columns.length);
        for (int position = 0; position < columns.length; position++) {
            columns[position].write(row, position, rows);
        }
        count++;
    }

    int count() {
        return count;
    }

    void clear() throws IOException {
        rows.clear();
        rows.write(HEADER);
        count = 0;
    }

    /** What COPY is sent before END. */
    ByteBuffer begin() {
        return ByteBuffer.wrap(rows.getSharedBuffer(), 0, rows.length());
    }

    /** By column an array of the values, of one key only those of the last row. */
    byte[][] arrays() throws IOException {
        int[] starts = lastOfEachKey();
        DataOutputSerializer[] arrays = new DataOutputSerializer[columns.length];
        for (int position = 0; position < columns.length; position++) {
            arrays[position] = columns[position].array(starts.length);
        }
        for (int start : starts) {
            int at = start;
            for (DataOutputSerializer array : arrays) {
                int next = afterValue(at);
                array.write(rows.getSharedBuffer(), at, next - at);
                at = next;
            }
        }
        return Arrays.stream(arrays).map(DataOutputSerializer::getCopyOfBuffer).toArray(byte[][]::new);
    }

    /** Where the first value of the last row of each key begins. */
    private int[] lastOfEachKey() {
        Map<ByteBuffer, Integer> last = new LinkedHashMap<>(2 * count);
        for (int row = HEADER.length; row < rows.length(); ) {
            int first = row + Short.BYTES;
            int at = first;
            for (int position = 0; position < columns.length; position++) {
                int next = afterValue(at);
                if (position == key) {
                    last.put(ByteBuffer.wrap(rows.getSharedBuffer(), at, next - at), first);
                }
                at = next;
            }
            row = at;
        }
        return last.values().stream().mapToInt(Integer::intValue).toArray();
    }

    private int afterValue(int at) {
        return at + Integer.BYTES + ByteBuffer.wrap(rows.getSharedBuffer()).getInt(at);
    }
}
