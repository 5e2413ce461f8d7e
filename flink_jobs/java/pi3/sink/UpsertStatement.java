package pi3.sink;

import java.io.IOException;
import java.io.Serializable;
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
import org.postgresql.core.BaseConnection;
import org.postgresql.jdbc.PgArray;

/** The one statement that upserts any number of rows: one array a column. */
final class UpsertStatement implements Serializable {

    private static final long serialVersionUID = 1L;

    final int key;
    private final ArrayColumn[] columns;
    private final String sql;

    UpsertStatement(String table, RowType row, int key) {
        this.key = key;
        columns = row.getChildren().stream().map(ArrayColumn::of).toArray(ArrayColumn[]::new);
        sql = sql(table, row.getFieldNames(), row.getFieldNames().get(key), columns);
    }

    /** No two rows may have the same key. */
    void execute(Connection connection, Collection<RowData> rows) throws SQLException, IOException {
        BaseConnection session = connection.unwrap(BaseConnection.class);
        DataOutputSerializer out = new DataOutputSerializer(64 * rows.size());
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            for (int position = 0; position < columns.length; position++) {
                byte[] values = columns[position].encode(rows, position, out);
                statement.setArray(position + 1, new PgArray(session, columns[position].arrayOid, values));
            }
            statement.executeUpdate();
        }
    }

    private static String sql(String table, List<String> names, String key, ArrayColumn[] columns) {
        List<String> quoted = names.stream().map(UpsertStatement::quoted).collect(Collectors.toList());
        String into = Arrays.stream(table.split("\\.")).map(UpsertStatement::quoted).collect(Collectors.joining("."));
        String arrays = Arrays.stream(columns).map(c -> "?::" + c.sqlType + "[]").collect(Collectors.joining(", "));
        String updates = quoted.stream()
                .filter(name -> !name.equals(quoted(key)))
                .map(name -> name + " = excluded." + name)
                .collect(Collectors.joining(", "));
        return "INSERT INTO " + into + " (" + String.join(", ", quoted) + ") SELECT * FROM unnest(" + arrays + ")"
                + " ON CONFLICT (" + quoted(key) + ") DO UPDATE SET " + updates;
    }

    private static String quoted(String name) {
        return '"' + name.replace("\"", "\"\"") + '"';
    }
}
