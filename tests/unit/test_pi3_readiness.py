"""The verdicts of `pi3 preflight`."""

from __future__ import annotations

import pytest

from flink_jobs.spec import JobSpecError
from orchestration.pi3 import preflight, readiness
from orchestration.pi3.findings import Finding, State
from orchestration.pi3.preflight import ON_TOPIC, on_groups

JARS = ("flink-dist-2.3.0.jar", "flink-sql-connector-kafka-5.0.0-2.2.jar", "pi3-connector-1.jar", "postgresql-42.jar")
OTHERS = (*JARS[:2], "pi3-connector-2.jar", JARS[3])
NEEDED = ("flink-sql-connector-kafka", "pi3-connector", "postgresql")
MISSING = ("the table events does not exist",)


@pytest.mark.parametrize(
    ("finding", "state", "words", "fix"),
    [
        (readiness.login("flink", "k:1", None), State.OK, "let in at k:1", ""),
        (readiness.login("flink", "k:1", "SASL authentication error"), State.ERROR, "at k:1: SASL", "KAFKA_PASSWORD"),
        (readiness.login("flink", "k:1", "Connection refused"), State.ERROR, "at k:1: Conn", "BOOTSTRAP_SERVERS"),
        (readiness.not_tried("flink", "no such property"), State.WARN, "not tried from here: no such", "Flink's hosts"),
        (readiness.rights("flink", "topic t", {"READ", "ALTER"}, ("READ",)), State.OK, "READ on topic t", ""),
        (readiness.rights("flink", "topic t", {"READ"}, ("WRITE", "READ")), State.ERROR, "lacks WRITE on", "allow"),
        (readiness.rights("flink", "topic t", None, ("READ",)), State.ERROR, "lacks READ on topic t", "allow flink"),
        (readiness.topic("t", "k:1", (), creatable=False), State.OK, "t at k:1, as wanted", ""),
        (readiness.topic("t", "k:1", None, creatable=True), State.WARN, "not at k:1 yet", "start_pipeline"),
        (readiness.topic("t", "k:1", None, creatable=False), State.ERROR, "may not be created", "CREATE"),
        (readiness.topic("t", "k:1", ("partitions is 1",), creatable=False), State.ERROR, "partitions is 1", "PI3_"),
        (readiness.topic("t", "k:1", ("retention is 1",), creatable=False), State.WARN, "retention is 1", "alter"),
        (readiness.table("db", (), owner_may_create=False), State.OK, "in db, with its unique index", ""),
        (readiness.table("db", MISSING, owner_may_create=True), State.WARN, "not in db yet", "start_pipeline"),
        (readiness.table("db", MISSING, owner_may_create=False), State.ERROR, "may not create it", "bootstrap.sql"),
        (readiness.table("db", ("no unique index",), True), State.ERROR, "in db: no unique index", "undo"),
        (readiness.encryption("db", "TLSv1.3", loopback=False), State.OK, "TLSv1.3 to db", ""),
        (readiness.encryption("db", None, loopback=True), State.OK, "this machine", ""),
        (readiness.encryption("db", None, loopback=False), State.WARN, "can be read", "verify-full"),
        (readiness.flink_version("f", "2.3.1", "2.3.0"), State.OK, "2.3.1 at f", ""),
        (readiness.flink_version("f", "2.1.0", "2.3.0"), State.ERROR, "2.1.0 at f", "Flink 2.3"),
        (readiness.slots("f", 4, 4), State.OK, "4 free at f", ""),
        (readiness.slots("f", 3, 4), State.ERROR, "3 free at f, 4 needed", "PI3_FLINK_PARALLELISM"),
        (readiness.jars("f", JARS, JARS, NEEDED, "2.3.0"), State.OK, "pi3-connector-1.jar", ""),
        (readiness.jars("f", JARS, (), NEEDED, "2.3.0"), State.OK, "pi3-connector-1.jar", ""),
        (readiness.jars("f", JARS[:1], JARS, NEEDED, "2.3.0"), State.ERROR, "f lacks flink-sql", "lib folder"),
        (readiness.jars("f", JARS, OTHERS, NEEDED, "2.3.0"), State.ERROR, "versions: pi3-connector-1.jar", "LIB_DIR"),
        (readiness.jars("f", JARS, JARS, NEEDED, "2.1.0"), State.ERROR, "kafka-5.0.0-2.2.jar at f", "for Flink 2.1"),
        (readiness.jars("f", JARS, JARS, NEEDED, "3.0.0"), State.ERROR, "another Flink", "for Flink 3.0"),
        (readiness.folder("s", written=True, seen=True), State.OK, "both sides", ""),
        (readiness.folder("s", written=False, seen=False), State.ERROR, "s cannot be written to", "STATE_URI"),
        (readiness.folder("s", written=True, seen=False), State.ERROR, "not seen from here", "same path"),
        (readiness.not_a_folder("s3://b/f"), State.WARN, "s3://b/f is no folder", "first checkpoint"),
        (readiness.no_slot("f"), State.WARN, "no slot is free at f", "free a slot"),
        (readiness.probe_failed("f", "disk full"), State.ERROR, "at f: disk full", "Exceptions"),
        (readiness.newest_record(None), State.OK, "empty", ""),
        (readiness.newest_record(-3.25), State.OK, "stamped 3.2 s ago", ""),
        (readiness.newest_record(9.0), State.WARN, "9.0 s in the future", "NTP"),
    ],
)  # fmt: skip
def test_each_verdict_says_what_and_what_to_do(finding: Finding, state: State, words: str, fix: str) -> None:
    assert finding.state is state
    assert words in finding.found
    assert fix in finding.fix
    assert bool(finding.fix) == (state is not State.OK)


def test_clocks() -> None:
    found = readiness.clocks({"postgres": -0.04, "flink": 2.5})
    assert [(finding.what, finding.state, finding.found) for finding in found] == [
        ("clock, postgres", State.OK, "0.0 s behind"),
        ("clock, flink", State.WARN, "2.5 s ahead"),
    ]


@pytest.mark.parametrize(("stamp_s", "ahead_s"), [(10.0, 0.0), (12.5, 0.0), (15.0, 0.0), (16.5, 1.5), (9.5, -0.5)])
def test_a_stamp_within_its_time_tells_of_no_skew(stamp_s: float, ahead_s: float) -> None:
    assert readiness.outside(stamp_s, 10.0, 15.0) == ahead_s


def test_what_is_asked_of_each_principal() -> None:
    assert ON_TOPIC.keys() == {"dagster", "producer", "flink"}
    assert on_groups("flink", "t", "g") == {"g": ("READ",)}
    assert on_groups("producer", "t", "g") == {}
    assert on_groups("dagster", "t", "g").keys() == {"g", "pi3-ledger-t", "pi3-deep-audit"}


def test_settings_that_describe_no_job_are_a_finding() -> None:
    def look(_: object) -> list[Finding]:
        raise JobSpecError("job spec: job_name must not be empty")

    (finding,) = preflight._looked("flink", look, None)  # type: ignore[arg-type]
    assert (finding.state, finding.what, finding.fix) == (State.ERROR, "flink", "job spec: job_name must not be empty")
