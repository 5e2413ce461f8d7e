package pi3.sink;

import java.io.IOException;
import java.sql.Connection;
import java.sql.SQLException;
import org.apache.flink.api.common.operators.ProcessingTimeService;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.metrics.Counter;
import org.apache.flink.table.data.RowData;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Collects rows and writes them: when there are enough, when the first has waited long enough, and before each
 * checkpoint. Runs in the task's one thread.
 */
final class UpsertWriter implements SinkWriter<RowData> {

    private static final Logger LOG = LoggerFactory.getLogger(UpsertWriter.class);
    private static final long RETRY_DELAY_MS = 500;
    private static final String UNIQUE_VIOLATION = "23505";

    private final UpsertSink sink;
    private final ProcessingTimeService clock;
    private final Counter sent;
    private final Batch batch;
    private final NewKeys newKeys = new NewKeys();
    private Connection connection;
    private int session;
    private long sendingMs;
    private boolean timed;

    UpsertWriter(UpsertSink sink, WriterInitContext context) throws IOException {
        this.sink = sink;
        batch = sink.statement().batch();
        clock = context.getProcessingTimeService();
        sent = context.metricGroup().getNumRecordsSendCounter();
    }

    @Override
    public void write(RowData row, Context context) throws IOException, InterruptedException {
        batch.add(row);
        if (batch.count() >= sink.maxRows()) {
            flush(false);
        } else if (!timed) {
            timed = true;
            clock.registerTimer(clock.getCurrentProcessingTime() + waitMs(), this::onTimer);
        }
    }

    /** As long as it took to send the last batch: a fast server is given small ones, a busy one large ones. */
    private long waitMs() {
        return Math.min(sendingMs, sink.interval().toMillis());
    }

    private void onTimer(long atMs) throws IOException, InterruptedException {
        timed = false;
        flush(false);
    }

    @Override
    public void flush(boolean endOfInput) throws IOException, InterruptedException {
        if (batch.count() == 0) {
            return;
        }
        long began = System.nanoTime();
        for (int attempt = 0; ; attempt++) {
            try {
                send();
                sent.inc(batch.count());
                batch.clear();
                sendingMs = (System.nanoTime() - began) / 1_000_000;
                return;
            } catch (SQLException failure) {
                disconnect();
                if (attempt >= sink.retries() || !mayPass(failure)) {
                    throw new IOException("cannot write to PostgreSQL: " + failure.getMessage(), failure);
                }
                LOG.warn("Writing {} rows failed, attempt {}: {}", batch.count(), attempt + 1, failure.getMessage());
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
                sink.statement().copy(connection, batch);
                newKeys.found();
                return;
            } catch (SQLException failure) {
                if (!UNIQUE_VIOLATION.equals(failure.getSQLState())) {
                    throw failure;
                }
                newKeys.notFound();
            }
        }
        sink.statement().upsert(connection, batch);
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
