"""The index of `bench/results/`: what was found when, the newest first."""

from __future__ import annotations

from pathlib import Path

import msgspec

from bench.aims import PRODUCT, aims
from bench.markdown import table
from bench.result import Run
from bench.summary import Summary, summarize
from bench.targets import REFERENCE

NEWEST = "results.json"
"""A copy of the newest run's raw numbers, for programs."""

_CASES = {"keepalive": "keep-alive", "chunked": "10 KB chunked"}


def write_index(folder: Path) -> Path:
    """Write `README.md` over all runs in `folder`; returns its path."""
    sources = [path for path in folder.glob("*.json") if path.name != NEWEST]
    runs = [(path, msgspec.json.decode(path.read_bytes(), type=Run)) for path in sources]
    # A quick run is no result to show first.
    runs.sort(key=lambda each: (not each[1].setup.quick, each[1].setup.started_at), reverse=True)
    page = folder / "README.md"
    page.write_text(_index(runs))
    return page


def _index(runs: list[tuple[Path, Run]]) -> str:
    blocks = ["# Results", "Written by the benchmark; `bench/README.md` says how it measures."]
    if runs:
        path, run = runs[0]
        page, picture = path.with_suffix(".md").name, path.with_suffix(".png").name
        blocks.append(f"Newest: [{run.setup.started_at[:10]}, `{run.setup.commit}`]({page})")
        blocks.append(f"[![the newest result]({picture})]({page})")
    header = [
        *("run", "machine"),
        *(f"requests/s to {REFERENCE.title}, {title}" for title in _CASES.values()),
        *("aims met", "failures"),
    ]
    blocks.append(table(header, [_row(path, run) for path, run in runs], numbers_from=2))
    return "\n\n".join(blocks) + "\n"


def _row(path: Path, run: Run) -> list[str]:
    summaries = summarize(run, REFERENCE.name)
    verdicts = [aim.is_met for aim in aims(run, summaries) if aim.is_met is not None]
    return [
        f"[{path.stem}]({path.with_suffix('.md').name})",
        f"{run.setup.machine.processors} x {run.setup.machine.processor}",
        *(_ratio(case, summaries) for case in _CASES),
        f"{sum(verdicts)} of {len(verdicts)}",
        str(len(run.failures)),
    ]


def _ratio(case: str, summaries: list[Summary]) -> str:
    for each in summaries:
        if (each.case, each.target) == (case, PRODUCT) and each.rate_ratio is not None:
            return f"{each.rate_ratio.middle:.2f}"
    return "-"
