INSERT INTO plain_events (event_id, user_name, location)
SELECT event_id, user_name, location FROM staging
ON CONFLICT (event_id) DO UPDATE SET user_name = excluded.user_name, location = excluded.location
