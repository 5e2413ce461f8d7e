"""Realistic SplitPay events: somebody paid a bill that a group of friends shares.

Pure and stateless: an event is a function of the seed, its number, its revision and the time it is given. People,
groups and shops are JSON fragments made once, so that an event costs little more than one formatting.
"""

from __future__ import annotations

import hashlib
import json
import random
import time
from typing import Final, NamedTuple

from producer import vocabulary as words

_USERS: Final = 2_048
_GROUP_SIZE: Final = 8
_MERCHANTS: Final = 512
_SECOND_MS: Final = 1_000
_MASK_64: Final = (1 << 64) - 1


class Event(NamedTuple):
    """An event as it is sent: the record key and the JSON object, both UTF-8."""

    key: bytes
    value: bytes


class _User(NamedTuple):
    """A payer's fixed parts, as JSON text."""

    user_id: str
    name: str
    location: str
    about: str  # the members payer, device and locale
    currency: str
    rate: float


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class EventGenerator:
    """Events of one seed. Their ids are unique within a seed and, by a 64-bit hash of it, across seeds."""

    def __init__(self, seed: int) -> None:
        digest = hashlib.blake2b(str(seed).encode(), digest_size=8).digest()
        rng = random.Random(seed)  # noqa: S311
        self._run = digest.hex()
        self._state = int.from_bytes(digest, "big")
        self._users = [_user(rng) for _ in range(_USERS)]
        self._merchants = [_merchant(rng) for _ in range(_MERCHANTS)]
        self._second = -1
        self._second_text = ""

    def event_id(self, number: int) -> str:
        """The id of event ``number``; 31 characters for the first ten thousand million."""
        return f"spl_{self._run}_{number:010d}"

    def event(self, number: int, created_ms: int, revision: int = 0) -> Event:
        """Event ``number``, created at ``created_ms`` (Unix time). A later revision has the same id and payer, but
        another status and location."""
        bits = _mixed(self._state + number)
        payer = bits % _USERS
        user = self._users[payer]
        event_id = self.event_id(number)
        total_minor = 150 + (bits >> 11) % 25_000
        location = self._users[(payer + revision * 37) % _USERS].location
        value = (
            f'{{"event_id":"{event_id}","event_type":"{"split.updated" if revision else "split.created"}",'
            f'"revision":{revision},"created_at":"{self._timestamp(created_ms)}",'
            f'"user_name":{user.name},"location":{location},{user.about},'
            f'"group_id":"g{payer // _GROUP_SIZE:04d}",'
            f'"total_minor":{total_minor},"currency":"{user.currency}",'
            f'"fx":{{"to":"EUR","rate":{user.rate},"total_minor":{round(total_minor / user.rate)}}},'
            f"{self._merchants[(bits >> 26) % _MERCHANTS]},"
            f'"participants":[{self._participants(payer, 2 + (bits >> 35) % 3, total_minor)}],'
            f'"split_method":"{words.SPLIT_METHODS[(bits >> 37) & 3]}",'
            f'"payment_method":"{words.PAYMENT_METHODS[(bits >> 39) & 3]}",'
            f'"status":"{words.STATUSES[(revision or (bits >> 41)) & 3]}",'
            f'"recurring":{"true" if (bits >> 43) & 15 == 0 else "false"},"note":null}}'
        )
        return Event(event_id.encode(), value.encode())

    def _participants(self, payer: int, count: int, total_minor: int) -> str:
        """The payer and the next members of the group; the payer takes the cents that cannot be split."""
        group = payer - payer % _GROUP_SIZE
        share_minor, rest_minor = divmod(total_minor, count)
        return ",".join(
            f'{{"user_id":"{self._users[group + (payer + place) % _GROUP_SIZE].user_id}",'
            f'"share_minor":{share_minor if place else share_minor + rest_minor}}}'
            for place in range(count)
        )

    def _timestamp(self, created_ms: int) -> str:
        """RFC 3339 in UTC with milliseconds. Most events share their second with the one before."""
        second, millis = divmod(created_ms, _SECOND_MS)
        if second != self._second:
            self._second = second
            self._second_text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._second_text}.{millis:03d}Z"


def _user(rng: random.Random) -> _User:
    name = f"{rng.choice(words.FIRST_NAMES)} {rng.choice(words.LAST_NAMES)}"
    location, currency, rate = rng.choice(words.PLACES)
    platform, model, app_version = rng.choice(words.DEVICES)
    user_id = f"u{rng.getrandbits(32):08x}"
    payer = {"user_id": user_id, "verified": rng.random() < 0.9}
    device = {"os": platform, "model": model, "app": app_version}
    about = f'"payer":{_json(payer)},"device":{_json(device)}'
    return _User(user_id, _json(name), _json(location), about, currency, rate)


def _merchant(rng: random.Random) -> str:
    name, category = rng.choice(words.MERCHANTS)
    return f'"merchant":{_json({"id": f"m{rng.getrandbits(24):06x}", "name": name, "category": category})}'


def _mixed(state: int) -> int:
    """The output function of SplitMix64 (Steele, Lea, Flood 2014): 64 well-mixed bits of any counter."""
    mixed = (state * 0x9E3779B97F4A7C15) & _MASK_64
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK_64
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK_64
    return mixed ^ (mixed >> 31)
