"""What it would cost to reject in the stream what the job lands in part or altered: `python -m bench.decoders`.

Runs each variant of the job (see `variants`) on the local stack of PI3_STACK_DIR: once over the contract's cases, to
see which records it lands otherwise than the contract says, then over generated events, in turns, into nothing and into
Postgres. Prints one JSON line a run. Needs javac on PATH for the format of our own.
"""

from __future__ import annotations

import argparse
import json
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import requests

from bench.decoders.variants import VARIANTS
from bench.site import events, execute, send, site
from contract.cases import CASES
from contract.event import EventRow
from flink_jobs.spec import JobSpec
from infra.local.paths import StackPaths
from infra.local.supervisor import Supervisor
from orchestration.resources.kafka import KafkaResource
from orchestration.resources.postgres import PostgresResource
from orchestration.settings import REPOSITORY, Settings, load_settings, password_file

PARTITIONS = 4
JAR = "strict-event.jar"
FACTORY = "StrictEventFormatFactory"
Rest = dict[str, Any]


def main() -> None:
    """Fill, run, remove."""
    arguments = _arguments()
    settings = load_settings()
    kafka = KafkaResource(bootstrap_servers=settings.kafka_bootstrap_servers)
    scratch = Path(tempfile.mkdtemp(prefix="decoders-", dir=settings.run_dir))
    try:
        _build_jar(scratch / JAR, settings)
        for measure in (_measure_cases, _measure_rates):
            with site(settings, kafka, PARTITIONS) as (_, postgres):
                measure(_Bench(settings, kafka, postgres, scratch), arguments)
    finally:
        shutil.rmtree(scratch)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.decoders", description="Compare ways of decoding.")
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    return parser.parse_args()


def _build_jar(jar: Path, settings: Settings) -> None:
    classes = jar.with_name("classes")
    source = Path(__file__).parent / "java" / f"{FACTORY}.java"
    libraries = ":".join(map(str, sorted((settings.flink_lib_dir or Path()).glob("*.jar"))))
    command = ["javac", "-nowarn", "--release", "11", "-cp", libraries, "-d", str(classes), str(source)]
    subprocess.run(command, check=True)
    with zipfile.ZipFile(jar, "w") as archive:
        for path in classes.iterdir():
            archive.write(path, path.name)
        archive.writestr("META-INF/services/org.apache.flink.table.factories.Factory", FACTORY)


