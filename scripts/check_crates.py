"""Enforces the licences, bans and sources of deny.toml with nothing but cargo.

The part of cargo-deny that needs no network, so that `make check` works on any machine with Rust.
Not here: advisories, whose database must be fetched; `cargo deny check advisories` reads the same
file. One rule is ours alone: every crate inherits the workspace's lints, which forbid `unsafe`;
only the boundary with Python may have its own.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
OWN_LINTS = {"egressway-python"}
"""Crates that may state their own lints instead of the workspace's."""


@dataclass(frozen=True, slots=True)
class Crate:
    """One crate of the dependency graph."""

    name: str
    version: str
    license: str | None
    source: str | None
    manifest: Path
    dependencies: tuple[str, ...]
    """Names of the crates it depends on directly, for building, testing or at run time."""
    wildcards: tuple[str, ...] = ()
    """Dependencies from a registry that it takes in any version."""

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


def main() -> int:
    """Print every broken rule; returns the exit status."""
    rules = tomllib.loads((ROOT / "deny.toml").read_text())
    try:
        graphs = [read_graph(target) for target in rules["graph"]["targets"]]
    except subprocess.CalledProcessError as error:
        return error.returncode  # cargo has said why
    crates = unique(crate for graph in graphs for crate in graph)
    broken = [
        *broken_licences(crates, rules["licenses"]["allow"]),
        *broken_bans(crates, rules["bans"]["deny"]),
        *broken_duplicates(crates, [entry["crate"] for entry in rules["bans"]["skip"]]),
        *broken_sources(crates),
        *broken_lints(crates),
    ]
    for line in broken:
        print(f"deny.toml: {line}", file=sys.stderr)
    print(f"crate rules: {len(crates)} crates, {len(broken)} broken rules")
    return 1 if broken else 0


def read_graph(target: str) -> list[Crate]:
    """The crates that a build for `target` uses, as Cargo.lock fixes them."""
    command = ["cargo", "metadata", "--format-version=1", "--locked", f"--filter-platform={target}"]
    answer = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    metadata = json.loads(answer.stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    return [_crate(node, packages) for node in metadata["resolve"]["nodes"]]


def unique(crates: Iterable[Crate]) -> list[Crate]:
    """One entry per name and version, with the dependencies of all targets."""
    merged: dict[str, Crate] = {}
    for crate in crates:
        known = merged.get(str(crate))
        if known is not None:
            both = {*known.dependencies, *crate.dependencies}
            merged[str(crate)] = replace(crate, dependencies=tuple(sorted(both)))
        else:
            merged[str(crate)] = crate
    return sorted(merged.values(), key=str)


def broken_licences(crates: Iterable[Crate], allowed: list[str]) -> Iterator[str]:
    """Crates that offer no allowed licence."""
    for crate in crates:
        if crate.license is None:
            yield f"{crate} names no licence"
        elif not licence_is_allowed(crate.license, allowed):
            yield f"{crate} has the licence {crate.license}, which is not allowed"


def broken_bans(crates: list[Crate], bans: list[dict[str, Any]]) -> Iterator[str]:
    """Crates that name a crate which only its `wrappers` may name."""
    for ban in bans:
        for crate in crates:
            if ban["crate"] in crate.dependencies and crate.name not in ban.get("wrappers", ()):
                yield f"{crate.name} may not depend on {ban['crate']}: {ban['reason']}"


def broken_duplicates(crates: list[Crate], skipped: list[str]) -> Iterator[str]:
    """Crates in several versions, and exemptions that exempt nothing any more."""
    versions: defaultdict[str, list[str]] = defaultdict(list)
    for crate in crates:
        if str(crate) not in skipped:
            versions[crate.name].append(crate.version)
    for name, found in versions.items():
        if len(found) > 1:
            yield f"{name} is there in several versions: {', '.join(found)}"
    for stale in set(skipped) - {str(crate) for crate in crates}:
        yield f"{stale} is skipped but not there"


def broken_sources(crates: Iterable[Crate]) -> Iterator[str]:
    """Crates from elsewhere than the one registry, and dependencies in any version."""
    registries = set()
    for crate in crates:
        if crate.source is not None and not crate.source.startswith("registry+"):
            yield f"{crate} does not come from a registry"
        elif crate.source is not None:
            registries.add(crate.source)
        for dependency in crate.wildcards:
            yield f"{crate} takes any version of {dependency}"
    if len(registries) > 1:
        yield f"crates come from {len(registries)} registries"


def broken_lints(crates: Iterable[Crate]) -> Iterator[str]:
    """Own crates that do not inherit the workspace's lints."""
    for crate in crates:
        if crate.source is None and crate.name not in OWN_LINTS:
            manifest = tomllib.loads(crate.manifest.read_text())
            if manifest.get("lints", {}).get("workspace") is not True:
                yield f"{crate.name} does not inherit the workspace's lints"


def licence_is_allowed(expression: str, allowed: Iterable[str]) -> bool:
    """Whether an SPDX expression can be fulfilled with the allowed licences alone.

    Older crates write a slash for OR. OR binds weaker than AND, WITH belongs to its licence.
    """
    expression = expression.replace("/", " OR ")
    tokens = re.findall(r"[()]|(?:[^\s()]+ WITH [^\s()]+)|[^\s()]+", expression)
    words = _Words(iter(tokens))
    fulfilled = _either(words, frozenset(allowed))
    if words.next != "":
        raise ValueError(f"not an SPDX expression: {expression}")
    return fulfilled


class _Words:
    """Tokens with a look at the next one."""

    def __init__(self, tokens: Iterator[str]) -> None:
        self._tokens = tokens
        self.next = next(tokens, "")

    def take(self) -> str:
        taken, self.next = self.next, next(self._tokens, "")
        return taken


def _either(words: _Words, allowed: frozenset[str]) -> bool:
    fulfilled = _both(words, allowed)
    while words.next == "OR":
        words.take()
        fulfilled |= _both(words, allowed)
    return fulfilled


def _both(words: _Words, allowed: frozenset[str]) -> bool:
    fulfilled = _one(words, allowed)
    while words.next == "AND":
        words.take()
        fulfilled &= _one(words, allowed)
    return fulfilled


def _one(words: _Words, allowed: frozenset[str]) -> bool:
    if words.next != "(":
        return words.take() in allowed
    words.take()
    fulfilled = _either(words, allowed)
    words.take()
    return fulfilled


def _crate(node: dict[str, Any], packages: dict[str, Any]) -> Crate:
    package = packages[node["id"]]
    return Crate(
        name=package["name"],
        version=package["version"],
        license=package["license"],
        source=package["source"],
        manifest=Path(package["manifest_path"]),
        dependencies=tuple(sorted(packages[id_]["name"] for id_ in node["dependencies"])),
        wildcards=tuple(_wildcards(package)) if package["source"] is None else (),
    )


def _wildcards(package: dict[str, Any]) -> Iterator[str]:
    for dependency in package["dependencies"]:
        if dependency["req"] == "*" and dependency.get("path") is None:
            yield dependency["name"]


if __name__ == "__main__":
    sys.exit(main())
