"""The picture of one run: ratios to the reference, memory per zone, filling a slice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from bench.cases import CASES as ALL_CASES
from bench.cases import Case
from bench.result import Run, SliceFill
from bench.summary import Ratio, Summary
from bench.targets import REFERENCE, TARGETS
from bench.targets.target import Target

_COLOURS = {
    "egressway": "#d1495b",
    "haproxy": "#30638e",
    "haproxy-tcp": "#8fb8de",
    "nginx": "#3c8d5a",
    "envoy": "#8a63a8",
}
CASES = [case for case in ALL_CASES if not case.forwards]
"""What forwarding costs is a table of its own on the page."""

_INK = "#333333"
_GRID = "#dddddd"
_FINE_TICKS = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0)
_COARSE_TICKS = tuple(2.0**power for power in range(-6, 7))
_FINE_SPAN = 5.0
"""Highest by lowest ratio, up to which the fine ticks have room."""

_STEPS = ("50 %", "90 %", "99 %", "99.9 %")


def plot(run: Run, summaries: list[Summary], path: Path) -> None:
    """Write the plot as PNG. Parts that were not measured stay empty and say so."""
    with mpl.rc_context({"font.size": 9, "axes.edgecolor": _INK, "text.color": _INK}):
        figure = Figure(figsize=(14, 11), dpi=130, layout="constrained")
        above, below = figure.subfigures(2, 1, height_ratios=[3, 2], squeeze=False)[:, 0]
        panels = above.subplots(1, 3, sharey=True)
        rates = {(s.case, s.target): s.rate_ratio for s in summaries}
        cpus = {(s.case, s.target): s.cpu_ratio for s in summaries}
        tails = {(s.case, s.target): s.p99_ratio for s in summaries}
        labels = [_case_label(case, summaries) for case in CASES]
        _dots(panels[0], "requests/s: right is better", rates, labels)
        _dots(panels[1], "CPU per request: left is better", cpus, labels)
        _dots(panels[2], "p99 latency: left is better", tails, labels)
        kind = "quick run, " if run.setup.quick else ""
        above.suptitle(
            f"Ratio to {REFERENCE.title} in the same round: median, and range of "
            f"all rounds ({run.setup.rounds}; logarithmic scale)\n"
            f"{kind}{run.setup.started_at[:10]}, commit {run.setup.commit}, "
            f"{run.setup.machine.processors} x {run.setup.machine.processor}, "
            f"filled marks write an access log, hollow ones do not",
            fontsize=10,
        )
        above.legend(handles=_legend(summaries), loc="outside lower center", ncols=8, frameon=False)
        left, right = below.subplots(1, 2)
        _memory(left, run)
        _fill(right, run)
        figure.savefig(path)


def _case_label(case: Case, summaries: list[Summary]) -> str:
    """The case, and what the reference measured, so that a ratio can be turned into a number."""
    for each in summaries:
        if (each.case, each.target) == (case.name, REFERENCE.name):
            return (
                f"{case.title}\n1 = {each.requests_per_second:,.0f}/s, {each.cpu_us:.1f} us CPU,\n"
                f"p99 {each.p99_us / 1000:.1f} ms"
            )
    return case.title


def _family(name: str) -> str:
    return name.removesuffix("-log")


def _proxies() -> list[Target]:
    return [target for target in TARGETS if target.source is not None and not target.chained]


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


def _dots(
    axes: Axes, title: str, ratios: dict[tuple[str, str], Ratio | None], labels: list[str]
) -> None:
    axes.set_title(title, fontsize=10)
    proxies = _proxies()
    names = {target.name for target in proxies}
    found = [ratio for (_, name), ratio in ratios.items() if ratio and name in names]
    shown = [value for ratio in found for value in (ratio.low, ratio.high)]
    if not shown:
        _empty(axes)
        return
    for row, case in enumerate(CASES):
        for place, target in enumerate(proxies):
            ratio = ratios.get((case.name, target.name))
            if ratio:
                height = row + (place - (len(proxies) - 1) / 2) * 0.09
                colour = _COLOURS[_family(target.name)]
                axes.plot([ratio.low, ratio.high], [height] * 2, color=colour, linewidth=1.2)
                axes.plot([ratio.middle], [height], clip_on=False, zorder=3, **_marker(target))
    axes.axvline(1.0, color=_INK, linewidth=1, zorder=1)
    axes.set_xscale("log")
    low, high = min(shown) / 1.12, max(shown) * 1.12
    ticks = _FINE_TICKS if high / low < _FINE_SPAN else _COARSE_TICKS
    axes.set_xlim(low, high)
    axes.set_xticks([tick for tick in ticks if low <= tick <= high])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(len(CASES) - 0.5, -0.5)
    axes.set_yticks(range(len(CASES)), labels, fontsize=8)
    for row in range(1, len(CASES)):
        axes.axhline(row - 0.5, color=_GRID, linewidth=0.8)
    _plain(axes)


def _memory(axes: Axes, run: Run) -> None:
    axes.set_title("memory per zone, bytes: less is better", fontsize=10)
    if not run.memory:
        _empty(axes)
        return
    values = [max(each.bytes_per_zone or 0.0, 0.0) for each in run.memory]
    labels = [f"{each.title}, {each.zones:,} zones" for each in run.memory]
    colours = [_COLOURS[each.target] for each in run.memory]
    widest = max(*values, 1.0)
    axes.barh(labels, values, color=colours, height=0.66)
    for row, each in enumerate(run.memory):
        words = each.note if each.bytes_per_zone is None else f"{each.bytes_per_zone:,.0f}"
        axes.text(values[row] + widest * 0.01, row, words[:60], va="center", fontsize=8)
    axes.set_xlim(0, widest * 1.12)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.invert_yaxis()
    axes.tick_params(axis="y", labelsize=8)
    _plain(axes)


def _fill(axes: Axes, run: Run) -> None:
    axes.set_title("seconds to fill a slice of one address: less is better", fontsize=10)
    if not run.fills:
        _empty(axes)
        return
    seen: set[str] = set()
    for fill in run.fills:
        totals = [sum(fill.step_seconds[:end]) for end in range(len(fill.step_seconds) + 1)]
        style = "--" if fill.target in seen else "-"
        seen.add(fill.target)
        axes.plot(
            range(len(totals)), totals, style, color=_COLOURS[fill.target], marker="o",
            linewidth=2, label=_fill_label(fill),
        )  # fmt: skip
    axes.set_xticks(range(len(_STEPS) + 1), ["0", *_STEPS])
    axes.set_xlabel(f"share in use of {run.fills[0].ports:,} ports")
    # The upper third is for the legend.
    highest = max((sum(fill.step_seconds) for fill in run.fills), default=0.0) or 1.0
    axes.set_ylim(0, highest * 1.5)
    axes.legend(frameon=False, loc="upper left", fontsize=8, handlelength=4)
    _plain(axes)


def _fill_label(fill: SliceFill) -> str:
    if not fill.step_seconds:
        return f"{fill.title}: {fill.note}"
    tail = f", then {fill.full.p50_us / 1000:.2f} ms per request alone" if fill.full else ""
    return f"{fill.title}: {sum(fill.step_seconds):.2f} s{tail}"


def _empty(axes: Axes) -> None:
    axes.text(0.5, 0.5, "not measured", ha="center", va="center", transform=axes.transAxes)
    axes.set_xticks([])
    axes.set_yticks([])


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color=_GRID, linewidth=0.6, zorder=0)
    axes.set_axisbelow(True)
