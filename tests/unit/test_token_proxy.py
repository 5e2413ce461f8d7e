"""The gateway of the tests before Flink: whom it lets through, and what of."""

from __future__ import annotations

import pytest

from tests.remote.token_proxy import rewritten

HEAD = "GET /gateway/jobs?x=1 HTTP/1.1\r\nHost: h\r\nConnection: keep-alive"


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (f"{HEAD}\r\nAuthorization: Bearer t", b"GET /jobs?x=1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"),
        (f"{HEAD}\r\nauthorization:Bearer t", b"GET /jobs?x=1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"),
        (HEAD, 401),
        (f"{HEAD}\r\nAuthorization: Bearer tt", 401),
        (f"{HEAD}\r\nAuthorization: Basic t", 401),
        ("GET /jobs HTTP/1.1\r\nAuthorization: Bearer t", 404),
    ],
)
def test_heads(head: str, expected: bytes | int) -> None:
    assert rewritten(head.encode(), "/gateway", "t") == expected
