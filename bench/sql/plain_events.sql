-- What the source system's table has, and no more: a rival pays for no column, index or trigger that only we need.
CREATE TABLE IF NOT EXISTS plain_events (
    id BIGSERIAL PRIMARY KEY,
    event_id VARCHAR(50) NOT NULL UNIQUE,
    user_name VARCHAR(50) NOT NULL,
    location VARCHAR(100) NOT NULL
);
ALTER TABLE plain_events OWNER TO {owner};
