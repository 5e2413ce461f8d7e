-- Events that a redrive would set back: the table holds them from a record that is younger than the letter.
SELECT wanted.event_id
FROM unnest(%(event_ids)s::text [], %(produced_at)s::timestamptz []) AS wanted (event_id, produced_at)
JOIN events AS e ON e.event_id = wanted.event_id AND e.produced_at > wanted.produced_at
