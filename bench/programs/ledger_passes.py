"""Passes of the ledger, as often and with the limits that the sensor has: `ledger_passes STACK_FOLDER TOPIC GROUP`."""

from __future__ import annotations

import json
import sys
import time
from contextlib import suppress
from pathlib import Path

from orchestration.defs.ledger import RECOUNT_S
from orchestration.defs.resources import resources
from orchestration.errors import TransientError
from orchestration.ledger.audit import Limits, audit_committed
from orchestration.resources.kafka import KafkaResource
from orchestration.settings import read_settings


def main(stack_folder: str, topic: str, group: str) -> None:
    """Pass until ended; a JSON line for each pass."""
    settings = read_settings(Path(stack_folder), None)
    kafka = KafkaResource(bootstrap_servers=settings.kafka_bootstrap_servers)
    postgres = resources(settings)["postgres"]
    limits = Limits(settings.ledger_budget_s, RECOUNT_S)
    while True:
        began = time.monotonic()
        with suppress(TransientError):
            report = audit_committed(kafka, postgres, group, topic, limits)
            covered = sum(totals.covered for totals in report.totals.values())
            sys.stdout.write(json.dumps({"covered": covered, "seconds": round(report.duration_s, 2)}) + "\n")
            sys.stdout.flush()
        time.sleep(max(0.0, began + settings.ledger_interval_s - time.monotonic()))


if __name__ == "__main__":
    main(*sys.argv[1:])
