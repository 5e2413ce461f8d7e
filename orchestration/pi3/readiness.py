"""What `pi3 preflight` makes of what it sees: pure verdicts, each a finding that says what, where and what to do."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from orchestration.pi3.findings import CLOCK_WARN_S, Finding, State

# A connector's own version, and the Flink that it was built for.
BUILT_FOR: Final = re.compile(r"-(\d+)\.(\d+)\.jar$")


def login(who: str, where: str, refusal: str | None) -> Finding:
    """Whether Kafka lets a principal in; `refusal` is the client's last word."""
    if refusal is None:
        return Finding(State.OK, f"kafka login, {who}", f"let in at {where}")
    fix = "mend PI3_…KAFKA_OPTIONS or PI3_…KAFKA_PASSWORD of this client; see docs/remote.md"
    if "timed out" in refusal.lower() or "refused" in refusal.lower():
        fix = f"check that brokers listen at {where}, and PI3_…KAFKA_BOOTSTRAP_SERVERS"
    return Finding(State.ERROR, f"kafka login, {who}", f"not let in at {where}: {refusal}", fix)


def not_tried(who: str, why: str) -> Finding:
    """A login that only the Java client understands, or whose files are on other hosts."""
    fix = "look whether the job reads once it is launched: this login is for Flink's hosts"
    return Finding(State.WARN, f"kafka login, {who}", f"not tried from here: {why}", fix)


def rights(who: str, what: str, granted: Collection[str] | None, needed: Collection[str]) -> Finding:
    """Whether a principal may do on a topic or group what it must; None: it is not even told that there is one."""
    lacking = sorted(set(needed) - set(granted or ()))
    if lacking:
        fix = f"allow {who} {', '.join(lacking)} on {what}; docs/remote.md has the commands"
        return Finding(State.ERROR, f"kafka rights, {who}", f"lacks {', '.join(lacking)} on {what}", fix)
    return Finding(State.OK, f"kafka rights, {who}", f"{', '.join(sorted(needed))} on {what}")


def topic(name: str, where: str, drift: Sequence[str] | None, creatable: bool) -> Finding:
    """The topic as it is; `drift` None: it is absent."""
    if drift is None and creatable:
        return Finding(State.WARN, "topic", f"{name} is not at {where} yet", "start_pipeline creates it")
    if drift is None:
        fix = (
            f"create {name}, or allow Dagster's principal CREATE on it: `pi3 topics create {name}` as somebody who may"
        )
        return Finding(State.ERROR, "topic", f"{name} is not at {where}, and may not be created", fix)
    if any(line.startswith("partitions") for line in drift):
        return Finding(
            State.ERROR, "topic", f"{name} at {where}: {'; '.join(drift)}", "set PI3_KAFKA_PARTITIONS to that"
        )
    if drift:
        fix = "alter the topic with Kafka's tools, or the PI3_KAFKA_… setting"
        return Finding(State.WARN, "topic", f"{name} at {where}: {'; '.join(drift)}", fix)
    return Finding(State.OK, "topic", f"{name} at {where}, as wanted")


def table(where: str, drift: Sequence[str], owner_may_create: bool) -> Finding:
    """The table `events` and its unique index."""
    if not drift:
        return Finding(State.OK, "table events", f"in {where}, with its unique index")
    if "does not exist" not in drift[0]:
        fix = "undo the change; materialise the asset events_table, which names each difference"
        return Finding(State.ERROR, "table events", f"in {where}: {'; '.join(drift)}", fix)
    if owner_may_create:
        return Finding(State.WARN, "table events", f"not in {where} yet", "start_pipeline creates it")
    fix = "run orchestration/resources/sql/bootstrap.sql as a superuser: the owner may not create tables"
    return Finding(State.ERROR, "table events", f"not in {where}, and the owner may not create it", fix)


def encryption(where: str, protocol: str | None, loopback: bool) -> Finding:
    """How a session with Postgres is encrypted."""
    if protocol:
        return Finding(State.OK, "postgres encryption", f"{protocol} to {where}")
    if loopback:
        return Finding(State.OK, "postgres encryption", f"none, to {where}, which is this machine")
    fix = 'set sslmode in PI3_POSTGRES_OPTIONS, best {"sslmode": "verify-full", "sslrootcert": "…"}'
    return Finding(State.WARN, "postgres encryption", f"none to {where}: passwords and events can be read", fix)


def flink_version(where: str, cluster: str, client: str) -> Finding:
    """The cluster and the client that plans the job must be of one minor version."""
    found = f"{cluster} at {where}, the client is {client}"
    if cluster.split(".")[:2] == client.split(".")[:2]:
        return Finding(State.OK, "flink version", found)
    fix = (
        f"bring the cluster to Flink {'.'.join(client.split('.')[:2])}: another one cannot read the plan of this client"
    )
    return Finding(State.ERROR, "flink version", found, fix)


