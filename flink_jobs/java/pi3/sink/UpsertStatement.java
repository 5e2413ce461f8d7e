package pi3.sink;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.Serializable;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.stream.Collectors;
import org.apache.flink.core.memory.DataOutputSerializer;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.logical.RowType;
import org.postgresql.PGConnection;
import org.postgresql.core.BaseConnection;
import org.postgresql.jdbc.PgArray;

/** The statements that take any number of rows: COPY, for keys that are new, and an upsert with one array a column. */
final class UpsertStatement implements Serializable {

    private static final long serialVersionUID = 1L;

    /** Signature, no flags, no extension: https://www.postgresql.org/docs/18/sql-copy.html. */
    private static final byte[] COPY_HEADER =
            "PGCOPY\n\u00ff\r\n\0\0\0\0\0\0\0\0\0".getBytes(StandardCharsets.ISO_8859_1);

    final int key;
    private final BinaryColumn[] columns;
    private final String copy;
    private final String upsert;

    UpsertStatement(String table, RowType row, int key) {
        this.key = key;
        columns = row.getChildren().stream().map(BinaryColumn::of).toArray(BinaryColumn[]::new);
        String into = Arrays.stream(table.split("\\.")).map(UpsertStatement::quoted).collect(Collectors.joining("."));
        List<String> names = row.getFieldNames().stream().map(UpsertStatement::quoted).collect(Collectors.toList());
        String target = into + " (" + String.join(", ", names) + ")";
        copy = "COPY " + target + " FROM STDIN WITH (FORMAT binary)";
        upsert = "INSERT INTO " + target + upsert(names, names.get(key), columns);
    }

    /** All rows or none: a key that is in the table already is a unique violation. */
    void copy(Connection connection, Collection<RowData> rows) throws SQLException, IOException {
        DataOutputSerializer out = new DataOutputSerializer(128 * rows.size());
        out.write(COPY_HEADER);
        for (RowData row : rows) {
            out.writeShort(columns.length);
            for (int position = 0; position < columns.length; position++) {
                columns[position].write(row, position, out);
            }
        }
        out.writeShort(-1);
        connection.unwrap(PGConnection.class)
                .getCopyAPI()
                .copyIn(copy, new ByteArrayInputStream(out.getSharedBuffer(), 0, out.length()), out.length());
    }

    /** No two rows may have the same key. */
    void upsert(Connection connection, Collection<RowData> rows) throws SQLException, IOException {
        BaseConnection session = connection.unwrap(BaseConnection.class);
        DataOutputSerializer out = new DataOutputSerializer(64 * rows.size());
        try (PreparedStatement statement = connection.prepareStatement(upsert)) {
            for (int position = 0; position < columns.length; position++) {
                byte[] values = columns[position].array(rows, position, out);
                statement.setArray(position + 1, new PgArray(session, columns[position].arrayOid, values));
            }
            statement.executeUpdate();
        }
    }

    private static String upsert(List<String> names, String key, BinaryColumn[] columns) {
        String arrays = Arrays.stream(columns).map(c -> "?::" + c.sqlType + "[]").collect(Collectors.joining(", "));
        String updates = names.stream()
                .filter(name -> !name.equals(key))
                .map(name -> name + " = excluded." + name)
                .collect(Collectors.joining(", "));
        return " SELECT * FROM unnest(" + arrays + ") ON CONFLICT (" + key + ") DO UPDATE SET " + updates;
    }

    private static String quoted(String name) {
        return '"' + name.replace("\"", "\"\"") + '"';
    }
}
