"""A reset of the stream: where it would go on, what it would read again and what it would skip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from orchestration.errors import ConfigurationError
from orchestration.resources.kafka import KafkaResource
from orchestration.resources.topics import OffsetRange
from orchestration.times import parse_time


@dataclass(frozen=True)
class Move:
    """One partition: the stream has landed everything before `origin`, and goes on at `target`."""

    origin: int
    target: int

    @property
    def again(self) -> int:
        """Records that are read a second time."""
        return max(0, self.origin - self.target)

    @property
    def skipped(self) -> OffsetRange:
        """Records that the stream will not read; empty if it moves back."""
        return OffsetRange(self.origin, max(self.origin, self.target))


# By partition.
Moves = Mapping[int, Move]


def read_moves(kafka: KafkaResource, group: str, topic: str, to: str) -> dict[int, Move]:
    """What a reset at this moment would do; `to` is `earliest`, `latest` or an ISO time.

    A time stands for the first record of each partition that is stamped at that time or later.

    Raises:
        ConfigurationError: `to` is none of these, or the topic does not exist.
        TransientError: Kafka is out of reach.
    """
    moment = None if to in ("earliest", "latest") else parse_moment(to)
    logs = kafka.offsets(topic)
    if moment is not None:
        goal = kafka.offsets_at(topic, moment)
    else:
        goal = {number: log.begin if to == "earliest" else log.end for number, log in logs.items()}
    return moves(logs, kafka.committed(group, topic), goal)


def moves(logs: Mapping[int, OffsetRange], committed: Mapping[int, int], goal: Mapping[int, int]) -> dict[int, Move]:
    """From where to where, by partition; without a commit from where the log begins, as the stream would."""
    return {
        number: Move(max(log.begin, committed.get(number, log.begin)), goal.get(number, log.begin))
        for number, log in sorted(logs.items())
    }


def targets(planned: Moves) -> dict[int, int]:
    """The offsets to start from, by partition."""
    return {number: move.target for number, move in planned.items()}


def skipped(planned: Moves) -> dict[int, OffsetRange]:
    """The ranges that nobody will have read, by partition; a replay of them lands them."""
    return {number: move.skipped for number, move in planned.items() if move.skipped.begin < move.skipped.end}


def rows(planned: Moves) -> list[dict[str, int]]:
    """What a reset does, as a table."""
    return [
        {
            "partition": number,
            "from": move.origin,
            "to": move.target,
            "read_again": move.again,
            "skipped": move.skipped.end - move.skipped.begin,
        }
        for number, move in planned.items()
    ]


def in_words(planned: Moves) -> str:
    """What a reset does, for people."""
    told = (
        f"partition {number}: {move.origin} -> {move.target}"
        + (f", {move.again:,} records are read again" if move.again else "")
        + (f", {move.skipped.end - move.skipped.begin:,} are skipped" if move.target > move.origin else "")
        for number, move in planned.items()
    )
    return "; ".join(told) or "the topic has no partition"


def require_confirmation(confirm: str, topic: str, to: str, planned: Moves) -> None:
    """Raises: ConfigurationError unless `confirm` is the topic's name; it says what would happen."""
    if confirm != topic:
        raise ConfigurationError(
            f"a reset of the stream to {to} is not confirmed, and nothing was done. It would mean: "
            f"{in_words(planned)}. Skipped records are LOST until a replay lands them. To do it, set confirm to the "
            f"topic's name, {topic}"
        )


def parse_moment(text: str) -> datetime:
    """An ISO time, UTC unless it says otherwise.

    Raises:
        ConfigurationError: it is none.
    """
    try:
        return parse_time(text)
    except ValueError as error:
        raise ConfigurationError(
            f"to is {text!r}, and should be earliest, latest or an ISO time such as 2026-03-01T12:00:00"
        ) from error
