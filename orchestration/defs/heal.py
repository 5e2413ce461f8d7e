"""Self-heal: a sensor that brings a dead job back, the check that says how that goes, and the end of lost sessions."""

import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass

import dagster as dg

from orchestration.defs.checks import judged
from orchestration.defs.lifecycle import stream_session
from orchestration.defs.resources import resources
from orchestration.defs.streaming import STREAMING_JOB
from orchestration.errors import Pi3Error
from orchestration.flink.resource import Ensured
from orchestration.ledger_report import evaluation
from orchestration.lifecycle import recovery, retention
from orchestration.lifecycle.heal import Decision, GiveUp, Limits, Nothing, Observed, Recover
from orchestration.lifecycle_ops import told
from orchestration.settings import Settings
from orchestration.streaming_job import StreamingJob
from orchestration.verdicts import Verdict

SELF_HEAL = "self_heal"
# The daemon looks at its sensors every 5 s: this is every other turn, which an interval of just 10 would often miss.
# Each tick costs Dagster more than it costs us, which an idle stack shows.
INTERVAL_S = 9
# What Postgres said while all was well is believed for so long.
REREAD_S = 15.0
# Of a session's run: much longer than its reports are apart, and than a busy machine may delay them.
SILENCE_S = 300.0


@dataclass(frozen=True)
class Memory:
    """What one tick leaves for the next: the jobs that were active when all was well, when that was read (Unix time),
    and what was told of the check last.
    """

    well: tuple[str, ...] = ()
    read_at_s: float = 0.0
    told: str = ""

    def vouches_for(self, observed: Observed, now_s: float) -> bool:
        """Whether nothing has changed since all was well, a moment ago."""
        return now_s - self.read_at_s < REREAD_S and active(observed) == self.well

    @classmethod
    def from_cursor(cls, cursor: str | None) -> "Memory":
        """What `to_cursor` wrote; nothing if something else did."""
        try:
            values = json.loads(cursor or "{}")
            return cls(**{**values, "well": tuple(values.get("well", ()))})
        except (ValueError, TypeError, AttributeError):
            return cls()

    def to_cursor(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self))


def active(observed: Observed) -> tuple[str, ...]:
    """Ids of the jobs that have not ended."""
    return tuple(job.id for job in observed.jobs or () if not job.ended)


def sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """`self_heal_sensor` and `session_sensor`."""
    return [self_heal_sensor(settings, resources(settings)["stream"]), _session_sensor()]


def checks(settings: Settings) -> list[dg.AssetChecksDefinition]:
    """`self_heal` on `streaming_job`."""
    limits = Limits.of(settings)

    @dg.asset_check(
        asset=STREAMING_JOB,
        description="A job that died was brought back. The sensor evaluates it too, as soon as something changes.",
    )
    def self_heal(stream: StreamingJob) -> dg.AssetCheckResult:
        return judged(lambda: recovery.look(stream, limits, recovery.observe(stream)).verdict)

    return [self_heal]


