-- A table function: it is called once a record, whatever the planner makes of the columns, and may give no row.
INSERT INTO sink_events
SELECT event_id, user_name, location, kafka_partition, kafka_offset, produced_at
FROM source_events, LATERAL TABLE(valid_event(body)) AS e (event_id, user_name, location)
