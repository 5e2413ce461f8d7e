package pi3.sink;

import java.time.Duration;
import java.util.Set;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.catalog.ResolvedSchema;
import org.apache.flink.table.connector.sink.DynamicTableSink;
import org.apache.flink.table.factories.DynamicTableSinkFactory;
import org.apache.flink.table.factories.FactoryUtil;
import org.apache.flink.table.types.logical.RowType;

/** Connector `postgres-upsert`: rows into a PostgreSQL table, by its one key column. */
public final class UpsertSinkFactory implements DynamicTableSinkFactory {

    private static final ConfigOption<String> URL = ConfigOptions.key("url").stringType().noDefaultValue();
    private static final ConfigOption<String> TABLE = ConfigOptions.key("table-name").stringType().noDefaultValue();
    private static final ConfigOption<String> USER = ConfigOptions.key("username").stringType().noDefaultValue();
    private static final ConfigOption<String> PASSWORD = ConfigOptions.key("password").stringType().noDefaultValue();
    private static final ConfigOption<Integer> ROWS =
            ConfigOptions.key("sink.buffer-flush.max-rows").intType().defaultValue(4096);
    private static final ConfigOption<Duration> INTERVAL =
            ConfigOptions.key("sink.buffer-flush.interval").durationType().defaultValue(Duration.ofMillis(200));
    private static final ConfigOption<Integer> RETRIES =
            ConfigOptions.key("sink.max-retries").intType().defaultValue(3);

    @Override
    public String factoryIdentifier() {
        return "postgres-upsert";
    }

    @Override
    public Set<ConfigOption<?>> requiredOptions() {
        return Set.of(URL, TABLE, USER, PASSWORD);
    }

    @Override
    public Set<ConfigOption<?>> optionalOptions() {
        return Set.of(ROWS, INTERVAL, RETRIES);
    }

    @Override
    public DynamicTableSink createDynamicTableSink(Context context) {
        FactoryUtil.TableFactoryHelper options = FactoryUtil.createTableFactoryHelper(this, context);
        options.validate();
        ReadableConfig given = options.getOptions();
        ResolvedSchema schema = context.getCatalogTable().getResolvedSchema();
        RowType row = (RowType) schema.toPhysicalRowDataType().getLogicalType();
        UpsertStatement statement = new UpsertStatement(given.get(TABLE), row, key(schema));
        Database database = new Database(given.get(URL), given.get(USER), given.get(PASSWORD));
        return new UpsertTableSink(
                new UpsertSink(database, statement, given.get(ROWS), given.get(INTERVAL), given.get(RETRIES)));
    }

    private static int key(ResolvedSchema schema) {
        int[] columns = schema.getPrimaryKeyIndexes();
        if (columns.length != 1) {
            throw new ValidationException("postgres-upsert: declare one column as PRIMARY KEY (...) NOT ENFORCED");
        }
        return columns[0];
    }
}
