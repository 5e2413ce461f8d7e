"""The suite's own stack: fresh, on free ports, every link between its servers through a proxy."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Final

from infra.local.ports import Ports, any_free_ports
from infra.local.stack import Stack
from orchestration.cli.local import stack_spec
from orchestration.settings import read_settings
from tests.faults.disk import Disk, unmount_all, why_not
from tests.faults.links import Links
from tests.faults.site import Site

# What a person would wait for, a little sooner.
_FAST: Final = {"PI3_HEARTBEAT_INTERVAL_S": "5", "PI3_LEDGER_INTERVAL_S": "5"}
_DISK_BYTES: Final = 1536 * 1024 * 1024


@contextmanager
def open_site(root: Path, say: Callable[[str], None], rate_per_s: float, *, disks: bool = False) -> Iterator[Site]:
    """Start a stack in an empty folder, launch its pipeline without producers, and stop it at the end.

    `disks`: Kafka's, Postgres' and Flink's data are on disks of limited size, where this machine allows that.

    Raises:
        SetupError, Pi3Error: the stack does not start.
    """
    ports = any_free_ports()
    os.environ.update({"PI3_STACK_DIR": str(root), **_FAST, **fixing(ports)})
    with ExitStack() as undo:
        links = Links(ports)
        undo.callback(links.close)
        stack = Stack(links.applied_to(stack_spec(read_settings(root, None))), say)
        stack.stop()
        unmount_all(root)
        stack.clean()
        undo.callback(unmount_all, root)
        undo.callback(stack.stop)
        mounted = _mount(stack) if disks and why_not() is None else {}
        stack.start()
        servers = links.environment()["PI3_PRODUCER_KAFKA_BOOTSTRAP_SERVERS"]
        site = Site(stack, read_settings(root, None), rate_per_s, servers)
        undo.callback(site.end_load)
        site.proxies, site.disks = links.by_name, mounted
        site.api.wait_for_location()
        site.run("start_pipeline")
        yield site


def fixing(ports: Ports) -> dict[str, str]:
    """The settings that fix them."""
    return {f"PI3_LOCAL_{name.upper()}_PORT": str(port) for name, port in asdict(ports).items()}


def _mount(stack: Stack) -> dict[str, Disk]:
    paths = stack.paths
    folders = {"kafka": paths.data / "kafka", "postgres": paths.data / "postgres", "flink": paths.flink_state}
    return {name: Disk.mount(folder, _DISK_BYTES) for name, folder in folders.items()}
