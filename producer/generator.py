"""Realistic SplitPay events: somebody paid a bill that a group of friends shares.

Pure and stateless: an event is a function of the seed, its number, its revision and the time it is given. People,
groups and shops are JSON fragments made once, so that an event costs little more than one formatting.
"""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

from producer import vocabulary as words

_USERS: Final = 2_048
_GROUP_SIZE: Final = 8
_MOST_PARTICIPANTS: Final = 4
_MERCHANTS: Final = 512
_SECOND_MS: Final = 1_000
_MASK_64: Final = (1 << 64) - 1

# Formatting bytes costs half of what formatting and encoding text does, since most of an event are parts made before.
_EVENT: Final = (
    b'{"event_id":"%b","event_type":"split.%b","revision":%d,"created_at":"%b",'
    b'"user_name":%b,"location":%b,%b%d,%b%d},%b,"participants":[%b],%b'
)


class Event(NamedTuple):
    """An event as it is sent: the record key and the JSON object, both UTF-8."""

    key: bytes
    value: bytes


class _Person(NamedTuple):
    """What is drawn for a user, as JSON text."""

    user_id: str
    name: str
    location: str
    about: str  # the members payer, device and locale
    currency: str
    rate: float


class _Payer(NamedTuple):
    """What an event of this payer holds in any case, in the order in which it is written."""

    name: bytes
    location: bytes
    about: bytes  # up to the total
    currency: bytes  # up to the total in euros
    rate: float
    members: tuple[bytes, ...]  # the payer and the next ones of the group, each up to its share


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class EventGenerator:
    """Events of one seed. Their ids are unique within a seed and, by a 64-bit hash of it, across seeds."""

    def __init__(self, seed: int) -> None:
        digest = hashlib.blake2b(str(seed).encode(), digest_size=8).digest()
        rng = random.Random(seed)  # noqa: S311
        self._prefix = f"spl_{digest.hex()}_".encode()
        self._state = int.from_bytes(digest, "big")
        people = [_person(rng) for _ in range(_USERS)]
        self._payers = [_payer(people, place) for place in range(_USERS)]
        self._merchants = [_merchant(rng) for _ in range(_MERCHANTS)]
        self._instant_ms = -1
        self._instant = b""

    def event_id(self, number: int) -> str:
        """The id of event ``number``; 31 characters for the first ten thousand million."""
        return (b"%b%010d" % (self._prefix, number)).decode()

    def event(self, number: int, created_ms: int, revision: int = 0) -> Event:
        """Event ``number``, created at ``created_ms`` (Unix time). A later revision has the same id and payer, but
        another status and location."""
        bits = _mixed(self._state + number)
        place = bits % _USERS
        payer = self._payers[place]
        event_id = b"%b%010d" % (self._prefix, number)
        total_minor = 150 + (bits >> 11) % 25_000
        if created_ms != self._instant_ms:  # flat out, a hundred events share a millisecond
            self._instant_ms, self._instant = created_ms, _timestamp(created_ms)
        value = _EVENT % (
            event_id,
            b"updated" if revision else b"created",
            revision,
            self._instant,
            payer.name,
            self._payers[(place + revision * 37) % _USERS].location,
            payer.about,
            total_minor,
            payer.currency,
            round(total_minor / payer.rate),
            self._merchants[(bits >> 26) % _MERCHANTS],
            _participants(payer, 2 + (bits >> 35) % 3, total_minor),
            _TAILS[(bits >> 37) & 15 | ((revision or bits >> 41) & 3) << 4 | ((bits >> 43) & 15 == 0) << 6],
        )
        return Event(event_id, value)


def _participants(payer: _Payer, count: int, total_minor: int) -> bytes:
    """The payer and the next members of the group; the payer takes the cents that cannot be split."""
    share, rest = divmod(total_minor, count)
    first, second, third, fourth = payer.members
    if count == 2:
        return b"%b%d},%b%d}" % (first, share + rest, second, share)
    if count == 3:
        return b"%b%d},%b%d},%b%d}" % (first, share + rest, second, share, third, share)
    return b"%b%d},%b%d},%b%d},%b%d}" % (first, share + rest, second, share, third, share, fourth, share)


def _timestamp(created_ms: int) -> bytes:
    """RFC 3339 in UTC with milliseconds."""
    second, millis = divmod(created_ms, _SECOND_MS)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(second))}.{millis:03d}Z".encode()


def _person(rng: random.Random) -> _Person:
    name = f"{rng.choice(words.FIRST_NAMES)} {rng.choice(words.LAST_NAMES)}"
    location, currency, rate = rng.choice(words.PLACES)
    platform, model, app_version = rng.choice(words.DEVICES)
    user_id = f"u{rng.getrandbits(32):08x}"
    payer = {"user_id": user_id, "verified": rng.random() < 0.9}
    device = {"os": platform, "model": model, "app": app_version}
    about = f'"payer":{_json(payer)},"device":{_json(device)}'
    return _Person(user_id, _json(name), _json(location), about, currency, rate)


def _payer(people: Sequence[_Person], place: int) -> _Payer:
    payer = people[place]
    group = place - place % _GROUP_SIZE
    members = (people[group + (place + step) % _GROUP_SIZE].user_id for step in range(_MOST_PARTICIPANTS))
    return _Payer(
        name=payer.name.encode(),
        location=payer.location.encode(),
        about=f'{payer.about},"group_id":"g{place // _GROUP_SIZE:04d}","total_minor":'.encode(),
        currency=f'"currency":"{payer.currency}","fx":{{"to":"EUR","rate":{payer.rate},"total_minor":'.encode(),
        rate=payer.rate,
        members=tuple(f'{{"user_id":"{member}","share_minor":'.encode() for member in members),
    )


def _merchant(rng: random.Random) -> bytes:
    name, category = rng.choice(words.MERCHANTS)
    return f'"merchant":{_json({"id": f"m{rng.getrandbits(24):06x}", "name": name, "category": category})}'.encode()


def _tail(choice: int) -> bytes:
    """The last members, by two bits each for split method, payment method and status, and one for recurring."""
    members = {
        "split_method": words.SPLIT_METHODS[choice & 3],
        "payment_method": words.PAYMENT_METHODS[choice >> 2 & 3],
        "status": words.STATUSES[choice >> 4 & 3],
        "recurring": choice >> 6 == 1,
        "note": None,
    }
    return _json(members)[1:].encode()


_TAILS: Final = tuple(map(_tail, range(128)))


def _mixed(state: int) -> int:
    """The output function of SplitMix64 (Steele, Lea, Flood 2014): 64 well-mixed bits of any counter."""
    mixed = (state * 0x9E3779B97F4A7C15) & _MASK_64
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK_64
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK_64
    return mixed ^ (mixed >> 31)