class _Bench:
    """A filled topic and a table, and how a variant is run from one to the other."""

    def __init__(self, settings: Settings, kafka: KafkaResource, postgres: PostgresResource, scratch: Path) -> None:
        self.kafka, self.postgres, self.topic = kafka, postgres, postgres.schema
        self._rest, self._scratch = settings.flink_rest_url, scratch
        states = Supervisor(StackPaths(settings.stack_dir)).states()
        self._taskmanager = psutil.Process(next(s.pid for s in states if s.name == "flink-taskmanager"))
        host, _, port = settings.flink_rest_url.removeprefix("http://").partition(":")
        self._spec = JobSpec(
            job_name="bench",
            bootstrap_servers=settings.kafka_bootstrap_servers,
            topic=self.topic,
            consumer_group=self.topic,
            jdbc_url=f"jdbc:postgresql://{postgres.host}:{postgres.port}/{postgres.database}",
            jdbc_user=settings.postgres_writer,
            password_file=str(password_file(settings, "writer")),
            table=f"{postgres.schema}.events",
            state_uri=settings.flink_state_uri,
            parallelism=2,
            rest_address=host,
            rest_port=int(port),
            client_java_home=str(settings.java_home),
            client_lib_dir=str(settings.flink_lib_dir),
            client_log_dir=str(scratch),
        )

    def run(self, variant: str, sink: str) -> dict[str, Any]:
        """Run the variant once over the whole topic; CPU is the TaskManager's and its child processes'."""
        offsets = self.kafka.offsets(self.topic)
        spec = replace(
            self._spec,
            start_offsets={partition: span.begin for partition, span in offsets.items()},
            end_offsets={partition: span.end for partition, span in offsets.items()},
            job_id=secrets.token_hex(16),
        )
        file = self._scratch / "job.json"
        spec.write(file)
        command = [sys.executable, "-m", "bench.decoders.submit", str(file), variant, sink, str(self._scratch / JAR)]
        before = self._taskmanager.cpu_times()
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        if done.returncode:
            return {"state": "REFUSED", "why": done.stderr.strip()[-600:]}
        return self._finish(done.stdout.split()[-1], before.user + before.system)

    def _finish(self, job_id: str, cpu_before_s: float) -> dict[str, Any]:
        workers_s: dict[int, float] = {}
        while (job := self._get(f"jobs/{job_id}"))["state"] not in ("FINISHED", "FAILED", "CANCELED"):
            workers_s |= dict(self._workers())
            if job["timestamps"]["RESTARTING"]:
                requests.patch(f"{self._rest}/jobs/{job_id}", timeout=10).raise_for_status()
            time.sleep(0.3)
        now = self._taskmanager.cpu_times()
        subtasks = [
            subtask
            for vertex in job["vertices"]
            for subtask in self._get(f"jobs/{job_id}/vertices/{vertex['id']}")["subtasks"]
        ]
        ran_ms = max(subtask["status-duration"]["RUNNING"] for subtask in subtasks)
        cpu_s = now.user + now.system - cpu_before_s + sum(workers_s.values())
        return {"state": job["state"], "seconds": ran_ms / 1000, "cpu_s": round(cpu_s, 2)}

    def _workers(self) -> Iterator[tuple[int, float]]:
        """CPU seconds so far of the TaskManager's child processes, which are Python's."""
        for child in self._taskmanager.children(recursive=True):
            try:
                times = child.cpu_times()
            except psutil.NoSuchProcess:
                continue
            yield child.pid, times.user + times.system

    def _get(self, path: str) -> Rest:
        answer: Rest = requests.get(f"{self._rest}/{path}", timeout=10).json()
        return answer


def _measure_cases(bench: _Bench, arguments: argparse.Namespace) -> None:
    """Which cases of the contract land otherwise than it says."""
    send(bench.kafka.bootstrap_servers, bench.topic, PARTITIONS, iter([case.value for case in CASES]))
    for variant in arguments.variants:
        execute(bench.postgres, "TRUNCATE events")
        outcome = bench.run(variant, "postgres")
        with bench.postgres.connect("reader") as connection, connection.cursor() as cursor:
            cursor.execute("SELECT kafka_offset * %s + kafka_partition, event_id, user_name, location FROM events", [4])
            landed = {(number, EventRow(*row)) for number, *row in cursor.fetchall()}
        wanted = {(n, case.expected) for n, case in enumerate(CASES) if isinstance(case.expected, EventRow)}
        wrong = {
            verdict: sorted({CASES[number].name for number, _ in rows})
            for verdict, rows in {"landed_wrongly": landed - wanted, "did_not_land": wanted - landed}.items()
        }
        _say({"cases": variant, **outcome, **wrong})


def _measure_rates(bench: _Bench, arguments: argparse.Namespace) -> None:
    """Records a second, and CPU per record, of each variant in turns."""
    send(bench.kafka.bootstrap_servers, bench.topic, PARTITIONS, events(arguments.events))
    for sink in ("blackhole", "postgres"):
        for number in range(arguments.rounds):
            for variant in arguments.variants:
                execute(bench.postgres, "TRUNCATE events")
                outcome = bench.run(variant, sink)
                if outcome["state"] == "FINISHED":
                    outcome["per_s"] = round(arguments.events / outcome["seconds"])
                    outcome["cpu_us"] = round(outcome["cpu_s"] / arguments.events * 1e6, 2)
                _say({"rate": variant, "sink": sink, "round": number, **outcome})


def _say(measured: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(measured, ensure_ascii=False) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
