import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.flink.api.common.serialization.AbstractDeserializationSchema;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonFactory;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonParser;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonToken;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.format.DecodingFormat;
import org.apache.flink.table.connector.source.DynamicTableSource;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.factories.DeserializationFormatFactory;
import org.apache.flink.table.factories.DynamicTableFactory;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.logical.RowType;

/**
 * Format `strict-event`, for measurement only: one JSON object in strict UTF-8 with nothing after it, whose STRING
 * columns are given once each, as string, number or boolean, without half of a surrogate pair. Other records are
 * skipped. Lengths and characters are left to the query, as in the shipped job.
 */
public final class StrictEventFormatFactory implements DeserializationFormatFactory {

    @Override
    public DecodingFormat<DeserializationSchema<RowData>> createDecodingFormat(
            DynamicTableFactory.Context context, ReadableConfig options) {
        return new DecodingFormat<>() {
            @Override
            public DeserializationSchema<RowData> createRuntimeDecoder(DynamicTableSource.Context source, DataType type) {
                List<String> names = ((RowType) type.getLogicalType()).getFieldNames();
                return new Decoder(names.toArray(new String[0]), source.createTypeInformation(type));
            }

            @Override
            public ChangelogMode getChangelogMode() {
                return ChangelogMode.insertOnly();
            }
        };
    }

    @Override
    public String factoryIdentifier() {
        return "strict-event";
    }

    @Override
    public Set<ConfigOption<?>> requiredOptions() {
        return Collections.emptySet();
    }

    @Override
    public Set<ConfigOption<?>> optionalOptions() {
        return Collections.emptySet();
    }

    /** Decodes one record. */
    static final class Decoder extends AbstractDeserializationSchema<RowData> {
        private final String[] names;
        private transient Map<String, Integer> positions;
        private transient JsonFactory json;
        private transient CharsetDecoder utf8;
        private transient CharBuffer text;

        Decoder(String[] names, TypeInformation<RowData> type) {
            super(type);
            this.names = names;
        }

        @Override
        public void open(InitializationContext context) {
            json = new JsonFactory().enable(JsonParser.Feature.ALLOW_UNQUOTED_CONTROL_CHARS);
            utf8 = StandardCharsets.UTF_8.newDecoder(); // reports what is malformed
            text = CharBuffer.allocate(4096);
            positions = new HashMap<>();
            for (int i = 0; i < names.length; i++) {
                positions.put(names[i], i);
            }
        }

        @Override
        public RowData deserialize(byte[] record) {
            if (record == null || record.length == 0) {
                return null;
            }
            try {
                int length = decode(record);
                int begin = length > 0 && text.get(0) == '\uFEFF' ? 1 : 0;
                try (JsonParser parser = json.createParser(text.array(), begin, length - begin)) {
                    return parser.nextToken() == JsonToken.START_OBJECT ? row(parser) : null;
                }
            } catch (IOException notJson) {
                return null;
            }
        }

        private int decode(byte[] record) throws CharacterCodingException {
            if (text.capacity() < record.length) {
                text = CharBuffer.allocate(record.length);
            }
            text.clear();
            utf8.reset();
            var result = utf8.decode(ByteBuffer.wrap(record), text, true);
            if (result.isError()) {
                result.throwException();
            }
            utf8.flush(text);
            return text.position();
        }

        private RowData row(JsonParser parser) throws IOException {
            GenericRowData row = new GenericRowData(names.length);
            while (parser.nextToken() != JsonToken.END_OBJECT) {
                Integer position = positions.get(parser.currentName());
                JsonToken value = parser.nextToken();
                if (position == null) {
                    parser.skipChildren();
                    continue;
                }
                if (!value.isScalarValue() || value == JsonToken.VALUE_NULL || !row.isNullAt(position)) {
                    return null;
                }
                String kept = parser.getText();
                if (hasLoneSurrogate(kept)) {
                    return null;
                }
                row.setField(position, StringData.fromString(kept));
            }
            return parser.nextToken() == null ? row : null;
        }

        private static boolean hasLoneSurrogate(String kept) {
            for (int i = 0; i < kept.length(); i++) {
                if (Character.isSurrogate(kept.charAt(i))) {
                    if (Character.isHighSurrogate(kept.charAt(i))
                            && i + 1 < kept.length()
                            && Character.isLowSurrogate(kept.charAt(i + 1))) {
                        i++;
                    } else {
                        return true;
                    }
                }
            }
            return false;
        }
    }
}
