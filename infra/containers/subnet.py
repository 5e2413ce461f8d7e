"""The subnet of a project's network, by which its servers have addresses that are known before they start."""

from __future__ import annotations

import re
import socket
from collections.abc import Collection
from ipaddress import IPv4Network
from typing import Final

import psutil

from infra.containers.engine import Engine
from infra.local.errors import SetupError

# In the answers of both engines, which differ otherwise.
SUBNET: Final = re.compile(r'"subnet": "([0-9./]+)"', re.IGNORECASE)


def choose(engine: Engine, network: str, wished: str) -> str:
    """The three numbers that its addresses begin with: those of the network if it is there, else free ones.

    Raises:
        SetupError: the engine does not answer, or no subnet is free.
    """
    if own := SUBNET.search(engine.run("network", "inspect", network).stdout):
        return prefix(IPv4Network(own[1], strict=False))
    return free(wished, [*_of_engine(engine), *_of_machine()])


def free(wished: str, taken: Collection[IPv4Network]) -> str:
    """As wished, or else the next that overlaps with none that is taken: pure.

    Raises:
        SetupError: none is free.
    """
    first, second, third = map(int, wished.split("."))
    for number in range(256):
        candidate = IPv4Network(f"{first}.{second}.{(third + number) % 256}.0/24")
        if not any(candidate.overlaps(other) for other in taken):
            return prefix(candidate)
    raise SetupError(f"no subnet is free within {first}.{second}.0.0/16: set PI3_CONTAINERS_SUBNET to one elsewhere")


def prefix(network: IPv4Network) -> str:
    """The first three numbers of its addresses."""
    return str(network.network_address).rpartition(".")[0]


def _of_engine(engine: Engine) -> list[IPv4Network]:
    described = engine.run("network", "inspect", *engine.ask("network", "ls", "--quiet")).stdout
    return [IPv4Network(found, strict=False) for found in SUBNET.findall(described)]


def _of_machine() -> list[IPv4Network]:
    addresses = (address for found in psutil.net_if_addrs().values() for address in found)
    return [
        IPv4Network(f"{address.address}/{address.netmask or 32}", strict=False)
        for address in addresses
        if address.family is socket.AF_INET
    ]
