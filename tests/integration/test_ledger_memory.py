"""A pass holds neither the offsets nor the records of its backlog in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
from confluent_kafka import Producer

from orchestration.ledger.accounting import Fate
from orchestration.ledger.audit import Limits
from tests.fixtures.ledger import Scene

OFFSETS = 1_000_000
MOST_GROWTH_BYTES = 96 * 2**20

# Of each hundred records the last is bad; all others land.
LAND = """
    INSERT INTO events (event_id, user_name, location, kafka_partition, kafka_offset)
    SELECT 'event-' || n, 'Ana', 'Lisbon', 0, n FROM generate_series(0, %s) AS n WHERE n %% 100 <> 99
"""


@contextmanager
def watched_growth() -> Iterator[list[int]]:
    """The most that this process has grown meanwhile, in bytes, as the list's only item."""
    process, stop, growth = psutil.Process(), threading.Event(), [0]
    before = process.memory_info().rss

    def watch() -> None:
        while not stop.wait(0.01):
            growth[0] = max(growth[0], process.memory_info().rss - before)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield growth
    finally:
        stop.set()
        watching.join()


def produce(scene: Scene) -> None:
    producer = Producer(
        {"bootstrap.servers": scene.kafka.bootstrap_servers, "compression.type": "lz4", "linger.ms": 50}
    )
    for number in range(OFFSETS):
        value = (
            b"{bad" if number % 100 == 99 else b'{"event_id":"event-%d","user_name":"Ana","location":"Lisbon"}' % number
        )
        if number % 50_000 == 0:
            producer.flush(30)
        producer.produce(scene.topic, value, partition=0)
    assert producer.flush(30) == 0


def test_a_million_offsets_take_no_more_memory_than_a_chunk(scene: Scene) -> None:
    produce(scene)
    scene.execute(LAND, OFFSETS - 1)
    scene.committed[0] = OFFSETS
    with watched_growth() as growth:
        report = scene.audit(Limits(time_budget_s=300, recount_budget_s=0))
    assert report.is_complete
    assert scene.fates() == {Fate.LANDED: 990_000, Fate.DEAD: 10_000}
    assert growth[0] < MOST_GROWTH_BYTES
    # The worst case: no record has a row, so each is read, judged and looked up.
    scene.execute("TRUNCATE events")
    scene.execute("TRUNCATE ledger")
    with watched_growth() as growth:
        report = scene.audit(Limits(time_budget_s=300, recount_budget_s=0))
    assert report.is_complete
    assert scene.fates() == {Fate.DEAD: 10_000, Fate.LOST: 990_000}
    assert growth[0] < MOST_GROWTH_BYTES
