package pi3.sink;

import java.io.IOException;
import java.io.Serializable;
import java.nio.ByteBuffer;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import org.apache.flink.table.types.logical.RowType;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyIn;
import org.postgresql.core.BaseConnection;
import org.postgresql.jdbc.PgArray;

/** The statements that take any number of rows: COPY, for keys that are new, and an upsert with one array a column. */
final class UpsertStatement implements Serializable {

    private static final long serialVersionUID = 1L;

    private final int key;
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

    /** An empty batch of rows for these statements. */
    Batch batch() throws IOException {
        return new Batch(columns, key);
    }

    /** All rows or none: a key that is in the table already, or twice in the batch, is a unique violation. */
    void copy(Connection connection, Batch batch) throws SQLException {
        CopyIn sending = connection.unwrap(PGConnection.class).getCopyAPI().copyIn(copy);
        try {
            ByteBuffer begin = batch.begin();
            sending.writeToCopy(begin.array(), begin.position(), begin.remaining());
            sending.writeToCopy(Batch.END, 0, Batch.END.length);
            sending.endCopy();
        } finally {
            if (sending.isActive()) {
                sending.cancelCopy();
            }
        }
    }

    /** Of one key the last row. */
    void upsert(Connection connection, Batch batch) throws SQLException, IOException {
        BaseConnection session = connection.unwrap(BaseConnection.class);
        byte[][] arrays = batch.arrays();
        try (PreparedStatement statement = connection.prepareStatement(upsert)) {
            for (int position = 0; position < columns.length; position++) {
                statement.setArray(position + 1, new PgArray(session, columns[position].arrayOid, arrays[position]));
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
