"""A standing as Prometheus' metrics: pure. What is not known is absent, and never zero."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from prometheus_client.core import GaugeMetricFamily

from orchestration.metrics.reading import Report, Standing

# Of the metadata of an asset: which labels become one metric, and the value of its own label.
LAG: Final = "lag_partition_"
REASON: Final = "reason_"
LATENCY: Final = {"latency_p50_s": "0.5", "latency_p99_s": "0.99"}
FATES: Final = ("landed", "superseded", "dead", "gone", "lost")
REDRIVES: Final = {"redriven": "published", "redriven_unconfirmed": "claimed"}

# Values of the labels, and the value.
Values = Iterable[tuple[Sequence[str], float]]


def families(standing: Standing | None) -> Iterator[GaugeMetricFamily]:
    """All metrics; None: Dagster gave no answer."""
    yield GaugeMetricFamily("pi3_up", "Whether Dagster answered; without it all else is absent.", standing is not None)
    if standing is None:
        return
    for asset, tell in (("events", _events), ("ledger", _ledger), ("dead_letters", _letters)):
        if report := standing.reports.get(asset):
            yield from tell(report)
    words = "The newest verdict of an asset check: 0 passed, 1 warning or unknown, 2 error."
    yield _family("pi3_check_severity", words, ("asset", "check"), standing.severities.items())


def _events(report: Report) -> Iterator[GaugeMetricFamily]:
    numbers = report.numbers
    yield GaugeMetricFamily("pi3_heartbeat_timestamp_seconds", "When the heartbeat beat last.", report.at_s)
    yield GaugeMetricFamily("pi3_rows", "Rows in events.", numbers.get("rows"))
    yield _family("pi3_lag_records", "Records that the job has not committed yet.", ("partition",), _told(numbers, LAG))
    words = "From the record's timestamp to the row, of the rows since the beat before; absent if there were none."
    yield _family("pi3_latency_seconds", words, ("quantile",), _renamed(numbers, LATENCY))
    causes = [((report.texts["health"],), 1.0)] if "health" in report.texts else []
    yield _family("pi3_health", "Why the stream is as it is; 1 for the one cause that holds.", ("cause",), causes)


def _ledger(report: Report) -> Iterator[GaugeMetricFamily]:
    words = "When a pass of the ledger last found anything to account for."
    yield GaugeMetricFamily("pi3_ledger_timestamp_seconds", words, report.at_s)
    fates = _renamed(report.numbers, {fate: fate for fate in FATES})
    yield _family("pi3_ledger_offsets", "Audited offsets, by what became of their records.", ("fate",), fates)
    words = "Offsets that are gone and that an operator has acknowledged."
    yield GaugeMetricFamily("pi3_ledger_acknowledged_offsets", words, report.numbers.get("gone_acknowledged"))
    words = "Committed offsets that the last pass left for the next."
    yield GaugeMetricFamily("pi3_ledger_backlog_offsets", words, report.numbers.get("backlog"))


def _letters(report: Report) -> Iterator[GaugeMetricFamily]:
    reasons = _told(report.numbers, REASON)
    yield _family("pi3_dead_letters", "Dead letters, by reason.", ("reason",), reasons)
    redrives = _renamed(report.numbers, REDRIVES)
    yield _family("pi3_redrives", "Letters that were sent again; claimed: unconfirmed.", ("state",), redrives)


def _told(numbers: Mapping[str, float], prefix: str) -> Values:
    return [((label.removeprefix(prefix),), value) for label, value in numbers.items() if label.startswith(prefix)]


def _renamed(numbers: Mapping[str, float], names: Mapping[str, str]) -> Values:
    return [((name,), numbers[label]) for label, name in names.items() if label in numbers]


def _family(name: str, words: str, labels: tuple[str, ...], values: Values) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, words, labels=labels)
    for key, value in values:
        family.add_metric(key, value)
    return family
