"""What Dagster knows as Prometheus' metrics: the queries, what is made of the answers, and the endpoint."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from orchestration.metrics.exporter import serve
from orchestration.metrics.families import families
from orchestration.metrics.reading import Report, Standing, newest, query, severity
from tests.fixtures.flink_rest import Reply, RestDouble, serving

CHECKS = [("events", "rows_landing"), ("ledger", "nothing_lost")]
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def told(at_ms: int, **metadata: float | str) -> dict[str, Any]:
    """An event of Dagster's, as its API tells it."""
    entries = [{"label": label, **_value(value)} for label, value in metadata.items()]
    return {"timestamp": str(at_ms), "metadataEntries": [*entries, {"label": "newest"}]}


def _value(value: float | str) -> dict[str, Any]:
    if isinstance(value, str):
        return {"text": value}
    return {"intRepr": str(value)} if isinstance(value, int) else {"floatValue": value}


@pytest.mark.parametrize(
    ("materialized", "observed", "at_s"),
    [([], [], None), ([1000], [], 1.0), ([1000], [2000], 2.0), ([3000], [2000], 3.0)],
)
def test_the_last_word_counts_whatever_it_is_called(
    materialized: list[int], observed: list[int], at_s: float | None
) -> None:
    found = newest(
        {"assetMaterializations": list(map(told, materialized)), "assetObservations": list(map(told, observed))},
        "newest",
    )
    assert (found.at_s if found else None) == at_s


def test_an_asset_that_is_not_there_has_no_word() -> None:
    assert newest({"__typename": "AssetNotFoundError"}, "newest") is None


def test_an_event_of_another_kind_does_not_hide_the_report() -> None:
    found = newest({"assetMaterializations": [told(1000, landed=7)], "assetObservations": [told(2000)]}, "landed")
    assert found == Report(1.0, {"landed": 7.0}, {})


def test_numbers_and_texts_are_told_apart() -> None:
    found = newest({"assetMaterializations": [told(1500, rows=2**40, share=0.5, health="landing")]}, "rows")
    assert found == Report(1.5, {"rows": float(2**40), "share": 0.5}, {"health": "landing"})


@pytest.mark.parametrize(
    ("evaluations", "expected"),
    [
        ([], None),
        ([None], None),
        ([{"success": True, "severity": "ERROR"}], 0),
        ([{"success": False, "severity": "WARN"}], 1),
        ([None, {"success": False, "severity": "ERROR"}, {"success": True, "severity": "WARN"}], 2),
    ],
)
def test_how_bad_a_check_is(evaluations: list[dict[str, Any] | None], expected: int | None) -> None:
    assert severity([{"evaluation": evaluation} for evaluation in evaluations]) == expected


def test_a_query_cannot_be_broken_by_a_name() -> None:
    assert r'path: ["a\"b", "c"]}, checkName: "d"' in query([('a"b/c', "d")])


