-- The table was just emptied and has no statistics: a third of it would be expected to lie above, and all of it read.
SET LOCAL enable_seqscan = off;
SET LOCAL enable_bitmapscan = off;
SELECT id, event_id FROM {table} WHERE id > %(above)s AND id %% %(step)s = 0
UNION ALL
SELECT id, event_id FROM {table} WHERE id = ANY (%(missing)s::bigint[])
