INSERT INTO deep_audits (topic, ranges) VALUES (%(topic)s, %(ranges)s) RETURNING id
