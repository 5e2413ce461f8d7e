package pi3.sink;

import java.io.IOException;
import org.apache.flink.core.memory.DataOutputSerializer;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.TimestampData;
import org.apache.flink.table.data.binary.BinaryStringData;
import org.apache.flink.table.types.logical.LogicalType;

/**
 * How values of one column are sent in PostgreSQL's binary form, one by one or as an array: array_recv and the receive
 * functions of the types in PostgreSQL's src/backend/utils/adt.
 */
enum BinaryColumn {
    TEXT("text", 25, 1009) {
        @Override
        void write(RowData row, int position, DataOutputSerializer out) throws IOException {
            BinaryStringData value = (BinaryStringData) row.getString(position);
            value.ensureMaterialized();
            out.writeInt(value.getSizeInBytes());
            if (value.getSegments().length == 1) {
                out.write(value.getSegments()[0], value.getOffset(), value.getSizeInBytes());
            } else {
                out.write(value.toBytes());
            }
        }
    },
    INT4("int4", 23, 1007) {
        @Override
        void write(RowData row, int position, DataOutputSerializer out) throws IOException {
            out.writeInt(Integer.BYTES);
            out.writeInt(row.getInt(position));
        }
    },
    INT8("int8", 20, 1016) {
        @Override
        void write(RowData row, int position, DataOutputSerializer out) throws IOException {
            out.writeInt(Long.BYTES);
            out.writeLong(row.getLong(position));
        }
    },
    TIMESTAMPTZ("timestamptz", 1184, 1185) {
        @Override
        void write(RowData row, int position, DataOutputSerializer out) throws IOException {
            TimestampData value = row.getTimestamp(position, 3);
            out.writeInt(Long.BYTES);
            out.writeLong((value.getMillisecond() - EPOCH_2000_MS) * 1_000 + value.getNanoOfMillisecond() / 1_000);
        }
    };

    /** PostgreSQL counts time from 2000-01-01T00:00Z. */
    private static final long EPOCH_2000_MS = 946_684_800_000L;

    final String sqlType;
    final int elementOid;
    final int arrayOid;

    BinaryColumn(String sqlType, int elementOid, int arrayOid) {
        this.sqlType = sqlType;
        this.elementOid = elementOid;
        this.arrayOid = arrayOid;
    }

    /** Append a value: its length and its bytes. */
    abstract void write(RowData row, int position, DataOutputSerializer out) throws IOException;

    static BinaryColumn of(LogicalType type) {
        switch (type.getTypeRoot()) {
            case VARCHAR:
                return TEXT;
            case INTEGER:
                return INT4;
            case BIGINT:
                return INT8;
            case TIMESTAMP_WITH_LOCAL_TIME_ZONE:
                return TIMESTAMPTZ;
            default:
                throw new ValidationException("postgres-upsert: no column of type " + type.asSummaryString());
        }
    }

    /** The begin of an array of `count` values, which are to follow as `write` writes them. */
    DataOutputSerializer array(int count) throws IOException {
        DataOutputSerializer out = new DataOutputSerializer(64 * (count + 1));
        out.writeInt(1); // dimensions
        out.writeInt(0); // no NULL among them
        out.writeInt(elementOid);
        out.writeInt(count);
        out.writeInt(1); // lower bound
        return out;
    }
}
