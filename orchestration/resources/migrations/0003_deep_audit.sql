-- One row per deep audit. finished_at stays NULL in one that was cut off: its findings are true, but not all there are.
CREATE TABLE deep_audits (
    id BIGSERIAL PRIMARY KEY,
    topic TEXT NOT NULL,
    ranges JSONB NOT NULL,
    started_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    finished_at TIMESTAMPTZ,
    records BIGINT,
    valid BIGINT,
    superseded BIGINT,
    rows BIGINT,
    gone BIGINT,
    counts JSONB
);

COMMENT ON COLUMN deep_audits.ranges IS 'partition: [first offset, first offset not audited]';
COMMENT ON COLUMN deep_audits.counts IS 'kind of finding: how many; exact, also where deep_audit_findings holds a part';

-- At most so many per kind and audit as the audit was told to keep.
CREATE TABLE deep_audit_findings (
    id BIGSERIAL PRIMARY KEY,
    audit_id BIGINT NOT NULL REFERENCES deep_audits ON DELETE CASCADE,
    topic TEXT NOT NULL,
    kafka_partition INT NOT NULL,
    kafka_offset BIGINT NOT NULL,
    kind TEXT NOT NULL CHECK (
        kind IN ('altered', 'wrong_row', 'invalid_landed', 'lost', 'phantom', 'letter_differs')
    ),
    expected TEXT NOT NULL,
    found TEXT NOT NULL
);

CREATE INDEX deep_audit_findings_of_audit ON deep_audit_findings (audit_id, kind);
