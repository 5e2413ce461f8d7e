SELECT pg_advisory_unlock(hashtextextended(concat_ws('.', 'pi3.ledger', current_schema(), %(topic)s), 0))
