"""The real job and the ledger's validator, which share nothing but the written contract, judge the same records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, seed
from hypothesis import settings as profile
from hypothesis import strategies as st

from contract.cases import CASES
from contract.event import EventRow
from flink_jobs.spec import JobSpec
from orchestration.ledger.validator import validate
from orchestration.settings import Settings
from tests.fixtures.flink_job import bound_to, start
from tests.fixtures.ledger import Scene

RECORDS = 4_000
GOOD = b'{"event_id":"e1","user_name":"ann","location":"Oslo","amount":{"minor":1250,"rate":0.5},"tags":["a",null]}'

# An upsert shows the last row of an id only. The trigger notes every row that the job writes.
NOTE_EVERY_ROW = """
    CREATE TABLE written (kafka_offset BIGINT, event_id TEXT, user_name TEXT, location TEXT);
    GRANT INSERT ON written TO {writer};
    GRANT SELECT ON written TO {reader};
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO {schema}.written VALUES (NEW.kafka_offset, NEW.event_id, NEW.user_name, NEW.location);
        RETURN NEW;
    END $$;
    CREATE TRIGGER note BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION note()
"""

# Texts near each border of the rule, as they stand between the quotes of a JSON string.
PIECES = st.sampled_from(
    [" ", "a", "é", "😀", "{", "[", "}", "\t", "\x00", "\x1f", "\x7f", "\x80", "\u2028", "\ufeff", "\u00a0",
     r"\n", r"\u0000", r"\u0041", r"\u007f", r"\u00a0", r"\"", r"\\", r"\/", r"\ud83d\ude00", r"\ud83d", r"\ude00"]
)  # fmt: skip
TEXTS = st.one_of(
    st.lists(PIECES, max_size=4).map("".join),
    st.tuples(PIECES, st.integers(48, 102), PIECES).map(lambda part: part[0] + "x" * part[1] + part[2]),
    st.tuples(st.sampled_from(["a", " ", "é", "😀"]), st.sampled_from([49, 50, 51, 99, 100, 101])).map(
        lambda part: part[0] * part[1]
    ),
)
SCALARS = st.sampled_from(["0", "-0", "12.50", "1e5", "1E+400", "-1", "01", "1.", "+1", "NaN", "true", "false", "null"])
NESTED = st.sampled_from(["{}", "[]", '{"a":1}', '["Oslo"]', '{"event_id":"x"}', "[" * 200 + "]" * 200])
VALUES = st.one_of(TEXTS.map(lambda text: f'"{text}"'), SCALARS, NESTED, st.just('"Oslo"'), st.just('"Oslo"'))
NAMES = st.sampled_from(
    ["event_id", "user_name", "location", "event_id", "user_name", "location", r"\u0065vent_id", r"user\u005fname",
     "EVENT_ID", "event_id ", "x", "", "spare", "kafka_offset"]
)  # fmt: skip
SPACE = st.sampled_from(["", "", "", "", "", "", " ", "\n", "\t", "\x0b", "\x00"])


USUAL = st.sampled_from(['"Oslo"', '"e1"', '"José 😀"', '" a "', "12.50", "true", r'"a\u00e9b"', f'"{"x" * 50}"'])


@st.composite
def objects(draw: st.DrawFn) -> str:
    """An object with the kept fields, mostly good ones, and members that may repeat, nest or break them."""
    kept = [name for name in ("event_id", "user_name", "location") if draw(st.integers(0, 20))]
    members = [f'"{name}":{draw(VALUES if draw(st.integers(0, 4)) == 4 else USUAL)}' for name in kept]
    for name in draw(st.lists(NAMES, max_size=2)) if draw(st.booleans()) else ():
        members.insert(draw(st.integers(0, len(members))), f'"{name}"{draw(SPACE)}:{draw(SPACE)}{draw(VALUES)}')
    return "{" + draw(SPACE) + ",".join(members) + "}"


DOCUMENTS = st.one_of(
    objects(),
    st.tuples(objects(), st.sampled_from(["", " ", "\n", " x", "{}", ",", "\x00", "}"]), objects() | st.just("")).map(
        "".join
    ),
    st.lists(objects() | SCALARS | NESTED, max_size=3).map(lambda items: "[" + ",".join(items) + "]"),
    VALUES,
)
ENCODINGS = st.sampled_from(["utf-8", "utf-8", "utf-8", "utf-8", "utf-8-sig", "latin-1", "utf-16-be", "utf-16"])
ENCODED = st.tuples(DOCUMENTS, ENCODINGS).map(lambda pair: pair[0].encode(pair[1], "replace"))
DAMAGED = st.tuples(
    st.integers(0, len(GOOD)), st.integers(0, 5), st.binary(max_size=3) | st.sampled_from([b'"', b"\\"])
).map(lambda part: GOOD[: part[0]] + part[2] + GOOD[part[0] + part[1] :])
RECORD_VALUES = st.one_of(objects().map(str.encode), ENCODED, DAMAGED, st.binary(max_size=40), st.none())


def generated() -> list[bytes | None]:
    """The poison set, and what hypothesis thinks up."""
    values = [case.value for case in CASES if len(case.value or b"") < 1_000_000]

    @seed(20_260_101)
    @profile(max_examples=RECORDS, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(RECORD_VALUES)
    def collect(value: bytes | None) -> None:
        values.append(value)

    collect()
    return values


def written(scene: Scene) -> Mapping[int, list[EventRow]]:
    """The rows that the job wrote for each offset, in its order."""
    rows = defaultdict(list)
    for offset, *texts in scene.rows("SELECT kafka_offset, event_id, user_name, location FROM written ORDER BY ctid"):
        rows[offset].append(EventRow(*texts))
    return rows


@pytest.fixture
def spec(scene: Scene, settings: Settings) -> JobSpec:
    """The pipeline's job, but bound to the scene and flushing each row, so that no row of an id hides another."""
    writer, schema = scene.postgres.writer.name, scene.postgres.schema
    scene.execute(NOTE_EVERY_ROW.format(writer=writer, reader=scene.postgres.reader.name, schema=schema))
    return replace(
        bound_to(scene, settings),
        sink_flush_rows=1,
        rest_address=None,  # the cluster that Flink starts within its client
        rest_port=None,
    )


def test_job_and_validator_agree(scene: Scene, spec: JobSpec, tmp_path: Path) -> None:
    values = generated()
    scene.produce(*values)
    start(replace(spec, start_offsets={0: 0}, end_offsets={0: len(values)}), tmp_path / "job.json")
    found = written(scene)
    differing = [
        f"{value!r}: written {found[offset]}, expected {verdict}"
        for offset, (value, verdict) in enumerate(zip(values, map(validate, values), strict=True))
        if found[offset] != ([verdict] if isinstance(verdict, EventRow) else [])
    ]
    assert not differing, f"{len(differing)} of {len(values)}:\n" + "\n".join(sorted(differing, key=len)[:20])
    assert sum(isinstance(validate(value), EventRow) for value in values) > RECORDS / 10
