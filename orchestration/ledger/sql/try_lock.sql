-- For the session: Postgres frees it when the pass ends, however it ends.
SELECT pg_try_advisory_lock(hashtextextended(concat_ws('.', 'pi3.ledger', current_schema(), %(topic)s), 0))
