"""The acknowledgement of gone offsets on the real broker and database: what it hides, and what it must not hide."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import psycopg2.errors
import pytest

from orchestration import ledger_ops
from orchestration.defs.ledger import acknowledge_gone as job
from orchestration.errors import ConfigurationError
from orchestration.ledger.accounting import Fate
from orchestration.ledger.acknowledgement import acknowledge_gone
from orchestration.ledger.offsets import OffsetRange, OffsetSet
from orchestration.ledger.standing import Standing, read_standing
from orchestration.ledger.verdicts import nothing_lost
from orchestration.verdicts import Verdict
from tests.fixtures.ledger import Scene, event

KNOWN = "the outage of the first of March"
HISTORY = "SELECT kafka_partition, offsets::text, reason, run FROM gone_acknowledgements ORDER BY run, kafka_partition"


@pytest.fixture
def scene(scene: Scene) -> Scene:
    """As ever, and the ledger of both partitions has begun: what was removed before that is not in it."""
    for partition in (0, 1):
        scene.run_job(event(f"first-{partition}"), partition=partition)
    scene.audit()
    return scene


def span(begin: int, end: int) -> OffsetSet:
    return OffsetSet((OffsetRange(begin, end),))


def judged(scene: Scene) -> Verdict:
    """The check as the pass judges it, which must be as anybody else reads it from the tables."""
    after, read = Standing.after(scene.audit()), read_standing(scene.postgres, scene.topic)
    verdict = nothing_lost(after.totals, after.lost, after.gone)
    assert verdict == nothing_lost(read.totals, read.lost, read.gone)
    return verdict


def acknowledge(scene: Scene, run: str = "r1") -> dict[int, OffsetSet]:
    return acknowledge_gone(scene.postgres, scene.topic, KNOWN, run)


def test_what_is_acknowledged_is_green_and_gone_still(scene: Scene) -> None:
    scene.remove_unread(7)
    scene.remove_unread(2, partition=1)
    assert judged(scene).description == "9 gone: partition 0: 1-7; partition 1: 1-2"
    before = scene.rows("SELECT * FROM ledger ORDER BY kafka_partition, from_offset")
    assert acknowledge(scene) == {0: span(1, 8), 1: span(1, 3)}
    assert scene.rows("SELECT * FROM ledger ORDER BY kafka_partition, from_offset") == before
    verdict = judged(scene)
    assert verdict.passed
    assert verdict.description == "all of 13 audited offsets are accounted for; 9 gone, acknowledged"
    assert verdict.metadata == {"lost": 0, "gone": 9, "gone_acknowledged": 9}
    assert scene.fates() == {Fate.LANDED: 2, Fate.GONE: 7}
    assert scene.audit().is_balanced
    assert scene.rows(HISTORY) == [(0, "{[1,8)}", KNOWN, "r1"), (1, "{[1,3)}", KNOWN, "r1")]


def test_what_goes_later_is_red_and_acknowledged_by_itself(scene: Scene) -> None:
    scene.remove_unread(3)
    scene.audit()
    acknowledge(scene)
    scene.remove_unread(2)
    scene.remove_unread(1, partition=1)
    verdict = judged(scene)
    assert not verdict.passed
    assert verdict.description == "3 gone: partition 0: 5-6; partition 1: 1; 3 gone, acknowledged"
    assert acknowledge(scene, "r2") == {0: span(5, 7), 1: span(1, 2)}
    assert judged(scene).passed
    assert acknowledge(scene, "r3") == {}, "nothing is acknowledged twice"
    assert [row[3] for row in scene.rows(HISTORY)] == ["r1", "r2", "r2"]


def test_lost_cannot_be_acknowledged(scene: Scene) -> None:
    scene.remove_unread(3)
    scene.run_job(event("a"), event("b"))
    scene.execute("DELETE FROM events WHERE event_id = 'a'")
    assert judged(scene).description == "1 LOST: partition 0: 5; 3 gone: partition 0: 1-3"
    assert acknowledge(scene) == {0: span(1, 4)}
    assert judged(scene).description == "1 LOST: partition 0: 5; 3 gone, acknowledged"
    # Not even by whoever writes into the table.
    scene.execute("UPDATE gone_acknowledgements SET offsets = '{[0,100)}'")
    verdict = judged(scene)
    assert not verdict.passed
    assert verdict.description == "1 LOST: partition 0: 5; 3 gone, acknowledged"


def test_a_row_that_landed_after_all_is_not_counted_as_acknowledged(scene: Scene) -> None:
    scene.remove_unread(3)
    scene.audit()
    acknowledge(scene)
    scene.land("unread-1", 2)
    scene.execute("UPDATE ledger SET landed = landed + 1, gone = 2, gone_offsets = '{[1,2),[3,4)}' WHERE gone > 0")
    verdict = judged(scene)
    assert verdict.passed
    assert verdict.metadata == {"lost": 0, "gone": 2, "gone_acknowledged": 2}


def test_other_topics_are_left_alone(scene: Scene) -> None:
    scene.remove_unread(3)
    scene.audit()
    assert acknowledge_gone(scene.postgres, "another", KNOWN, "r1") == {}
    scene.execute("INSERT INTO gone_acknowledgements VALUES ('another', 0, '{[0,100)}', 'why', 'r1')")
    assert not judged(scene).passed


@pytest.mark.parametrize("values", ["'{}', 'why'", "'{[0,1)}', ' '", "'{[0,1)}', ''"])
def test_an_acknowledgement_has_offsets_and_a_reason(scene: Scene, values: str) -> None:
    with pytest.raises(psycopg2.errors.CheckViolation):
        scene.execute(f"INSERT INTO gone_acknowledgements VALUES ('t', 0, {values}, 'r1')")


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("writer", "SELECT FROM gone_acknowledged"),
        ("writer", "INSERT INTO gone_acknowledgements DEFAULT VALUES"),
        ("reader", "INSERT INTO gone_acknowledgements DEFAULT VALUES"),
        ("auditor", "UPDATE gone_acknowledgements SET reason = 'another'"),
        ("auditor", "DELETE FROM gone_acknowledgements"),
    ],
)
def test_nobody_else_acknowledges_and_nobody_takes_it_back(scene: Scene, role: str, statement: str) -> None:
    with (
        pytest.raises(ConfigurationError, match="permission denied"),
        scene.postgres.connect(role) as connection,  # type: ignore[arg-type]
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


# The job

Run = Callable[..., dg.ExecuteInProcessResult]


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """A history of the test's own."""
    with dg.DagsterInstance.local_temp(str(tmp_path)) as found:
        yield found