def self_heal_sensor(settings: Settings, stream: StreamingJob) -> dg.SensorDefinition:
    """Looks every few seconds, so the stream is given: for a resource Dagster opens its storage anew at each tick.

    With SQLite that was two thirds of what the code server's ticks cost.
    """
    limits = Limits.of(settings)

    @dg.sensor(
        name="self_heal_sensor",
        minimum_interval_seconds=INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Brings the Flink job back when it is wanted and Flink has none, from the newest usable restore "
        "point, in a bounded number of attempts; after the last of them the check self_heal turns red.",
    )
    def tick(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        memory = Memory.from_cursor(context.cursor)
        try:
            reason, memory = _tick(context, stream, limits, memory)
        except Pi3Error as error:
            reason = f"unknown for now: {error}"
        return dg.SensorResult(skip_reason=reason, cursor=memory.to_cursor())

    return tick


def _tick(
    context: dg.SensorEvaluationContext, stream: StreamingJob, limits: Limits, memory: Memory
) -> tuple[str, Memory]:
    observed = recovery.observe(stream, recovery.PATIENCE_S)
    if observed.jobs is None:
        return "unknown: Flink gives no answer, and the job may well run", memory
    if memory.vouches_for(observed, time.time()):
        return f"nothing has changed: {', '.join(memory.well) or 'no job'} is active", memory
    look = recovery.look(stream, limits, observed)
    told = _tell(context, look.verdict, memory.told)
    if _acts(context, stream, look.decision, limits):
        look = recovery.look(stream, limits, recovery.observe(stream))
        told = _tell(context, look.verdict, told)
    read_at_s = time.time() if look.calm else 0.0
    return look.verdict.description, Memory(active(look.observed), read_at_s, told)


def _acts(context: dg.SensorEvaluationContext, stream: StreamingJob, decision: Decision, limits: Limits) -> bool:
    """Do what was decided; whether that was anything."""
    match decision:
        case Recover():
            _recover(context, stream, decision, limits)
        case GiveUp():
            recovery.give_up(stream)
        case Nothing(forget=True):
            recovery.forget(stream)
        case _:
            return False
    return True


def _recover(context: dg.SensorEvaluationContext, stream: StreamingJob, decision: Recover, limits: Limits) -> None:
    """Within the tick: a run needed 3 to 5 s more to start, and 9 to 33 s on a busy machine.

    What is done is reported at once, for the daemon may have stopped to wait for the tick.
    """
    context.log.warning(f"{decision.why}: attempt {decision.attempt} of {limits.attempts} to bring it back")
    began = time.monotonic()
    try:
        ensured = recovery.attempt(stream.telling(context.log.info), decision.attempt, limits)
    except Pi3Error as error:
        context.log.error(f"attempt {decision.attempt} failed: {error}")
        return
    if ensured is None:
        return
    took_s = round(time.monotonic() - began, 1)
    metadata = {**told(context, stream, ensured), "action": "recovered", "attempt": decision.attempt, "took_s": took_s}
    words = _in_words(decision, ensured, took_s)
    context.instance.report_runless_asset_event(
        dg.AssetMaterialization(STREAMING_JOB, description=words, metadata=metadata)
    )
    with suppress(Pi3Error):  # the next savepoint deletes them as well
        context.log.info(f"{retention.prune(stream).total} superseded restore points deleted")


def _in_words(decision: Recover, ensured: Ensured, took_s: float) -> str:
    words = f"{decision.why}; {ensured.action} by attempt {decision.attempt} within {took_s} s"
    passed_over = recovery.passed_over(ensured)
    return f"WARNING: {passed_over}; {words}" if passed_over else words


def _tell(context: dg.SensorEvaluationContext, verdict: Verdict, before: str) -> str:
    """Report the verdict if it is news; returns what was told last."""
    now = json.dumps([verdict.passed, verdict.passed or verdict.severity, verdict.metadata.get("attempts")])
    if now != before:
        context.instance.report_runless_asset_event(evaluation(STREAMING_JOB, SELF_HEAL, verdict))
    return now


def _session_sensor() -> dg.SensorDefinition:
    @dg.sensor(
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Ends the history of a session whose process was killed: the stream goes on without it.",
    )
    def session_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        started = dg.RunsFilter(job_name=stream_session.name, statuses=[dg.DagsterRunStatus.STARTED])
        lost = [run for run in context.instance.get_runs(started) if _is_silent(context.instance, run)]
        for run in lost:
            context.instance.report_run_failed(run, "the process of this session is gone; the stream was left alone")
        return dg.SkipReason(f"{len(lost)} sessions were lost")

    return session_sensor


def _is_silent(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    newest = instance.event_log_storage.get_logs_for_run(run.run_id, limit=1, ascending=False)
    return bool(newest) and time.time() - newest[0].timestamp > SILENCE_S
