from __future__ import annotations

import pytest

from contract.event import Reason
from orchestration.ledger.validator import Rejection, validate
from producer.faults import FAULTS, Fault
from producer.generator import EventGenerator


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_breaks_each_event_for_its_reason(fault: Fault) -> None:
    generator = EventGenerator(3)
    for number in range(50):
        verdict = validate(fault.damage(generator.event(number, 0).value))
        assert isinstance(verdict, Rejection)
        assert verdict.reason is fault.reason


def test_each_reason_has_a_fault() -> None:
    assert {fault.reason for fault in FAULTS} == set(Reason)
