"""Every cause of the stream's state, as a table, and which of several comes first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from orchestration.health.causes import FINE, GRAVITY, TITLES, Cause
from orchestration.health.diagnosis import Diagnosis, Memory, diagnose
from orchestration.health.facts import (
    BlockedSession,
    Checkpoints,
    Desired,
    Failure,
    FlinkFacts,
    JobFacts,
    KafkaFacts,
    PostgresFacts,
    StreamFacts,
    Unreachable,
)
from orchestration.health.track import Goal, Track
from orchestration.health.view import Limits
from orchestration.settings import Settings
from orchestration.verdicts import Severity

NOW = 1_800_000_000.0
DAY = 86_400.0
WEEK_MS = 7 * 86_400_000
LIMITS = Limits()
BATCH = "java.sql.BatchUpdateException: Batch entry 0 INSERT was aborted"
PSQL = "org.postgresql.util.PSQLException: "


def job(**changes: Any) -> JobFacts:  # noqa: ANN401
    """A job that does well, unless `changes` say otherwise."""
    return replace(JobFacts("j1", "RUNNING", 4, 4, NOW - 900, 0, (), Checkpoints(100, NOW - 4)), **changes)


def failed(*ages_s: float, cause: str = "java.lang.RuntimeException: boom", **changes: Any) -> JobFacts:  # noqa: ANN401
    """A job with failures so long ago, newest first, and no checkpoint since the first one."""
    completed = Checkpoints(100, NOW - ages_s[-1] - 1)
    failures = tuple(Failure(NOW - age_s, (BATCH, cause)) for age_s in ages_s)
    return job(**{"failures": failures, "checkpoints": completed, "restarts": len(ages_s), **changes})


def flink(found: JobFacts | None = None, active: int = 1) -> FlinkFacts:
    return FlinkFacts(active, found or job())


def kafka(lag: int = 0, **changes: Any) -> KafkaFacts:  # noqa: ANN401
    """Two partitions; the first has the lag."""
    committed = {0: 1_000_000 - lag, 1: 500}
    return replace(KafkaFacts({0: 0, 1: 0}, {0: 1_000_000, 1: 500}, committed, WEEK_MS), **changes)


HEALTHY = StreamFacts(NOW, flink(), kafka(), PostgresFacts(900), Desired("running", NOW - 3600))

DOWN = {name: Unreachable(f"{name} gives no answer") for name in ("flink", "kafka", "postgres")}
STOPPED = Desired("stopped", NOW - 3600)


def track(moved_s_ago: float = 5.0, **changes: Any) -> Track:  # noqa: ANN401
    """What the snapshots until five seconds ago have shown: the last commit so long ago, of the whole."""
    moved = NOW - moved_s_ago
    former = Track(
        NOW - 5,
        ends={0: 999_990, 1: 500},
        committed={0: 999_000, 1: 500},
        moved_at_s={0: moved, 1: moved},
        commits_at_s=moved,
        produced_at_s=NOW - 5,
        source_at_s=NOW - 900,
        whole_at_s=NOW - 900,
        newest_id=890,
        wrote_at_s=moved,
        landed=900,
        launched=True,
        desired=HEALTHY.desired,
    )
    return replace(former, **changes)


def standing(lag: int, for_s: float) -> dict[str, Any]:
    """A track and facts in which nothing has been committed or has landed for so long, and the lag stands."""
    facts = kafka(lag)
    before = track(for_s, committed=dict(facts.committed), newest_id=900, moved_at_s={0: NOW - for_s, 1: NOW - 5})
    return {"kafka": facts, "before": before}


def examined(before: Track | None = None, cause: Cause = Cause.LANDING, **changes: Any) -> Diagnosis:  # noqa: ANN401
    """The diagnosis of the healthy stream with these facts changed."""
    memory = Memory(before or track(), cause, NOW - 300)
    return diagnose(replace(HEALTHY, **changes), memory, LIMITS)


LOCKED = PostgresFacts(None, (BlockedSession("splitpay-events#3", 12.0, ("psql (role pi3_owner, pid 77)",)),))
STALLED = standing(5_000, 100)


@dataclass(frozen=True)
class Case:
    """Facts that differ from the healthy ones, and what they must come to."""

    cause: Cause
    words: str
    changes: dict[str, Any]
    severity: Severity | None = None  # None: the cause is fine
    id: str = ""


WARN, ERROR = Severity.WARN, Severity.ERROR

CASES = [
    Case(Cause.LANDING, "rows land as they arrive; lag 0", {}),
    Case(Cause.LANDING, "lag 700", {"kafka": kafka(700)}),
    Case(Cause.IDLE, "nothing has arrived for 10 min", {"before": track(
        ends={0: 1_000_000, 1: 500}, produced_at_s=NOW - 600)}),
    # What is wanted
    Case(Cause.NOT_LAUNCHED, "materialise streaming_job", {
        "flink": FlinkFacts(0), "desired": None, "before": track(launched=False, desired=None)}),
    Case(Cause.NOT_LAUNCHED, "nobody has asked", {
        "flink": FlinkFacts(0), "desired": None, "before": track(launched=False, desired=None),
        "kafka": DOWN["kafka"], "postgres": DOWN["postgres"]}, id="not-provisioned"),
    Case(Cause.NOT_LAUNCHED, "nobody has asked", {
        **DOWN, "desired": None, "before": track(launched=False, desired=None)}, id="nothing-is-up-yet"),
    Case(Cause.STOPPED, "stopped on purpose", {"flink": FlinkFacts(0), "desired": STOPPED}),
    Case(Cause.STOPPED, "stopped on purpose", {"flink": DOWN["flink"], "desired": STOPPED}, id="stopped-no-flink"),
    Case(Cause.STOPPED, "stopped on purpose", {
        "flink": FlinkFacts(0), "desired": None, "postgres": DOWN["postgres"], "before": track(desired=STOPPED)},
        id="stopped-remembered"),
    Case(Cause.STOPPED, "is being stopped", {"desired": Desired("stopped", NOW - 10)}),
    Case(Cause.STOPPED, "is being stopped", {"desired": STOPPED, "postgres": PostgresFacts(9, changing=True)}),
    Case(Cause.UNWANTED, "was to stop 60 min ago", {"desired": STOPPED}, WARN),
    Case(Cause.STARTING, "being started", {"flink": FlinkFacts(0), "desired": Desired("running", NOW - 5)}),
    Case(Cause.STARTING, "being started", {"flink": FlinkFacts(0), "postgres": PostgresFacts(9, changing=True)}),
    Case(Cause.STARTING, "no checkpoint yet", {
        "flink": flink(job(state="CREATED", tasks_running=0, started_at_s=NOW - 5, checkpoints=Checkpoints()))}),
    Case(Cause.AMBIGUOUS, "2 jobs", {"flink": flink(active=2)}, ERROR),
    Case(Cause.ABSENT, "the last one is CANCELED; mat", {
        "flink": flink(failed(9, state="CANCELED"), 0), "desired": None, "before": track(desired=None)}, ERROR),
    Case(Cause.ABSENT, "recovery gave up: no restore point", {
        "flink": FlinkFacts(0), "desired": Desired("running", NOW - 999, 5, NOW - 9, "no restore point")}, ERROR),
    Case(Cause.RECOVERING, "the last one is FAILED: java.lang.RuntimeException: boom", {
        "flink": flink(failed(9, state="FAILED"), 0)}, WARN),
    Case(Cause.RECOVERING, "2 attempts so far, the last one: submit failed", {
        "flink": FlinkFacts(0), "desired": Desired("running", NOW - 999, 2, None, "submit failed"),
        **standing(10, 99)}, ERROR),
    # Servers
    Case(Cause.UNREACHABLE, "flink gives no answer", {"flink": DOWN["flink"]}, WARN),
    Case(Cause.UNREACHABLE, "nothing has got on for 100 s", {"flink": DOWN["flink"], **STALLED}, WARN),
    Case(Cause.UNREACHABLE, "kafka gives no answer; postgres gives no answer", {**DOWN}, WARN, id="all-down"),
    Case(Cause.SOURCE_UNREACHABLE, "was seen to get on 0 s ago", {"kafka": DOWN["kafka"]}, WARN),
    Case(Cause.SOURCE_UNREACHABLE, "nothing has got on for 60 s", {
        "kafka": DOWN["kafka"], "before": track(60, newest_id=900)}, ERROR),
    Case(Cause.SOURCE_UNREACHABLE, "kafka gives no answer", {
        "kafka": DOWN["kafka"], "flink": FlinkFacts(0)}, WARN, id="no-kafka-no-job"),
    Case(Cause.SINK_BLOCKED, "postgres gives no answer", {"postgres": DOWN["postgres"]}, WARN),
    Case(Cause.SINK_BLOCKED, "postgres gives no answer", {"postgres": DOWN["postgres"], **STALLED}, ERROR),
    Case(Cause.SINK_BLOCKED, "1 sessions of the job wait for a lock, for 12 s, held by psql (role pi3_owner, pid 77)",
         {"postgres": LOCKED}, WARN),
    Case(Cause.SINK_BLOCKED, "held by psql", {"postgres": LOCKED, **STALLED}, ERROR, id="locked-for-long"),
    Case(Cause.LANDING, "rows land", {"postgres": PostgresFacts(9, (BlockedSession("j", 0.5, ()),))}, id="short-lock"),
    Case(Cause.SINK_BLOCKED, "password authentication failed", {
        "flink": flink(failed(9, 11, cause=PSQL + "FATAL: password authentication failed for user \"w\""))}, WARN),
    Case(Cause.SINK_BLOCKED, "No space left on device", {"flink": flink(
        failed(9, 11, cause=PSQL + "ERROR: could not extend file \"base/5/1\": No space left on device"))}, WARN),
    # The job
    Case(Cause.FENCED, "splitpay-events#3 holds no writer lease", {
        "flink": flink(failed(5, cause=PSQL + "ERROR: splitpay-events#3 holds no writer lease"))}, ERROR),
    Case(Cause.RECOVERING, "the job is RESTARTING, 0 of 4 tasks run after java.lang.RuntimeException: boom; Flink", {
        "flink": flink(failed(5, state="RESTARTING", tasks_running=0))}, WARN),
    Case(Cause.RECOVERING, "3 of 4 tasks run", {"flink": flink(job(tasks_running=3))}, WARN),
    Case(Cause.RECOVERING, "4 of 4 tasks run after", {"flink": flink(failed(5))}, WARN, id="no-checkpoint-since"),
    Case(Cause.RECOVERING, "0 of 4 tasks", {"flink": flink(job(tasks_running=0)), **STALLED}, ERROR),
    Case(Cause.CRASH_LOOP, "3 failures within 2 min, the last: java.lang.RuntimeException: boom", {
        "flink": flink(failed(5, 60, 130))}, ERROR),
    Case(Cause.CRASH_LOOP, "3 failures", {"flink": flink(
        failed(5, 60, 130, checkpoints=Checkpoints(101, NOW - 1))), "before": track(whole_at_s=None)}, ERROR,
        id="not-steady-yet"),
    Case(Cause.RECOVERING, "RuntimeException: boom", {
        "flink": flink(failed(5, 99, 300)), "before": track(steady_at_s=NOW - 50)}, WARN, id="steady-before"),
    Case(Cause.RECOVERING, "Connection to 127.0.0.1:5432 refused", {"flink": flink(
        failed(5, cause=PSQL + "Connection to 127.0.0.1:5432 refused"))}, WARN, id="one-refusal"),
    Case(Cause.CRASH_LOOP, "ERROR: column", {"flink": flink(
        failed(5, 9, 20, cause=PSQL + 'ERROR: column "location" is of type integer'))}, ERROR),
    Case(Cause.LANDING, "rows land", {"flink": flink(
        failed(50, 60, 130, checkpoints=Checkpoints(101, NOW - 4))), "before": track(whole_at_s=NOW - 40)},
        id="steady-again"),
    Case(Cause.CHECKPOINTS_FAILING, "3 in a row, the last one completed 25 s ago: Could not create directory", {
        "flink": flink(job(checkpoints=Checkpoints(9, NOW - 25, 3, "Could not create directory")))}, WARN),
    Case(Cause.CHECKPOINTS_FAILING, "none has completed yet: IO-problem", {"flink": flink(failed(
        3, 30, 60, cause="Exceeded checkpoint tolerable failure threshold.",
        checkpoints=Checkpoints(0, None, 9, "IO-problem")))}, WARN, id="checkpoints-fail-the-job"),
    Case(Cause.LANDING, "rows land", {"flink": flink(failed(
        9, 30, 60, cause="Exceeded checkpoint tolerable failure threshold.",
        checkpoints=Checkpoints(1, NOW - 1)))}, id="checkpoints-complete-again"),
    Case(Cause.CHECKPOINTS_FAILING, "completed 45 s ago; one has been pending for 40 s", {
        "flink": flink(job(checkpoints=Checkpoints(9, NOW - 45, 0, None, NOW - 40))), **STALLED}, ERROR),
    Case(Cause.CHECKPOINTS_FAILING, "none has completed yet", {
        "flink": flink(job(checkpoints=Checkpoints()))}, WARN, id="never-a-checkpoint"),
    # The flow
    Case(Cause.EVERY_RECORD_REJECTED, "the last 60 records that were audited are all dead letters", {
        "postgres": PostgresFacts(890, landed=900, dead=60)}, ERROR),
    Case(Cause.LANDING, "rows land", {"postgres": PostgresFacts(990, landed=901, dead=60)}, id="few-rejected"),
    Case(Cause.STUCK, "5,000 records wait, and none was committed for 100 s in partitions 0", STALLED, ERROR),
    Case(Cause.STUCK, "in partitions 0", {"kafka": kafka(5_000), "before": track(
        committed={0: 995_000, 1: 400}, moved_at_s={0: NOW - 100, 1: NOW - 5})}, ERROR, id="one-partition-stuck"),
    Case(Cause.LANDING, "rows land", standing(5_000, 15), id="patience"),
    Case(Cause.LANDING, "rows land", {
        **STALLED, "before": replace(STALLED["before"], whole_at_s=NOW - 15)}, id="just-started"),
    Case(Cause.LANDING, "rows land", {**STALLED, "before": replace(STALLED["before"], source_at_s=NOW - 15)},
         id="kafka-just-back"),
    Case(Cause.RECOVERING, "everything runs again; 5,000 records wait, none is committed yet", {
        **standing(5_000, 15), "cause": Cause.SOURCE_UNREACHABLE}, WARN, id="no-commit-after-the-fault"),
    Case(Cause.LANDING, "rows land", {"kafka": kafka(5_000), "cause": Cause.SOURCE_UNREACHABLE}, id="commits-again"),
    Case(Cause.LANDING, "rows land", {"cause": Cause.SOURCE_UNREACHABLE}, id="nothing-to-commit-after-the-fault"),
    Case(Cause.CATCHING_UP, "lag 100,000, 5,000/s less, 20 s to go", {
        "kafka": kafka(100_000), "before": track(goal=Goal(NOW - 90, {0: 999_000}, 85), lags=((NOW - 60, 400_000),))}),
    Case(Cause.CATCHING_UP, "lag 100,000", {
        "kafka": kafka(100_000), "before": track(goal=Goal(NOW - 90, {0: 999_000}, 85))}, id="trend-not-known"),
    Case(Cause.LAGGING, "lag 400,000, 5,000/s more", {
        "kafka": kafka(400_000), "before": track(goal=Goal(NOW - 90, {0: 999_000}, 85), lags=((NOW - 60, 100_000),))},
        WARN),
    Case(Cause.LANDING, "rows land", {"kafka": kafka(9_000), "before": track(
        goal=Goal(NOW - 40, {0: 999_000}, 35))}, id="not-far-behind"),
    # Retention
    Case(Cause.RETENTION_NEAR, "in 24.0 h Kafka begins to remove", {
        **STALLED, "kafka": kafka(5_000, oldest_waiting_at_s=NOW - 6 * DAY),
        "before": track(5, committed={0: 1, 1: 1})}, WARN),
    Case(Cause.RETENTION_NEAR, "in 0 s Kafka begins", {"kafka": kafka(50, oldest_waiting_at_s=NOW - 8 * DAY)}, ERROR),
    Case(Cause.RETENTION_NEAR, "in 24.0 h", {
        "flink": FlinkFacts(0), "desired": STOPPED, "kafka": kafka(50, oldest_waiting_at_s=NOW - 6 * DAY)}, WARN,
        id="stopped-for-long"),
    Case(Cause.LANDING, "rows land", {"kafka": kafka(50, oldest_waiting_at_s=NOW - 3 * DAY)}, id="retention-far"),
    Case(Cause.LANDING, "rows land", {
        "kafka": kafka(50, oldest_waiting_at_s=NOW - 30 * DAY, retention_ms=-1)}, id="kept-for-ever"),
    Case(Cause.STUCK, "in 24.0 h Kafka begins to remove", {
        **STALLED, "kafka": kafka(5_000, oldest_waiting_at_s=NOW - 6 * DAY)}, ERROR, id="stuck-and-retention"),
    Case(Cause.RETENTION_PASSED, "1,500 records were removed before they were read (partition 0: 1,500)", {
        **STALLED, "kafka": kafka(5_000, begins={0: 996_500, 1: 0})}, ERROR),
    Case(Cause.RETENTION_PASSED, "1,500 records", {
        "flink": FlinkFacts(0), "desired": STOPPED, "kafka": kafka(5_000, begins={0: 996_500, 1: 0})}, ERROR,
        id="passed-while-stopped"),
    Case(Cause.LANDING, "rows land", {"kafka": kafka(5_000, begins={0: 996_500, 1: 0})}, id="past-the-gap"),
    Case(Cause.LANDING, "rows land", {"kafka": kafka(begins={0: 5, 1: 0}, committed={1: 500})}, id="no-commit-yet"),
    Case(Cause.SOURCE_REPLACED, "beyond the topic's end in partitions 0", {"kafka": kafka(ends={0: 7, 1: 500})}, ERROR),
]  # fmt: skip


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case.cause.value}-{case.id}" if case.id else case.cause.value
)
def test_cause(case: Case) -> None:
    found = examined(**case.changes)
    assert (found.cause, found.ok) == (case.cause, case.severity is None), found.words
    assert case.words in found.words
    assert case.severity in (None, found.severity), found.words


def test_every_cause_has_a_case() -> None:
    assert {case.cause for case in CASES} == set(Cause)
    assert set(GRAVITY) == set(TITLES) == set(Cause)
    assert {case.cause for case in CASES if case.severity is None} == FINE


LAYERS: list[tuple[Cause, dict[str, Any]]] = [
    (Cause.RETENTION_PASSED, {"kafka": kafka(5_000, begins={0: 996_500, 1: 0})}),
    (Cause.UNREACHABLE, {"flink": DOWN["flink"]}),
    (Cause.AMBIGUOUS, {"flink": flink(failed(5, cause=PSQL + "ERROR: x holds no writer lease"), active=2)}),
    (Cause.FENCED, {"flink": flink(failed(5, 6, 7, cause=PSQL + "ERROR: x holds no writer lease"))}),
    (Cause.SOURCE_UNREACHABLE, {"kafka": DOWN["kafka"]}),
    (Cause.SINK_BLOCKED, {"postgres": DOWN["postgres"]}),
    (Cause.SINK_BLOCKED, {"postgres": LOCKED}),
    (Cause.RECOVERING, {"flink": FlinkFacts(0)}),
    (Cause.SINK_BLOCKED, {"flink": flink(failed(5, 6, 7, cause=PSQL + "FATAL: the database system is starting up"))}),
    (Cause.CRASH_LOOP, {"flink": flink(failed(5, 6, 7, state="RESTARTING", tasks_running=0))}),
    (Cause.RECOVERING, {"flink": flink(failed(5, state="RESTARTING", tasks_running=0))}),
    (Cause.CHECKPOINTS_FAILING, {"flink": flink(job(checkpoints=Checkpoints(9, NOW - 45)))}),
    (Cause.EVERY_RECORD_REJECTED, {"postgres": PostgresFacts(900, landed=900, dead=60)}),
    (Cause.STUCK, {}),
]


@pytest.mark.parametrize("first", range(len(LAYERS)), ids=lambda n: f"{n}-{LAYERS[n][0].value}")
def test_precedence(first: int) -> None:
    """Of all that can be the case at the same time, the earlier layer is the cause, whatever comes after it."""
    changes: dict[str, Any] = dict(STALLED)
    for _, layer in reversed(LAYERS[first:]):
        changes |= layer
    assert examined(**changes).cause is LAYERS[first][0]


def test_since_is_kept_while_the_cause_is_the_same() -> None:
    same = examined(flink=DOWN["flink"], cause=Cause.UNREACHABLE)
    assert same.since_s == same.memory.since_s == NOW - 300
    assert same.words.startswith("unknown since 2027-01-15 07:55:00 UTC: ")
    assert examined(flink=DOWN["flink"]).since_s == NOW


def test_a_warning_that_lasts_becomes_an_error_but_never_for_what_is_unknown() -> None:
    def lasting(cause: Cause, **changes: Any) -> Diagnosis:  # noqa: ANN401
        return examined(cause=cause, **changes)

    idle_but_down = lasting(Cause.SINK_BLOCKED, postgres=DOWN["postgres"])
    assert (idle_but_down.cause, idle_but_down.severity) == (Cause.SINK_BLOCKED, ERROR)
    unknown = lasting(Cause.UNREACHABLE, **{**DOWN, "before": track(900)})
    assert (unknown.cause, unknown.severity, unknown.ok) == (Cause.UNREACHABLE, WARN, False)


@pytest.mark.parametrize(
    ("cause_before", "expected"),
    [(Cause.LANDING, Cause.STARTING), (Cause.STOPPED, Cause.STARTING), (Cause.STARTING, Cause.STARTING),
     (Cause.RECOVERING, Cause.RECOVERING), (Cause.UNREACHABLE, Cause.RECOVERING), (Cause.ABSENT, Cause.RECOVERING)],
)  # fmt: skip
def test_a_job_that_comes_back_from_a_fault_is_not_well_before_its_first_checkpoint(
    cause_before: Cause, expected: Cause
) -> None:
    young = job(started_at_s=NOW - 5, checkpoints=Checkpoints())
    assert examined(flink=flink(young), cause=cause_before).cause is expected


@pytest.mark.parametrize("before", [Cause.CATCHING_UP, Cause.LAGGING])
def test_a_lag_that_hardly_moves_keeps_its_name(before: Cause) -> None:
    former = track(goal=Goal(NOW - 90, {0: 999_000}, 85), lags=((NOW - 60, 400_100),))
    assert examined(former, before, kafka=kafka(400_000)).cause is before


def test_the_first_snapshot_of_all_gives_the_benefit_of_the_doubt() -> None:
    found = diagnose(replace(HEALTHY, kafka=kafka(5_000)), None, LIMITS)
    assert (found.cause, found.ok) == (Cause.LANDING, True)


def run(*steps: Callable[[float], StreamFacts]) -> list[Diagnosis]:
    """Snapshots five seconds apart, each diagnosed with the memory of the one before."""
    found: list[Diagnosis] = []
    memory = None
    for number, step in enumerate(steps):
        found.append(diagnose(step(NOW + 5 * number), memory, LIMITS))
        memory = found[-1].memory
    return found


def test_a_crash_loop_does_not_look_healthy_between_two_crashes() -> None:
    def crashing(at_s: float) -> StreamFacts:
        number = int((at_s - NOW) / 5)
        ages = tuple(at_s - NOW - 5 * n for n in range(number, -1, -2))
        failures = tuple(Failure(at_s - age_s, ("boom",)) for age_s in ages)
        state = "RUNNING" if number % 2 else "RESTARTING"
        found = job(state=state, failures=failures, checkpoints=Checkpoints(5, NOW - 60))
        return replace(HEALTHY, at_s=at_s, flink=flink(found), kafka=kafka(5_000))

    causes = [diagnosis.cause for diagnosis in run(*[crashing] * 10)]
    assert causes == [Cause.RECOVERING] * 4 + [Cause.CRASH_LOOP] * 6


def test_a_long_outage_is_followed_by_catching_up_not_by_lagging() -> None:
    def moment(committed: int, end: int, up: bool) -> Callable[[float], StreamFacts]:
        facts = KafkaFacts({0: 0}, {0: end}, {0: committed}, WEEK_MS)

        def at(at_s: float) -> StreamFacts:
            found = job(tasks_running=4 if up else 0, checkpoints=Checkpoints(5, at_s - (2 if up else 20)))
            return replace(HEALTHY, at_s=at_s, flink=flink(found), kafka=facts)

        return at

    end = 0
    steps = []
    for _ in range(20):
        end += 25_000
        steps.append(moment(25_000, end, up=False))
    committed = 25_000
    for _ in range(8):
        end, committed = end + 25_000, committed + 60_000
        steps.append(moment(committed, end, up=True))
    causes = [diagnosis.cause for diagnosis in run(*steps)]
    assert causes[2:20] == [Cause.RECOVERING] * 18
    assert causes[20:] == [Cause.CATCHING_UP] * 8


def test_figures_are_there_when_they_are_known() -> None:
    well = examined(kafka=kafka(10, oldest_waiting_at_s=NOW - DAY))
    assert well.figures.items() >= {
        "lag": 10, "restarts": 0, "checkpoint_age_s": 4.0, "retention_left_days": 6.0, "tasks_running": 4,
        "state": "RUNNING",
    }.items()  # fmt: skip
    assert well.verdict.metadata["cause"] == "landing"
    assert set(examined(flink=DOWN["flink"], kafka=DOWN["kafka"], postgres=DOWN["postgres"]).figures) == {
        "progress_age_s",
        "since",
    }


def test_limits_follow_the_settings() -> None:
    slow = Limits.of(Settings(checkpoint_interval_ms=60_000))
    assert (slow.patience_s, slow.behind_s, slow.checkpoint_age_s) == (240.0, 720.0, 300.0)
    assert Limits.of(Settings()) == LIMITS