@pytest.fixture
def run(scene: Scene, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The job on the scene, with the configuration of its op."""
    monkeypatch.setattr(ledger_ops, "load_settings", lambda: SimpleNamespace(kafka_topic=scene.topic))

    def launch(**config: object) -> dg.ExecuteInProcessResult:
        ops = {"acknowledge_gone_offsets": {"config": config}}
        resources = {"postgres": scene.postgres}
        return job.execute_in_process({"ops": ops}, instance=instance, resources=resources, raise_on_error=False)

    return launch


def told(instance: dg.DagsterInstance) -> dict[str, object]:
    """Metadata of the newest observation of the ledger."""
    (record,) = instance.fetch_observations(dg.AssetKey("ledger"), limit=1).records
    assert record.asset_observation
    return {name: value.value for name, value in record.asset_observation.metadata.items()}


def test_without_confirmation_it_only_tells(scene: Scene, instance: dg.DagsterInstance, run: Run) -> None:
    scene.remove_unread(3)
    scene.audit()
    assert run().success
    found = told(instance)
    assert (found["action"], found["acknowledged_offsets"]) == ("acknowledgement planned", "partition 0: 1-3")
    assert (found["gone"], found["gone_acknowledged"], found["landed"]) == (3, 0, 3)
    assert not run(dry_run=False, confirm=scene.topic).success
    assert not run(dry_run=False, confirm="yes", reason=KNOWN).success
    assert scene.rows(HISTORY) == []


def test_once_confirmed_the_check_is_evaluated(scene: Scene, instance: dg.DagsterInstance, run: Run) -> None:
    scene.remove_unread(3)
    scene.audit()
    done = run(dry_run=False, confirm=scene.topic, reason=KNOWN)
    assert done.success
    assert scene.rows(HISTORY) == [(0, "{[1,4)}", KNOWN, done.run_id)]
    found = told(instance)
    assert (found["action"], found["reason"], found["gone_acknowledged"]) == ("acknowledged", KNOWN, 3)
    key = dg.AssetCheckKey(dg.AssetKey("ledger"), "nothing_lost")
    (execution,) = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    assert execution.event
    assert execution.event.dagster_event
    evaluation = execution.event.dagster_event.asset_check_evaluation_data
    assert evaluation.passed
    assert evaluation.description == "all of 6 audited offsets are accounted for; 3 gone, acknowledged"