def samples(standing: Standing | None) -> Samples:
    """All of them, by name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families(standing)
        for sample in family.samples
    }


def test_each_figure_becomes_a_metric() -> None:
    events = Report(
        1.0,
        {"rows": 9, "lag": 3, "lag_partition_0": 1, "lag_partition_1": 2, "latency_p50_s": 0.1, "latency_p99_s": 0.2},
        {"health": "landing", "health_words": "well"},
    )
    fates = {"landed": 9, "superseded": 1, "dead": 2, "gone": 3, "lost": 0}
    ledger = Report(2.0, fates | {"gone_acknowledged": 1, "backlog": 4, "seconds": 1}, {})
    letters = Report(3.0, {"dead_letters": 2, "reason_blank": 2, "redriven": 1, "redriven_unconfirmed": 0}, {})
    reports = {"events": events, "ledger": ledger, "dead_letters": letters}
    assert samples(Standing(reports, {("ledger", "nothing_lost"): 2})) == {
        ("pi3_up", ()): 1,
        ("pi3_heartbeat_timestamp_seconds", ()): 1,
        ("pi3_rows", ()): 9,
        ("pi3_lag_records", (("partition", "0"),)): 1,
        ("pi3_lag_records", (("partition", "1"),)): 2,
        ("pi3_latency_seconds", (("quantile", "0.5"),)): 0.1,
        ("pi3_latency_seconds", (("quantile", "0.99"),)): 0.2,
        ("pi3_health", (("cause", "landing"),)): 1,
        ("pi3_ledger_timestamp_seconds", ()): 2,
        ("pi3_ledger_offsets", (("fate", "landed"),)): 9,
        ("pi3_ledger_offsets", (("fate", "superseded"),)): 1,
        ("pi3_ledger_offsets", (("fate", "dead"),)): 2,
        ("pi3_ledger_offsets", (("fate", "gone"),)): 3,
        ("pi3_ledger_offsets", (("fate", "lost"),)): 0,
        ("pi3_ledger_acknowledged_offsets", ()): 1,
        ("pi3_ledger_backlog_offsets", ()): 4,
        ("pi3_dead_letters", (("reason", "blank"),)): 2,
        ("pi3_redrives", (("state", "published"),)): 1,
        ("pi3_redrives", (("state", "claimed"),)): 0,
        ("pi3_check_severity", (("asset", "ledger"), ("check", "nothing_lost"))): 2,
    }


@pytest.mark.parametrize(
    ("standing", "expected"),
    [
        (None, {("pi3_up", ()): 0}),
        (Standing({}, {}), {("pi3_up", ()): 1}),
        (
            Standing({"events": Report(5.0, {"lag": 0}, {})}, {}),
            {("pi3_up", ()): 1, ("pi3_heartbeat_timestamp_seconds", ()): 5},
        ),
    ],
)
def test_what_is_not_known_is_absent(standing: Standing | None, expected: Samples) -> None:
    assert samples(standing) == expected


class Dagster:
    """Answers the two queries, while it is well."""

    well = True

    def route(self, _method: str, _path: str, _query: dict[str, str], body: Any) -> Reply:  # noqa: ANN401
        if not self.well:
            return 502, "bad gateway"
        if "query Checks" in body["query"]:
            nodes = [
                {"assetKey": {"path": [asset]}, "assetChecksOrError": {"checks": [{"name": name}]}}
                for asset, name in CHECKS
            ]
            return 200, {"data": {"assetNodes": nodes}}
        passed = [{"evaluation": {"success": True, "severity": "ERROR"}}]
        events = {"assetMaterializations": [], "assetObservations": [told(1000, rows=7, health="landing")]}
        return 200, {"data": {"events": events, "ledger": {}, "dead_letters": {}, "check_0": passed, "check_1": []}}


@pytest.fixture
def dagster() -> Dagster:
    """Dagster, played."""
    return Dagster()


@pytest.fixture
def asked(dagster: Dagster) -> Iterator[tuple[RestDouble, str]]:
    """Dagster's webserver, and the address of an endpoint that asks it."""
    with serving(RestDouble(dagster.route)) as double:
        server, thread = serve(double.url, "127.0.0.1", 0)
        try:
            yield double, f"http://127.0.0.1:{server.server_port}/metrics"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def scrape(url: str) -> dict[str, float]:
    """The values by name, of those without labels."""
    text = requests.get(url, timeout=5).text
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.labels
    }


def test_a_scrape_asks_dagster_and_nothing_else_does(dagster: Dagster, asked: tuple[RestDouble, str]) -> None:
    double, url = asked
    assert double.asked == [], "nobody has scraped yet"
    found = scrape(url)
    assert (found["pi3_up"], found["pi3_rows"]) == (1, 7)
    assert found["process_resident_memory_bytes"] > 0
    assert len(double.asked) == 2
    scrape(url)
    assert len(double.asked) == 3, "the names of the checks are asked once"
    dagster.well = False
    found = scrape(url)
    assert found["pi3_up"] == 0
    assert "pi3_rows" not in found
