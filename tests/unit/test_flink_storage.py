"""Restore points in an object store, as in a folder: Arrow's own client against a store that is played."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone

import pytest

from orchestration.errors import ConfigurationError, TransientError
from orchestration.flink.restore import (
    as_listed,
    checkpointed_jobs,
    remove_checkpoints,
    remove_savepoint,
    restore_points,
    size_bytes,
)
from tests.fixtures.object_store import BUCKET, ObjectStore, stored

STATE = f"s3://{BUCKET}/a job"
OLD, NEW = "a" * 32, "b" * 32
OBJECTS = {
    f"a job/checkpoints/{OLD}/chk-1/_metadata": (10, 100),
    f"a job/checkpoints/{OLD}/chk-2/part": (1, 400),
    "a job/savepoints/savepoint-bbbbbb-1/_metadata": (20, 200),
    "a job/savepoints/savepoint-bbbbbb-1/part": (22, 200),
    f"a job/checkpoints/{NEW}/chk-7/_metadata": (30, 300),
    "a job/ha/_metadata": (1, 500),
    "another job/savepoints/savepoint-cccccc-1/_metadata": (1, 600),
}


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    """A store, and a login for it where a pod has it."""
    with stored(ObjectStore(dict(OBJECTS))) as found:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield found


def test_points_are_listed_newest_first(store: ObjectStore) -> None:
    points = restore_points(STATE, endpoint=store.url)
    assert [(point.kind, point.path, point.job_id) for point in points] == [
        ("checkpoint", f"{STATE}/checkpoints/{NEW}/chk-7", NEW),
        ("savepoint", f"{STATE}/savepoints/savepoint-bbbbbb-1", "bbbbbb"),
        ("checkpoint", f"{STATE}/checkpoints/{OLD}/chk-1", OLD),
    ]
    assert points[0].created_at == datetime.fromtimestamp(300, tz=timezone.utc)
    assert restore_points(STATE, points[1].created_at, endpoint=store.url) == points[:1]
    assert restore_points(f"s3://{BUCKET}/nobody", endpoint=store.url) == ()
    assert store.objects == OBJECTS, "to look changes nothing"


def test_jobs_and_sizes(store: ObjectStore) -> None:
    assert checkpointed_jobs(STATE, endpoint=store.url) == {OLD, NEW}
    assert size_bytes(f"{STATE}/savepoints/savepoint-bbbbbb-1", endpoint=store.url) == 42
    assert as_listed(f"{STATE}/savepoints/savepoint-bbbbbb-1/") == f"{STATE}/savepoints/savepoint-bbbbbb-1"


def test_what_is_removed_is_gone_and_nothing_else(store: ObjectStore) -> None:
    remove_checkpoints(STATE, OLD, endpoint=store.url)
    remove_savepoint(f"{STATE}/savepoints/savepoint-bbbbbb-1", endpoint=store.url)
    remove_checkpoints(STATE, "f" * 32, endpoint=store.url)
    gone = {key for key in OBJECTS if OLD in key or "bbbbbb-1" in key}
    assert store.objects.keys() & OBJECTS.keys() == OBJECTS.keys() - gone
    assert checkpointed_jobs(STATE, endpoint=store.url) == {NEW}
    assert [point.job_id for point in restore_points(STATE, endpoint=store.url)] == [NEW]


def test_a_store_that_refuses_names_the_fix(store: ObjectStore) -> None:
    store.refuses = True
    with pytest.raises(ConfigurationError, match="check the store's keys and their rights") as caught:
        restore_points(STATE, endpoint=store.url)
    assert "secret" not in str(caught.value)


@pytest.mark.usefixtures("store")
def test_a_store_that_is_away_can_be_tried_again() -> None:
    with pytest.raises(TransientError, match="gives no usable answer"):
        restore_points(STATE, endpoint="http://127.0.0.1:9")
