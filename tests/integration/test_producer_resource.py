"""Producers launched as processes of their own, against the real broker."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from orchestration.errors import ConfigurationError
from orchestration.resources.kafka import KafkaResource
from orchestration.resources.producer import ProducerReport, ProducerResource, ProducerSpec
from orchestration.resources.producer_processes import ProducerProcesses
from orchestration.resources.topics import TopicSpec
from orchestration.settings import REPOSITORY, Settings

FOR_EVER = ProducerSpec(id="generator", rate_per_s=50.0, seed=1, duplicate_share=0.2)


@pytest.fixture
def producer(settings: Settings, kafka: KafkaResource, topic_name: str, tmp_path: Path) -> Iterator[ProducerResource]:
    """Producers into a topic of the test's own; those that still run are stopped."""
    kafka.ensure_topic(TopicSpec(topic_name, 2, 1, 3_600_000))
    resource = ProducerProcesses(
        run_dir=str(tmp_path / "run dir"),
        working_dir=str(REPOSITORY),
        bootstrap_servers=settings.kafka_bootstrap_servers,
        topic=topic_name,
    )
    yield resource
    resource.stop_all()


def process_of(producer: ProducerResource, name: str) -> psutil.Process:
    known = json.loads((Path(producer.run_dir) / "producers" / f"{name}.pid").read_text())
    return psutil.Process(known["pid"])


def await_report(producer: ProducerResource, state: str, acknowledged: int = 0) -> ProducerReport:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        report = producer.reports()[-1]
        if report.state == state and report.acknowledged >= acknowledged:
            return report
        time.sleep(0.1)
    raise AssertionError(f"no report {state} with {acknowledged} acknowledged, but {producer.reports()}")


def test_a_count_is_sent_and_its_end_is_noticed(producer: ProducerResource, kafka: KafkaResource) -> None:
    launched = producer.ensure(ProducerSpec(id="generator", count=300, seed=7, duplicate_share=0.1))
    assert launched.action == "launched"
    report = await_report(producer, "finished")
    assert (report.name, report.acknowledged, report.failed) == (launched.name, 300, 0)
    ends = {partition: span.end for partition, span in kafka.offsets(producer.topic).items()}
    assert producer.acknowledged() == ends
    assert sum(producer.duplicates().values()) > 0


def test_a_file_is_sent_once(producer: ProducerResource, tmp_path: Path) -> None:
    file = tmp_path / "my events.ndjson"
    file.write_text(
        '{"event_id":"a","user_name":"u","location":"l"}\n{"event_id":"b","user_name":"u","location":"l"}\n'
    )
    first = producer.ensure(ProducerSpec(id="sample", file=file))
    assert await_report(producer, "finished").acknowledged == 2
    second = producer.ensure(ProducerSpec(id="sample", file=file))
    assert (second.name, second.action) == (first.name, "finished")
    assert len(producer.reports()) == 1


def test_a_second_launch_adopts_and_stop_flushes(producer: ProducerResource, kafka: KafkaResource) -> None:
    first = producer.ensure(FOR_EVER)
    await_report(producer, "running", acknowledged=1)
    assert (producer.ensure(FOR_EVER).name, producer.ensure(FOR_EVER).action) == (first.name, "adopted")
    assert producer.stop_all() == [first.name]
    report = await_report(producer, "stopped")
    assert report.acknowledged == sum(span.end for span in kafka.offsets(producer.topic).values())
    assert producer.stop_all() == []
    assert producer.ensure(FOR_EVER).action == "launched"


def test_a_killed_producer_died_and_is_launched_again(producer: ProducerResource) -> None:
    first = producer.ensure(FOR_EVER)
    await_report(producer, "running", acknowledged=1)
    process_of(producer, first.name).kill()
    assert await_report(producer, "died").name == first.name
    again = producer.ensure(FOR_EVER)
    assert again.action == "launched"
    assert again.name != first.name


def test_a_producer_has_a_session_of_its_own_and_no_password(producer: ProducerResource, settings: Settings) -> None:
    process = process_of(producer, producer.ensure(FOR_EVER).name)
    assert os.getsid(process.pid) != os.getsid(0)
    assert process.ppid() != os.getpid()
    assert settings.postgres_writer_password.get_secret_value() not in " ".join(process.cmdline())


def test_another_process_with_the_same_id_is_left_alone(producer: ProducerResource) -> None:
    stranger = psutil.Process()
    folder = Path(producer.run_dir) / "producers"
    folder.mkdir(parents=True)
    (folder / "generator-1.pid").write_text(
        json.dumps({"pid": stranger.pid, "created_at": stranger.create_time() - 60})
    )
    (folder / "generator-1.json").write_text(json.dumps({"state": "running", "acknowledged": 5}))
    assert producer.reports()[0].state == "died"
    assert producer.stop_all() == []


def test_a_producer_that_ends_at_once_says_why(producer: ProducerResource, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"ended at once.*absent\.ndjson"):
        producer.ensure(ProducerSpec(id="sample", file=tmp_path / "absent.ndjson"))


def test_launches_at_the_same_time_end_with_one_producer(producer: ProducerResource) -> None:
    launched = []
    threads = [threading.Thread(target=lambda: launched.append(producer.ensure(FOR_EVER))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(launch.action for launch in launched) == ["adopted", "adopted", "launched"]
    assert len(producer.reports()) == 1
