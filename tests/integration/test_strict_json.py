"""The job's JSON format and the ledger's validator, which share only the written contract, on damaged records."""

from __future__ import annotations

import random
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.cases import CASES
from contract.event import MAX_NAME_LENGTH, EventRow
from infra.local import flink, sink
from infra.local.jars import fetch, read_lock
from infra.local.paths import REPOSITORY
from infra.local.stack import Stack
from orchestration.ledger.validator import validate

PROGRAM = REPOSITORY / "tests" / "fixtures" / "java"
RECORDS = 100_000
PIECES = (
    *(b'"', b"\\", b"\\u", b"{", b"}", b"[", b"]", b",", b":", b" ", b"\0", b"\x7f", b"0", b"-", b"1e5", b"."),
    *(b"true", b"null", b'"location"', b"x" * 7, b"\\ud83d", b"\\ude00", "é😀".encode(), b"\xef\xbb\xbf"),
    *(b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe0\x80\x80", b"\xc0\xaf", b"\xff"),
)


def damaged(seed: int) -> Iterator[bytes]:
    """Records of the poison set with one to three pieces put in, taken out or replaced."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    whole = [case.value for case in CASES if case.value is not None and len(case.value) < 2_000]
    for _ in range(RECORDS):
        record = bytearray(chance.choice(whole))
        for _ in range(chance.randint(1, 3)):
            begin = chance.randint(0, len(record))
            record[begin : begin + chance.choice((0, 0, 1, 1, 2, 5))] = chance.choice(PIECES)
        yield bytes(record)


def long_names() -> Iterator[bytes]:
    """Names about the greatest length, of characters of each size, plain and escaped."""
    for length in (MAX_NAME_LENGTH - 1, MAX_NAME_LENGTH, MAX_NAME_LENGTH + 1):
        for character in ("n", "é", "😀", r"\u00e9", r"\ud83d\ude00", r"\ud83d"):
            yield f'{{"event_id":"a","user_name":"b","location":"c","{character * length}":1}}'.encode()


@pytest.fixture(scope="module")
def decode(stack: Stack, java_home: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command of a program that decodes what it is given, with the format as it is shipped."""
    found = fetch(stack.paths.maven, [jar for jar in read_lock() if jar.server in ("flink", "compiler")])
    libraries = [*flink.own_jars(), *(path for jar, path in found.items() if jar.server == "flink")]
    compiler = next(path for jar, path in found.items() if jar.server == "compiler")
    folder = tmp_path_factory.mktemp("format")
    libraries.append(sink.build(folder, compiler, libraries))
    sink.compile_java(PROGRAM.rglob("*.java"), compiler, libraries, folder / "classes")
    class_path = ":".join(map(str, [folder / "classes", *libraries]))
    return [str(java_home / "bin" / "java"), "-classpath", class_path, "pi3.json.DecodeRecords"]


def decoded(answer: bytes, count: int) -> Iterator[EventRow | None]:
    """The rows of the program's answer."""
    at = 0
    for _ in range(count):
        texts = []
        fields, at = answer[at], at + 1
        for _ in range(fields):
            (length,) = struct.unpack_from(">i", answer, at)
            texts.append(answer[at + 4 : at + 4 + length].decode())
            at += 4 + length
        yield EventRow(*texts) if texts else None


def test_format_and_validator_agree(decode: list[str]) -> None:
    records = [case.value for case in CASES if case.value is not None] + [*damaged(seed=20_261_123), *long_names()]
    request = struct.pack(">i", len(records)) + b"".join(struct.pack(">i", len(record)) + record for record in records)
    answer = subprocess.run(decode, input=request, capture_output=True, check=True).stdout
    verdicts = [verdict if isinstance(verdict, EventRow) else None for verdict in map(validate, records)]
    differing = [
        f"{record[:200]!r}: {row}, expected {verdict}"
        for record, row, verdict in zip(records, decoded(answer, len(records)), verdicts, strict=True)
        if row != verdict
    ]
    assert not differing, f"{len(differing)} of {len(records)}:\n" + "\n".join(differing[:20])
    assert sum(verdict is not None for verdict in verdicts) > RECORDS / 50
