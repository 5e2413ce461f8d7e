"""Hours of completeness: when every offset that was produced in an hour is accounted for.

An hour is the UTC hour of a record's Kafka timestamp. Timestamps are the producers' own and may lie, so completeness
goes by offsets: when an hour is over by the grace, the end of each partition is noted as its goal, and the hour is
complete once the ledger has audited each partition up to it. Whatever stood in the topic by then is thus accounted for,
in whatever order it was written. A record that arrives later with a timestamp of that hour is late: from time to time
the hours within the window are counted anew, and one whose counts have changed is reported again, as a new revision. So
is one of whose rows some were superseded by events of a later hour.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta, timezone

HOUR = timedelta(hours=1)
HOUR_FORMAT = "%Y-%m-%d-%H:%M"  # Dagster's key of an hourly partition


@dataclass(frozen=True)
class Counts:
    """Records of one hour: rows, dead letters and unresolved LOST offsets; `fingerprint` tells equal counts of other
    rows apart."""

    landed: int
    dead: int
    lost: int = 0
    fingerprint: str = ""


@dataclass(frozen=True)
class Reported:
    """What was last told of an hour; revision 0 is the first telling."""

    counts: Counts
    revision: int = 0


@dataclass(frozen=True)
class Book:
    """What one tick leaves for the next, by hour key.

    `goals`: hours that are over and wait, each with the end of every partition that was not empty. `reported`: the
    complete hours within the window. `newest`: the newest hour that was over. `checked`: the hour recounted last in
    the present round of recounts, which began at `round_began_s` (Unix time).
    """

    newest: str = ""
    goals: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    reported: Mapping[str, Reported] = field(default_factory=dict)
    checked: str = ""
    round_began_s: float = 0.0

    def to_cursor(self) -> str:
        """The book as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_cursor(cls, cursor: str) -> Book:
        """The book that `to_cursor` wrote."""
        told = json.loads(cursor)
        goals = {hour: {int(number): end for number, end in goal.items()} for hour, goal in told["goals"].items()}
        reported = {h: Reported(Counts(**r["counts"]), r["revision"]) for h, r in told["reported"].items()}
        return cls(told["newest"], goals, reported, told["checked"], told["round_began_s"])


@dataclass(frozen=True)
class Completed:
    """An hour to report: it has become complete, or its counts have changed since."""

    hour: str
    counts: Counts
    revision: int
    before: Counts | None


def key(moment: datetime) -> str:
    """The key of the hour that holds the moment."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%d-%H:00")


def begin_of(hour: str) -> datetime:
    """The first moment of the hour."""
    return datetime.strptime(hour, HOUR_FORMAT).replace(tzinfo=timezone.utc)


def last_over(now: datetime, grace_s: float) -> str:
    """The newest hour that has been over for `grace_s`."""
    return key(now - timedelta(seconds=grace_s) - HOUR)


def with_goals(book: Book, first: str, newest: str, ends: Mapping[int, int]) -> Book:
    """The book with a goal for each hour that is over since the last tick; `first` counts only in a new book."""
    hour = begin_of(book.newest) + HOUR if book.newest else begin_of(first)
    goals = dict(book.goals)
    while key(hour) <= newest:
        goals[key(hour)] = ends
        hour += HOUR
    return replace(book, newest=max(book.newest, newest), goals=goals)


def complete(goal: Mapping[int, int], audited: Mapping[int, int]) -> bool:
    """Whether the ledger has come to the goal in every partition."""
    return all(audited.get(partition, 0) >= end for partition, end in goal.items())


def due(book: Book, audited: Mapping[int, int], limit: int) -> list[str]:
    """The oldest hours that are complete by offsets, in order, at most `limit`."""
    return [hour for hour in sorted(book.goals) if complete(book.goals[hour], audited)][:limit]


def settle(book: Book, hours: Sequence[str], count: Callable[[str], Counts]) -> tuple[Book, list[Completed]]:
    """Report the hours that are due. One with LOST offsets goes on waiting; those after it do not wait for it."""
    done = [Completed(hour, counts, 0, None) for hour in hours if not (counts := count(hour)).lost]
    settled = {item.hour: Reported(item.counts) for item in done}
    goals = {hour: goal for hour, goal in book.goals.items() if hour not in settled}
    return replace(book, goals=goals, reported={**book.reported, **settled}), done


@dataclass(frozen=True)
class Revision:
    """How late events are taken up: every `every_s`, in the hours of the last `window_h`, for as long as `in_time`."""

    window_h: int
    every_s: float
    in_time: Callable[[], bool]


def revise(book: Book, count: Callable[[str], Counts], now_s: float, rule: Revision) -> tuple[Book, list[Completed]]:
    """Recount the reported hours; those that have changed, as new revisions.

    Hours are recounted together and not often, since each revision makes the batches of its hour run again: a stream
    with a steady trickle of late events would else keep them running. What a tick has no time for is left to the next.
    """
    oldest = key(begin_of(book.newest) - rule.window_h * HOUR)
    book = replace(book, reported={hour: r for hour, r in book.reported.items() if hour > oldest})
    if not (book.checked and _unchecked(book)):
        if book.checked and now_s < book.round_began_s + rule.every_s:
            return book, []
        book = replace(book, checked="", round_began_s=now_s)
    reported, checked, changed = dict(book.reported), book.checked, list[Completed]()
    for hour in _while(rule.in_time, _unchecked(book)):
        checked, former, counts = hour, reported[hour], count(hour)
        if counts != former.counts:
            reported[hour] = Reported(counts, former.revision + 1)
            changed.append(Completed(hour, counts, former.revision + 1, former.counts))
    return replace(book, reported=reported, checked=checked), changed


def _unchecked(book: Book) -> list[str]:
    return sorted(hour for hour in book.reported if hour > book.checked)


def _while(condition: Callable[[], bool], hours: Sequence[str]) -> Iterator[str]:
    for hour in hours:
        if not condition():
            return
        yield hour
