"""h2spec, the HTTP/2 conformance suite, against both kinds of listener: every case passes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.support.certificates import Authority
from tests.support.h1_client import exchange
from tests.support.http_message import response_bytes
from tests.support.origins import Origin, answering
from tests.support.plane import Plane
from tests.support.world import World, origin

H2SPEC = Path(__file__).parents[2] / ".cache" / "bin" / "h2spec"
"""Built by `make test`."""

HOST = "localhost"
"""h2spec asks for the host it connects to; a server name is no address."""

CASES = 145
"""Fewer would mean that the suite broke off."""


@pytest.fixture(scope="module")
def plane(authority: Authority) -> Iterator[Plane]:
    with Origin(answering(response_bytes(200, b"hello" * 1_000))) as home:
        world = World()
        world.zone(HOST, origin(home.port), certificates=[authority.issue(HOST)])
        with Plane(world, workers=2) as running:
            yield running


@pytest.mark.timeout(300)
def test_every_case_passes_with_prior_knowledge(plane: Plane, tmp_path: Path) -> None:
    assert failures(plane.http[1], tmp_path / "report.xml") == {}


@pytest.mark.timeout(300)
def test_every_case_passes_over_tls(plane: Plane, tmp_path: Path) -> None:
    assert failures(plane.https[1], tmp_path / "report.xml", "--tls", "--insecure") == {}


def test_what_is_no_http_is_cut_off_without_an_answer(plane: Plane) -> None:
    """Whoever sends it would not understand one; h2spec wants no bytes that are not HTTP/2."""
    assert exchange(plane.http, b"INVALID CONNECTION PREFACE\r\n\r\n") == b""


def failures(port: int, report: Path, *options: str) -> dict[str, str]:
    """Cases that failed or were skipped, and what was expected of them."""
    command = [str(H2SPEC), "-h", HOST, "-p", str(port), "-j", str(report), "-o", "5", *options]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert report.exists(), done.stdout + done.stderr
    cases = list(ElementTree.parse(report).iter("testcase"))
    assert len(cases) >= CASES
    named = {f"{case.get('package')} {case.get('classname')}": case for case in cases if list(case)}
    return {name: " ".join("".join(case.itertext()).split()) for name, case in named.items()}
