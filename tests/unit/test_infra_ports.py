"""Which port each server gets."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import asdict

import pytest

from infra.local.errors import SetupError
from infra.local.ports import LOOPBACK, Ports, any_free_port, choose, is_free

DEFAULTS = asdict(Ports())


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Somebody else's server."""
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        yield taken


@pytest.mark.parametrize(
    ("fixed", "previous", "taken", "picks", "expected"),
    [
        ({}, {}, set(), [], {}),
        ({}, {}, {9092}, [50_001], {"kafka": 50_001}),
        ({}, {"kafka": 40_001}, set(), [], {"kafka": 40_001}),
        ({}, {"kafka": 40_001}, {40_001}, [], {}),
        ({}, {"kafka": 40_001}, {40_001, 9092}, [50_001], {"kafka": 50_001}),
        ({"kafka": 40_002}, {"kafka": 40_001}, set(), [], {"kafka": 40_002}),
        # The last start had to avoid the default of a server that is chosen later.
        ({}, {"kafka": 9093}, set(), [50_001], {"kafka": 9093, "kafka_controller": 50_001}),
        # A default that a setting gives to another server, chosen later.
        ({"dagster": 9092}, {}, set(), [50_001], {"kafka": 50_001, "dagster": 9092}),
        # The kernel may name a port that it named before, or a fixed one: nobody listens there yet.
        (
            {"dagster": 50_002},
            {},
            {9092, 9093},
            [50_001, 50_001, 50_002, 50_003],
            {"kafka": 50_001, "kafka_controller": 50_003, "dagster": 50_002},
        ),
    ],
)
def test_each_server_gets_a_port_of_its_own(
    fixed: dict[str, int], previous: dict[str, int], taken: set[int], picks: list[int], expected: dict[str, int]
) -> None:
    kernel = iter(picks)
    chosen = asdict(choose(fixed, previous, lambda port: port not in taken, lambda: next(kernel)))
    assert chosen == {**DEFAULTS, **expected}
    assert len(set(chosen.values())) == len(chosen)
    assert list(kernel) == []


def test_a_fixed_port_that_is_taken_names_its_setting(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    with pytest.raises(SetupError, match=rf"^port {port} \(PI3_LOCAL_FLINK_REST_PORT\) is taken .* set another port"):
        choose({"flink_rest": port}, {})


def test_one_port_for_two_servers_is_refused() -> None:
    with pytest.raises(SetupError, match=r"40001 \(PI3_LOCAL_KAFKA_PORT\) is set for two servers"):
        choose({"kafka": 40_001, "postgres": 40_001}, {}, lambda _: True)


def test_freedom_is_what_the_kernel_says(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    assert not is_free(port)
    listener.close()
    assert is_free(port)
    assert is_free(any_free_port())
