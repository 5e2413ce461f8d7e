INSERT INTO deep_audit_findings (audit_id, topic, kafka_partition, kafka_offset, kind, expected, found) VALUES %s
