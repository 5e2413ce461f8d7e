CREATE TEMPORARY TABLE staging (event_id TEXT, user_name TEXT, location TEXT)
