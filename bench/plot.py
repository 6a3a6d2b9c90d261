"""The picture of one run: ratios to the reference, memory per zone, filling a slice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from bench.cases import CASES
from bench.result import Run
from bench.summary import Summary
from bench.targets import REFERENCE, TARGETS
from bench.targets.target import Target

_COLOURS = {
    "egressway": "#d1495b",
    "haproxy": "#30638e",
    "haproxy-tcp": "#8fb8de",
    "nginx": "#3c8d5a",
    "envoy": "#8a63a8",
}
_INK = "#333333"
_GRID = "#dddddd"
_TICKS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
_STEPS = ("50 %", "90 %", "99 %", "99.9 %")


def plot(run: Run, summaries: list[Summary], path: Path) -> None:
    """Write the plot as PNG. Parts that were not measured stay empty and say so."""
    with mpl.rc_context({"font.size": 9, "axes.edgecolor": _INK, "text.color": _INK}):
        figure = Figure(figsize=(13, 9), dpi=130, layout="constrained")
        above, below = figure.subfigures(2, 1, height_ratios=[3, 2], squeeze=False)[:, 0]
        panels = above.subplots(1, 3, sharey=True)
        rates = {(s.case, s.target): s.rate_ratio for s in summaries}
        cpus = {(s.case, s.target): s.cpu_ratio for s in summaries}
        tails = {(s.case, s.target): s.p99_ratio for s in summaries}
        _dots(panels[0], "requests/s: right is better", rates)
        _dots(panels[1], "CPU per request: left is better", cpus)
        _dots(panels[2], "p99 latency: left is better", tails)
        above.suptitle(
            f"Ratio to {REFERENCE.title} in the same round - {run.setup.started_at[:10]}, "
            f"commit {run.setup.commit}, {run.setup.machine.processors} processors",
            fontsize=11,
        )
        above.legend(handles=_legend(summaries), loc="outside lower center", ncols=8, frameon=False)
        left, right = below.subplots(1, 2)
        _memory(left, run)
        _fill(right, run)
        figure.savefig(path)


def _family(name: str) -> str:
    return name.removesuffix("-log")


def _proxies() -> list[Target]:
    return [target for target in TARGETS if target.source is not None]


def _legend(summaries: list[Summary]) -> list[Line2D]:
    measured = {summary.target for summary in summaries}
    return [
        Line2D([], [], label=target.title, linestyle="", **_marker(target))
        for target in _proxies()
        if target.name in measured
    ]


def _marker(target: Target) -> dict[str, Any]:
    """Filled with a log, hollow without; Egressway is a diamond."""
    colour = _COLOURS[_family(target.name)]
    is_ours = target.name == "egressway"
    return {
        "marker": "D" if is_ours else "o",
        "markersize": 8 if is_ours else 7,
        "markeredgecolor": colour,
        "markerfacecolor": colour if target.logs else "white",
        "markeredgewidth": 1.6,
    }


def _dots(axes: Axes, title: str, ratios: dict[tuple[str, str], float | None]) -> None:
    axes.set_title(title, fontsize=10)
    proxies = _proxies()
    names = {target.name for target in proxies}
    shown = [value for (_, name), value in ratios.items() if value and name in names]
    if not shown:
        _empty(axes)
        return
    for row, case in enumerate(CASES):
        for place, target in enumerate(proxies):
            ratio = ratios.get((case.name, target.name))
            if ratio:
                height = row + (place - (len(proxies) - 1) / 2) * 0.09
                axes.plot([ratio], [height], clip_on=False, zorder=3, **_marker(target))
    axes.axvline(1.0, color=_INK, linewidth=1, zorder=1)
    axes.set_xscale("log")
    axes.set_xlim(min(shown) / 1.12, max(shown) * 1.12)
    axes.set_xticks([tick for tick in _TICKS if min(shown) / 1.12 <= tick <= max(shown) * 1.12])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(len(CASES) - 0.5, -0.5)
    axes.set_yticks(range(len(CASES)), [case.title for case in CASES])
    for row in range(1, len(CASES)):
        axes.axhline(row - 0.5, color=_GRID, linewidth=0.8)
    _plain(axes)


def _memory(axes: Axes, run: Run) -> None:
    axes.set_title("memory per zone, bytes: left is better", fontsize=10)
    found = [each for each in run.memory if each.bytes_per_zone and each.bytes_per_zone > 0]
    if not found:
        _empty(axes)
        return
    values = [each.bytes_per_zone or 0.0 for each in found]
    labels = [f"{each.title}, {each.zones // 1000:,}k" for each in found]
    axes.barh(labels, values, color=[_COLOURS[each.target] for each in found], height=0.66)
    for row, value in enumerate(values):
        axes.text(value + max(values) * 0.01, row, f"{value:,.0f}", va="center", fontsize=8)
    axes.set_xlim(0, max(values) * 1.12)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.invert_yaxis()
    axes.tick_params(axis="y", labelsize=8)
    _plain(axes)


def _fill(axes: Axes, run: Run) -> None:
    axes.set_title("seconds to open a slice's connections: lower is better", fontsize=10)
    found = [fill for fill in run.fills if fill.step_seconds]
    if not found:
        _empty(axes)
        return
    for fill in found:
        totals = [sum(fill.step_seconds[:end]) for end in range(len(fill.step_seconds) + 1)]
        colour = _COLOURS[fill.target]
        heights = range(len(totals))
        label = f"{fill.title}, {fill.ports:,} ports"
        axes.plot(heights, totals, color=colour, marker="o", linewidth=2, label=label)
        axes.annotate(
            f"{totals[-1]:.2f} s", (len(totals) - 1, totals[-1]), (0, 6),
            textcoords="offset points", ha="center", color=colour,
        )  # fmt: skip
    axes.set_xticks(range(len(_STEPS) + 1), ["0", *_STEPS])
    axes.set_xlabel("share of the slice in use")
    axes.set_ylim(bottom=0)
    axes.margins(y=0.15)
    axes.legend(frameon=False, loc="lower right")
    _plain(axes)


def _empty(axes: Axes) -> None:
    axes.text(0.5, 0.5, "not measured", ha="center", va="center", transform=axes.transAxes)
    axes.set_xticks([])
    axes.set_yticks([])


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color=_GRID, linewidth=0.6, zorder=0)
    axes.set_axisbelow(True)
