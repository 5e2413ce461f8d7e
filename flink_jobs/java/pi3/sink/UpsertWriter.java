package pi3.sink;

import java.io.IOException;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.flink.api.common.operators.ProcessingTimeService;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.metrics.Counter;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.runtime.typeutils.RowDataSerializer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Collects rows, of one key only the last, and writes them: when there are enough, when the first has waited long
 * enough, and before each checkpoint. Runs in the task's one thread.
 */
final class UpsertWriter implements SinkWriter<RowData> {

    private static final Logger LOG = LoggerFactory.getLogger(UpsertWriter.class);
    private static final long RETRY_DELAY_MS = 500;
    private static final String UNIQUE_VIOLATION = "23505";

    private final UpsertSink sink;
    private final RowDataSerializer serializer;
    private final RowData.FieldGetter key;
    private final ProcessingTimeService clock;
    private final Counter sent;
    private final Map<Object, RowData> rows = new LinkedHashMap<>();
    private final NewKeys newKeys = new NewKeys();
    private Connection connection;
    private int session;
    private boolean timed;

    UpsertWriter(UpsertSink sink, WriterInitContext context) {
        this.sink = sink;
        serializer = new RowDataSerializer(sink.row());
        key = RowData.createFieldGetter(sink.row().getTypeAt(sink.statement().key), sink.statement().key);
        clock = context.getProcessingTimeService();
        sent = context.metricGroup().getNumRecordsSendCounter();
    }

    @Override
    public void write(RowData row, Context context) throws IOException, InterruptedException {
        RowData kept = serializer.copy(row); // the operators before this one use their objects again
        rows.put(key.getFieldOrNull(kept), kept);
        if (rows.size() >= sink.maxRows()) {
            flush(false);
        } else if (!timed) {
            timed = true;
            clock.registerTimer(clock.getCurrentProcessingTime() + sink.interval().toMillis(), this::onTimer);
        }
    }

    private void onTimer(long atMs) throws IOException, InterruptedException {
        timed = false;
        flush(false);
    }

    @Override
    public void flush(boolean endOfInput) throws IOException, InterruptedException {
        if (rows.isEmpty()) {
            return;
        }
        for (int attempt = 0; ; attempt++) {
            try {
                send();
                sent.inc(rows.size());
                rows.clear();
                return;
            } catch (SQLException failure) {
                disconnect();
                if (attempt >= sink.retries() || !mayPass(failure)) {
                    throw new IOException("cannot write to PostgreSQL: " + failure.getMessage(), failure);
                }
                LOG.warn("Writing {} rows failed, attempt {}: {}", rows.size(), attempt + 1, failure.getMessage());
                Thread.sleep(RETRY_DELAY_MS);
            }
        }
    }

    private void send() throws SQLException, IOException {
        if (connection == null) {
            connection = sink.database().connect();
            if (session != 0) {
                Database.end(session, connection);
            }
            session = Database.session(connection);
        }
        if (newKeys.expected()) {
            try {
                sink.statement().copy(connection, rows.values());
                newKeys.found();
                return;
            } catch (SQLException failure) {
                if (!UNIQUE_VIOLATION.equals(failure.getSQLState())) {
                    throw failure;
                }
                newKeys.notFound();
            }
        }
        sink.statement().upsert(connection, rows.values());
    }

    /** Connection lost, rolled back for a deadlock, server stopping: https://www.postgresql.org/docs/18/errcodes-appendix.html. */
    private static boolean mayPass(SQLException failure) {
        String state = String.valueOf(failure.getSQLState());
        return state.startsWith("08") || state.startsWith("40") || state.startsWith("57P");
    }

    /** Throws nothing and writes nothing: Flink 2.3 ends the whole TaskManager for an error in closing. */
    @Override
    public void close() {
        disconnect();
    }

    private void disconnect() {
        Connection old = connection;
        connection = null;
        try {
            if (old != null) {
                old.close();
            }
        } catch (SQLException failure) {
            LOG.debug("Closing a connection failed", failure);
        }
    }
}
