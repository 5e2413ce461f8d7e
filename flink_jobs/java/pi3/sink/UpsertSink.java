package pi3.sink;

import java.io.IOException;
import java.time.Duration;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.table.data.RowData;

/** Makes one writer per subtask. */
record UpsertSink(Database database, UpsertStatement statement, int maxRows, Duration interval, int retries)
        implements Sink<RowData> {

    @Override
    public SinkWriter<RowData> createWriter(WriterInitContext context) throws IOException {
        return new UpsertWriter(this, context);
    }
}
