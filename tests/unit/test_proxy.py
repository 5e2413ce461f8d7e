"""The proxy before real echo servers: what its clients see of each fault."""

from __future__ import annotations

import gc
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.faults.proxy import LOOPBACK, Link, TcpProxy

MEGABYTE = 1024**2


class EchoServer:
    """Sends back what it gets, and ends a connection when its client does; `heard` counts bytes."""

    def __init__(self, port: int = 0) -> None:
        self._listener = socket.create_server((LOOPBACK, port))
        self.port = int(self._listener.getsockname()[1])
        self.heard = 0
        self.ended = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Free the port; may be repeated."""
        if self._listener.fileno() != -1:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()

    def _accept(self) -> None:
        try:
            while True:
                threading.Thread(target=self._echo, args=(self._listener.accept()[0],), daemon=True).start()
        except OSError:
            return

    def _echo(self, connection: socket.socket) -> None:
        with connection:
            try:
                while chunk := connection.recv(65536):
                    self.heard += len(chunk)
                    connection.sendall(chunk)
                self.ended.set()
            except OSError:
                return


@pytest.fixture
def server() -> Iterator[EchoServer]:
    """The target."""
    found = EchoServer()
    yield found
    found.close()


@pytest.fixture
def proxy(server: EchoServer) -> Iterator[TcpProxy]:
    """A link to the target."""
    found = TcpProxy(LOOPBACK, server.port)
    yield found
    found.close()


@pytest.fixture
def connect(proxy: TcpProxy) -> Iterator[Callable[[], socket.socket]]:
    """Clients of the link, closed with the test."""
    opened: list[socket.socket] = []

    def open_one() -> socket.socket:
        opened.append(socket.create_connection((LOOPBACK, proxy.port), timeout=5))
        return opened[-1]

    yield open_one
    for client in opened:
        client.close()


Connect = Callable[[], socket.socket]


def ask(client: socket.socket, text: bytes = b"hello") -> bytes:
    """What comes back for the text; "" at the connection's end."""
    client.sendall(text)
    return receive(client, len(text))


def receive(client: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size and (chunk := client.recv(size - len(found))):
        found += chunk
    return found


def hears_nothing(client: socket.socket, for_s: float = 0.3) -> bool:
    client.settimeout(for_s)
    try:
        client.recv(1)
    except TimeoutError:
        return True
    finally:
        client.settimeout(5)
    return False


def test_everything_passes_unaltered_both_ways(connect: Connect) -> None:
    client, other = connect(), connect()
    sent = bytes(range(256)) * (4 * MEGABYTE // 256)
    sender = threading.Thread(target=client.sendall, args=(sent,))
    sender.start()
    assert ask(other) == b"hello"
    assert receive(client, len(sent)) == sent
    sender.join()


def test_a_connection_outlives_a_collection_of_garbage(connect: Connect) -> None:
    """An event loop holds its tasks by weak references only."""
    client = connect()
    for _ in range(5):
        assert ask(client) == b"hello"
        gc.collect()


def test_an_orderly_end_passes_and_answers_still_arrive(connect: Connect, server: EchoServer) -> None:
    client = connect()
    client.sendall(b"last words")
    client.shutdown(socket.SHUT_WR)
    assert receive(client, 100) == b"last words"
    assert server.ended.wait(5)


def test_a_cut_link_refuses_and_resets(connect: Connect, proxy: TcpProxy) -> None:
    client = connect()
    assert ask(client) == b"hello"
    proxy.cut()
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    with pytest.raises(ConnectionRefusedError):
        connect()
    proxy.heal()
    assert ask(connect()) == b"hello"


def test_nobody_else_gets_the_port_of_a_cut_link(proxy: TcpProxy) -> None:
    proxy.cut()
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind((LOOPBACK, proxy.port))


def test_a_stalled_link_accepts_and_is_silent_and_then_delivers(
    connect: Connect, proxy: TcpProxy, server: EchoServer
) -> None:
    before = connect()
    assert ask(before) == b"hello"
    proxy.stall()
    before.sendall(b"held back")
    during = connect()
    during.sendall(b"also held back")
    assert hears_nothing(before)
    assert hears_nothing(during)
    assert server.heard == len(b"hello")
    proxy.heal()
    assert receive(before, 9) == b"held back"
    assert receive(during, 14) == b"also held back"


def test_a_stalled_link_takes_no_more_than_its_buffers_hold(connect: Connect, proxy: TcpProxy) -> None:
    client = connect()
    proxy.stall()
    client.settimeout(0.5)
    with pytest.raises(TimeoutError):
        client.sendall(bytes(64 * MEGABYTE))


def test_a_stalled_link_keeps_an_end_from_the_target(connect: Connect, proxy: TcpProxy, server: EchoServer) -> None:
    client = connect()
    assert ask(client) == b"hello"
    proxy.stall()
    client.close()
    assert not server.ended.wait(0.3)
    proxy.heal()
    assert server.ended.wait(5)


def test_a_stalled_link_can_be_cut(connect: Connect, proxy: TcpProxy) -> None:
    client = connect()
    proxy.stall()
    client.sendall(b"held back")
    proxy.cut()
    with pytest.raises(ConnectionResetError):
        client.recv(1)


def test_a_slow_link_delays_each_way(connect: Connect, proxy: TcpProxy) -> None:
    client = connect()
    assert ask(client) == b"hello"
    proxy.slow(0.4)
    started = time.monotonic()
    assert ask(client) == b"hello"
    assert time.monotonic() - started >= 0.8
    proxy.heal()
    started = time.monotonic()
    assert ask(client) == b"hello"
    assert time.monotonic() - started < 0.8


def test_what_is_on_its_way_does_not_hold_up_what_follows(connect: Connect, proxy: TcpProxy) -> None:
    client = connect()
    proxy.slow(0.5)
    started = time.monotonic()
    for _ in range(5):
        client.sendall(b"x")
        time.sleep(0.02)
    assert receive(client, 5) == b"xxxxx"
    assert 1 <= time.monotonic() - started < 4  # one after the other would take 5 s


def test_connections_share_the_bandwidth(connect: Connect, proxy: TcpProxy) -> None:
    clients = [connect(), connect()]
    proxy.slow(0, 200_000)
    started = time.monotonic()
    for client in clients:
        client.sendall(bytes(50_000))
    for client in clients:
        assert len(receive(client, 50_000)) == 50_000
    assert time.monotonic() - started >= 0.5


def test_a_target_that_is_down_or_comes_back(connect: Connect, server: EchoServer) -> None:
    server.close()
    with pytest.raises(ConnectionResetError):
        connect().recv(1)
    again = EchoServer(server.port)
    try:
        assert ask(connect()) == b"hello"
    finally:
        again.close()


def test_a_link_may_have_two_proxies(server: EchoServer) -> None:
    proxies = TcpProxy(LOOPBACK, server.port), TcpProxy(LOOPBACK, server.port)
    link = Link(*proxies)
    link.cut()
    for proxy in proxies:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((LOOPBACK, proxy.port))
    link.heal()
    for proxy in proxies:
        with socket.create_connection((LOOPBACK, proxy.port), timeout=5) as client:
            assert ask(client) == b"hello"
    link.close()
    link.close()


def test_faults_may_be_repeated_and_mixed(connect: Connect, proxy: TcpProxy) -> None:
    for _ in range(20):
        proxy.cut()
        proxy.cut()
        proxy.slow(1)
        proxy.stall()
        proxy.heal()
        proxy.heal()
        assert ask(connect()) == b"hello"
