INSERT INTO sink_events SELECT event_id, user_name, location FROM source_events
