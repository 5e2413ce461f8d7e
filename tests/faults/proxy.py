"""A TCP proxy on loopback whose connections can be cut, stalled or slowed.

A stalled link still acknowledges packets until its buffers are full, for the proxy's kernel does. So what a client's
kernel would notice of a dead peer (keepalives, TCP_USER_TIMEOUT) stays silent, and only a limit of the client itself
ends its waiting: the harder case.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

__all__ = ["Link", "TcpProxy"]

LOOPBACK = "127.0.0.1"
CALL_TIMEOUT_S = 10.0
CHUNK_BYTES = 16 * 1024
CHUNKS_IN_FLIGHT = 64
UNLIMITED = float("inf")
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass
class _Way:
    """One direction of the link, shared by its connections: one chunk passes after the other."""

    delay_s: float = 0.0
    bytes_per_s: float = UNLIMITED
    free_at_s: float = 0.0

    def passed_at_s(self, now_s: float, size_bytes: int) -> float:
        """When a chunk that could begin to pass now has passed."""
        self.free_at_s = max(now_s, self.free_at_s) + size_bytes / self.bytes_per_s
        return self.free_at_s


class TcpProxy:
    """Passes what comes in on `port` of loopback on to the target, which may be down or come up later."""

    def __init__(self, target_host: str, target_port: int, port: int = 0) -> None:
        self._target = (target_host, target_port)
        # Bound for as long as the proxy lives, so that nobody else gets the port while the link is cut.
        self._reserved = _bound(port)
        self.port = int(self._reserved.getsockname()[1])
        self._ways = {"there": _Way(), "back": _Way()}
        self._passing = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"proxy-{self.port}", daemon=True)
        self._thread.start()
        self.heal()

    def cut(self) -> None:
        """Refuse new connections and reset the open ones."""
        self._run(self._cut())

    def stall(self) -> None:
        """Pass nothing on, not even a connection's end; new connections are accepted and hear nothing."""
        self._run(self._stall())

    def slow(self, delay_s: float, bytes_per_s: float = UNLIMITED) -> None:
        """Add `delay_s` to the way of every byte, in each direction, and let `bytes_per_s` pass in each."""
        self._run(self._set_pace(delay_s, bytes_per_s))

    def heal(self) -> None:
        """Accept, and pass everything on at once again; what a stall held back goes first."""
        self._run(self._heal())

    def close(self) -> None:
        """Reset the connections and free the port; may be repeated."""
        if self._loop.is_closed():
            return
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._reserved.close()

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(CALL_TIMEOUT_S)

    async def _cut(self) -> None:
        if self._server:
            self._server.close()
            self._server = None
        connections = list(self._connections)
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _stall(self) -> None:
        self._passing.clear()

    async def _set_pace(self, delay_s: float, bytes_per_s: float) -> None:
        self._ways = {name: _Way(delay_s, bytes_per_s) for name in self._ways}

    async def _heal(self) -> None:
        await self._set_pace(0.0, UNLIMITED)
        self._passing.set()
        if not self._server:
            self._server = await asyncio.start_server(self._accept, sock=_bound(self.port), limit=CHUNK_BYTES)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = self._loop.create_task(self._serve(reader, writer))
        self._connections.add(connection)  # the loop itself would let a waiting task be collected
        connection.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = [writer]
        try:
            await self._passing.wait()
            from_target, to_target = await asyncio.open_connection(*self._target, limit=CHUNK_BYTES)
            writers.append(to_target)
            await _together(self._pump("there", reader, to_target), self._pump("back", from_target, writer))
        except (OSError, asyncio.CancelledError):
            pass  # the target is down, one side has reset its connection, or the link was cut: so the other side learns
        finally:
            for opened in writers:
                _reset(opened)

    async def _pump(self, way: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction of one connection, to its end; while one chunk is on its way the next may set out."""
        flying: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(CHUNKS_IN_FLIGHT)
        await _together(self._depart(way, reader, flying), self._arrive(way, flying, writer))

    async def _depart(self, way: str, reader: asyncio.StreamReader, flying: asyncio.Queue[tuple[float, bytes]]) -> None:
        chunk = b"not yet read"
        while chunk:
            chunk = await reader.read(CHUNK_BYTES)
            await flying.put((self._loop.time() + self._ways[way].delay_s, chunk))

    async def _arrive(self, way: str, flying: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        while True:
            due_s, chunk = await flying.get()
            now_s = self._loop.time()
            passed_at_s = self._ways[way].passed_at_s(max(due_s, now_s), len(chunk))
            await asyncio.sleep(passed_at_s - now_s)
            await self._passing.wait()
            if not chunk:
                writer.write_eof()
                return
            writer.write(chunk)
            await writer.drain()


class Link:
    """All that passes between two servers, through one proxy or through one for each that may call the other."""

    def __init__(self, *proxies: TcpProxy) -> None:
        self.proxies = proxies

    def cut(self) -> None:
        """See `TcpProxy.cut`, and so for the others."""
        for proxy in self.proxies:
            proxy.cut()

    def stall(self) -> None:
        for proxy in self.proxies:
            proxy.stall()

    def slow(self, delay_s: float, bytes_per_s: float = UNLIMITED) -> None:
        for proxy in self.proxies:
            proxy.slow(delay_s, bytes_per_s)

    def heal(self) -> None:
        for proxy in self.proxies:
            proxy.heal()

    def close(self) -> None:
        for proxy in self.proxies:
            proxy.close()


async def _together(*parts: Coroutine[Any, Any, None]) -> None:
    """Run the parts to their end; the first error ends all of them."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


def _bound(port: int) -> socket.socket:
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.bind((LOOPBACK, port))
    return found


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close at once; with a reset, if the connection has not ended in an orderly way before."""
    found = writer.get_extra_info("socket")
    if found is not None and not writer.transport.is_closing():
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    writer.transport.abort()
