"""Plots of raw.json, each as PNG and SVG."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.figures import spread
from bench.reporting.tables import SERVERS, Figures, counted, median_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw"]

SIZE: Final = (9.0, 5.0)
# Whose memory is plotted.
GROWING: Final = ("postgres", "flink-taskmanager")
_WITHOUT_DATE: Final[dict[str, dict[str, Any]]] = {"png": {"Software": None}, "svg": {"Date": None}}


def draw(raw: Figures, folder: Path) -> list[Path]:
    """Write a plot for each experiment that has one; returns the files."""
    import matplotlib as mpl

    mpl.use("Agg")  # there may be no screen
    import matplotlib.pyplot as plt

    files = []
    for name, plot in _plots(raw).items():
        figure, axes = plt.subplots(figsize=SIZE)
        plot(axes)
        axes.grid(alpha=0.3)
        for suffix in ("png", "svg"):
            files.append(folder / f"{name.replace(' ', '-')}.{suffix}")
            # Without a date and with fixed ids, equal figures give equal files.
            with mpl.rc_context({"svg.hashsalt": name}):
                figure.savefig(files[-1], dpi=120, bbox_inches="tight", metadata=_WITHOUT_DATE[suffix])
        plt.close(figure)
    return files


def _plots(raw: Figures) -> dict[str, Callable[[Axes], None]]:
    single = {
        "throughput": ("throughput", _rates),
        "throughput-cpu": ("throughput", _cpu),
        "throughput-curves": ("throughput", _curves),
        "latency": ("latency", _latency),
        "hour": ("hour", _hour),
    }
    plots: dict[str, Callable[[Axes], None]] = {
        name: partial(plot, measured=raw[of]) for name, (of, plot) in single.items() if of in raw
    }
    growth = raw.get("growth", {"results": []})["results"]
    for dimension in dict.fromkeys(result["dimension"] for result in growth if result["run"]):
        plots[f"growth-{dimension}"] = partial(_growth, measured=growth, dimension=dimension)
    return plots


def _rates(axes: Axes, measured: Figures) -> None:
    """Bars of medians, with whiskers from the least to the greatest."""
    spreads = {name: spread([run["rate"] for run in runs]) for name, runs in counted(measured["results"]).items()}
    shown = {name: value for name, value in reversed(spreads.items()) if value}
    medians = [value.median for value in shown.values()]
    below = [value.median - value.least for value in shown.values()]
    above = [value.greatest - value.median for value in shown.values()]
    colours = ["tab:blue" if name.startswith("ours") else "tab:gray" for name in shown]
    axes.barh(list(shown), medians, xerr=[below, above], color=colours)
    axes.set_xlabel("rows/s, median and min-max")


def _cpu(axes: Axes, measured: Figures) -> None:
    """Stacked bars by process."""
    from matplotlib import color_sequences

    found = dict(reversed(counted(measured["results"]).items()))
    processes = list(dict.fromkeys(name for runs in found.values() for run in runs for name in run["cpu_us"]))
    left = [0.0] * len(found)
    colours = cycle(color_sequences["tab20"])
    for process in processes:
        values = [median_of([run["cpu_us"].get(process, 0.0) for run in runs]) for runs in found.values()]
        axes.barh(list(found), values, left=left, label=process, color=next(colours))
        left = [before + value for before, value in zip(left, values, strict=True)]
    axes.set_xlabel("CPU µs an event")
    axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.01, 0.5))


def _curves(axes: Axes, measured: Figures) -> None:
    for name, runs in counted(measured["results"]).items():
        axes.plot(*zip(*runs[0]["curve"], strict=True), label=name)
    axes.set_xlabel("seconds since launch, first run")
    axes.set_ylabel("rows")
    axes.legend(fontsize="small")


def _latency(axes: Axes, measured: Figures) -> None:
    """A line a contestant and percentile, over the rates."""
    for name, runs in counted(measured["results"]).items():
        for share, style in (("p50", "-"), ("p99", "--")):
            points = [(run["rate"], run["latency_ms"][share]) for run in runs]
            axes.plot(*zip(*points, strict=True), style, marker="o", label=f"{name} {share}")
    axes.set(xscale="log", yscale="log", xlabel="events/s", ylabel="ms from the record's timestamp to a visible row")
    axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.01, 0.5))


def _growth(axes: Axes, measured: list[Figures], dimension: str) -> None:
    """CPU by process, and dashed the TaskManager's and Postgres' memory, over the dimension's values."""
    by_value = counted((result for result in measured if result["dimension"] == dimension), "value")
    memory = axes.twinx()
    for server in SERVERS:
        values = [float(value) for value in by_value]
        cpu_us = [median_of(run["cpu_us"].get(server, 0.0) for run in runs) for runs in by_value.values()]
        (line,) = axes.plot(values, cpu_us, marker="o", label=server)
        if server in GROWING:
            used = [median_of(run["memory_mb"].get(server, 0.0) for run in runs) for runs in by_value.values()]
            memory.plot(values, used, "--", color=line.get_color())
    axes.set(xlabel=dimension, ylabel="CPU µs an event", ylim=(0, None))
    memory.set(ylabel="memory, MiB (dashed)", ylim=(0, None))
    axes.legend(fontsize="small", loc="lower left", bbox_to_anchor=(0, 1), ncols=len(SERVERS))


def _hour(axes: Axes, measured: Figures) -> None:
    """Memory by process over time."""
    minutes = [sample["minute"] for sample in measured["samples"]]
    for name in measured["cpu_share"]:
        axes.plot(minutes, [sample["memory_mb"][name] for sample in measured["samples"]], label=name)
    axes.set(xlabel="minutes", ylabel="memory, MiB", ylim=(0, None))
    axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.01, 0.5))
