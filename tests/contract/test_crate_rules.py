"""The rules of deny.toml hold where they should and only there."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from scripts.check_crates import (
    ROOT,
    Crate,
    broken_bans,
    broken_duplicates,
    broken_licences,
    broken_sources,
    licence_is_allowed,
)

BANS = tomllib.loads((ROOT / "deny.toml").read_text())["bans"]["deny"]
REGISTRY = "registry+https://example.com/index"


def crate(name, *dependencies, version="1.0.0", license="MIT", source=REGISTRY, wildcards=()):
    return Crate(name, version, license, source, Path("Cargo.toml"), dependencies, wildcards)


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("MIT/Apache-2.0", True),
        ("GPL-3.0-only OR MIT AND Apache-2.0", True),
        ("(GPL-3.0-only OR MIT) AND Apache-2.0", True),
        ("(GPL-3.0-only OR MIT) AND LGPL-2.1-or-later", False),
        ("Apache-2.0 WITH LLVM-exception", False),
    ],
)
def test_licence_expression_needs_one_way_through_allowed_licences(expression, allowed):
    assert licence_is_allowed(expression, ["MIT", "Apache-2.0"]) is allowed


def test_broken_licence_expression_is_refused():
    with pytest.raises(ValueError, match="SPDX"):
        licence_is_allowed("MIT Apache-2.0", ["MIT", "Apache-2.0"])


def test_crate_without_licence_is_reported():
    assert list(broken_licences([crate("nameless", license=None)], ["MIT"]))


def test_only_the_boundary_may_name_python():
    assert not list(broken_bans([crate("egressway-python", "pyo3")], BANS))
    (line,) = broken_bans([crate("egressway-core", "pyo3")], BANS)
    assert "egressway-core may not depend on pyo3" in line


@pytest.mark.parametrize("stage", ["ingress", "egress-router", "egress-server", "origin"])
def test_stages_are_named_by_the_assembly_alone(stage):
    assert not list(broken_bans([crate("egressway-proxy", f"egressway-{stage}")], BANS))
    assert list(broken_bans([crate("egressway-streams", f"egressway-{stage}")], BANS))


def test_two_versions_of_a_crate_need_an_exemption_that_still_applies():
    both = [crate("syn", version="2.0.0"), crate("syn", version="3.0.0")]
    assert list(broken_duplicates(both, []))
    assert not list(broken_duplicates(both, ["syn@2.0.0"]))
    assert list(broken_duplicates(both[1:], ["syn@2.0.0"]))


def test_crate_from_a_git_repository_is_reported():
    assert list(broken_sources([crate("forked", source="git+https://example.com/forked")]))


def test_second_registry_is_reported():
    ours, other = crate("bytes"), crate("http", source="registry+https://example.org/index")
    assert not list(broken_sources([ours, crate("http")]))
    assert list(broken_sources([ours, other]))


def test_dependency_in_any_version_is_reported():
    assert list(broken_sources([crate("ours", source=None, wildcards=("bytes",))]))