def slots(where: str, available: int, needed: int) -> Finding:
    """Free slots, when nothing of ours runs yet."""
    found = f"{available} free at {where}, {needed} needed"
    if available >= needed:
        return Finding(State.OK, "flink slots", found)
    return Finding(State.ERROR, "flink slots", found, "add TaskManagers, or lower PI3_FLINK_PARALLELISM")


def jars(where: str, cluster: Collection[str], ours: Collection[str], needed: Sequence[str], version: str) -> Finding:
    """The connectors on the cluster's class path, beside those that the job is planned with."""
    missing = [name for name in needed if not any(jar.startswith(f"{name}-") for jar in cluster)]
    if missing:
        fix = "put those jars into the cluster's lib folder, and restart it; infra/jars.lock and .stack/built have them"
        return Finding(State.ERROR, "flink jars", f"{where} lacks {', '.join(missing)}", fix)
    found = {name: next(jar for jar in cluster if jar.startswith(f"{name}-")) for name in needed}
    other = [jar for name, jar in found.items() if ours and jar not in ours]
    if other:
        fix = "give the cluster the jars of PI3_FLINK_LIB_DIR: a job planned with one version may not run with another"
        return Finding(State.ERROR, "flink jars", f"{where} has other versions: {', '.join(other)}", fix)
    if newer := [jar for jar in found.values() if _is_for_newer(jar, version)]:
        fix = f"use the connector's version for Flink {version}"
        return Finding(State.ERROR, "flink jars", f"{', '.join(newer)} at {where} is for another Flink", fix)
    return Finding(State.OK, "flink jars", f"{', '.join(found.values())} at {where}")


def _is_for_newer(jar: str, version: str) -> bool:
    """Of a connector such as `flink-sql-connector-kafka-5.0.0-2.2.jar`."""
    match = BUILT_FOR.search(jar) if jar.startswith("flink-") else None
    if match is None:
        return False
    major, minor = (int(part) for part in version.split(".")[:2])
    return int(match[1]) != major or int(match[2]) > minor


def folder(where: str, written: bool, seen: bool) -> Finding:
    """The state's folder: whether we may write there, and whether we see what Flink has written."""
    if not written:
        fix = "let Dagster's user write there, or set PI3_FLINK_STATE_URI to a folder that both may write to"
        return Finding(State.ERROR, "state folder", f"{where} cannot be written to from here", fix)
    if not seen:
        fix = "mount one folder at the same path on Dagster's host, the JobManager and each TaskManager"
        return Finding(State.ERROR, "state folder", f"what Flink writes to {where} is not seen from here", fix)
    return Finding(State.OK, "state folder", f"{where} is written and seen from both sides")


def no_slot(where: str) -> Finding:
    """The probe would wait for one."""
    fix = "free a slot, or trust the checkpoints of the job that runs"
    return Finding(State.WARN, "flink probe", f"not tried: no slot is free at {where}", fix)


def probe_failed(where: str, why: str) -> Finding:
    """The job that was to write one row."""
    fix = "Flink's UI has the job preflight.…, tab Exceptions; the folder may be closed to Flink's user"
    return Finding(State.ERROR, "flink probe", f"a job that writes one row did not succeed at {where}: {why}", fix)


def outside(stamp_s: float, began_s: float, ended_s: float) -> float:
    """How far a stamp is ahead of the time in which it was taken, by our clock; 0 within it."""
    return max(0.0, stamp_s - ended_s) + min(0.0, stamp_s - began_s)


def clocks(ahead_s: Mapping[str, float]) -> list[Finding]:
    """Each server's clock beside ours."""
    return [_clock(who, seconds) for who, seconds in ahead_s.items()]


def _clock(who: str, ahead_s: float) -> Finding:
    found = f"{abs(ahead_s):.1f} s {'ahead' if ahead_s > 0 else 'behind'}"
    if abs(ahead_s) <= CLOCK_WARN_S:
        return Finding(State.OK, f"clock, {who}", found)
    fix = "synchronise the clocks (NTP): latencies, hours and the order of restore points are off by that"
    return Finding(State.WARN, f"clock, {who}", found, fix)


def newest_record(ahead_s: float | None) -> Finding:
    """Kafka tells no time; what it keeps is stamped by producers."""
    if ahead_s is None:
        return Finding(State.OK, "clock, kafka", "the topic is empty, and a broker tells no time of its own")
    if ahead_s <= CLOCK_WARN_S:
        return Finding(State.OK, "clock, kafka", f"the newest record is stamped {-ahead_s:,.1f} s ago")
    fix = "synchronise the clocks (NTP) of producers and brokers"
    return Finding(State.WARN, "clock, kafka", f"the newest record is stamped {ahead_s:.1f} s in the future", fix)
