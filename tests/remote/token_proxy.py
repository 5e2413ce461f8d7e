"""A gateway before Flink: TLS, a bearer token, a path of its own; one request a connection, so that each is asked."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress
from typing import Final

LOOPBACK: Final = "127.0.0.1"
END_OF_HEAD: Final = b"\r\n\r\n"
CHUNK_BYTES: Final = 64 * 1024
REFUSED: Final = b"HTTP/1.1 %d %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class TokenProxy:
    """Serves `https://localhost:<port><path>` for whoever has the token; `refused` counts those who have not."""

    def __init__(
        self, target: tuple[str, int], path: str, token: str, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
    ) -> None:
        self._target, self._path, self._token = target, path, token
        self._server_side, self._client_side = contexts
        self._listening = socket.create_server((LOOPBACK, 0))
        self.port = int(self._listening.getsockname()[1])
        self.passed = self.refused = 0
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Accept nobody more."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with suppress(OSError), self._server_side.wrap_socket(plain, server_side=True) as client:
            head, begun = _read_head(client)
            forwarded = rewritten(head, self._path, self._token)
            if isinstance(forwarded, int):
                self.refused += 1
                client.sendall(REFUSED % (forwarded, b"Refused"))
                return
            self.passed += 1
            self._pass_on(client, forwarded + begun)

    def _pass_on(self, client: ssl.SSLSocket, request: bytes) -> None:
        host = self._target[0]
        with (
            socket.create_connection(self._target) as plain,
            self._client_side.wrap_socket(plain, server_hostname=host) as flink,
        ):
            flink.sendall(request)
            threading.Thread(target=_pump, args=(client, flink), daemon=True).start()
            _pump(flink, client)


def rewritten(head: bytes, path: str, token: str) -> bytes | int:
    """The head as Flink shall see it, or the status with which it is refused."""
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if headers.get("authorization") != f"Bearer {token}":
        return 401
    method, target, version = first.split(" ")
    if not target.startswith(f"{path}/"):
        return 404
    kept = [line for line in lines if line.partition(":")[0].lower() not in ("authorization", "connection")]
    asked = f"{method} {target.removeprefix(path)} {version}"
    return "\r\n".join([asked, *kept, "Connection: close"]).encode("latin-1") + END_OF_HEAD


def _read_head(client: ssl.SSLSocket) -> tuple[bytes, bytes]:
    received = b""
    while END_OF_HEAD not in received:
        chunk = client.recv(CHUNK_BYTES)
        if not chunk:
            raise OSError("the client left")
        received += chunk
    head, _, begun = received.partition(END_OF_HEAD)
    return head, begun


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError, ValueError):
        while chunk := source.recv(CHUNK_BYTES):
            target.sendall(chunk)
