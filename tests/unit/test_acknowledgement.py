"""What an acknowledgement of gone offsets would cover, and what confirms it."""

from __future__ import annotations

import pytest

from orchestration.errors import ConfigurationError
from orchestration.ledger.accounting import Fate, PartitionTotals
from orchestration.ledger.acknowledgement import in_words, require_confirmation, rows
from orchestration.ledger.offsets import OffsetRange, OffsetSet
from orchestration.ledger.standing import Standing

KNOWN = "an outage"


def standing(gone: dict[int, OffsetSet], acknowledged: dict[int, int]) -> Standing:
    """Partitions of 100 offsets; `gone`: not acknowledged, `acknowledged`: how many others."""
    totals = {
        number: PartitionTotals(
            OffsetRange(0, 100),
            100,
            {Fate.GONE: gone.get(number, OffsetSet()).count + acknowledged.get(number, 0)},
            acknowledged.get(number, 0),
        )
        for number in range(3)
    }
    return Standing(totals, {}, gone, 1.0)


PLANNED = standing({1: OffsetSet.of_offsets([3, 4, 9])}, {0: 5, 1: 2})


def test_words_name_what_is_not_acknowledged() -> None:
    assert in_words(PLANNED) == "3 gone: partition 1: 3-4, 9"
    assert in_words(standing({}, {0: 5})) == "nothing: no offset is gone and not acknowledged"


def test_a_partition_of_which_nothing_is_gone_has_no_row() -> None:
    assert rows(PLANNED) == [
        {"partition": 0, "acknowledged": 5, "unacknowledged": 0, "offsets": ""},
        {"partition": 1, "acknowledged": 2, "unacknowledged": 3, "offsets": "3-4, 9"},
    ]


@pytest.mark.parametrize(
    ("confirm", "reason"),
    [("", "an outage"), ("yes", "an outage"), ("Topic", "an outage"), ("topic", ""), ("topic", " ")],
)
def test_without_the_topics_name_and_a_reason_it_says_what_would_happen(confirm: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=r"nothing was done.*3 gone: partition 1.*set reason.* topic$"):
        require_confirmation(confirm, "topic", reason, PLANNED)


def test_the_topics_name_and_a_reason_confirm() -> None:
    require_confirmation("topic", "topic", KNOWN, PLANNED)
