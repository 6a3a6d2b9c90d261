"""The README's example runs as it stands, against the whole control plane, and does what it says."""

from __future__ import annotations

import re

import pytest

from egressway.data_plane.fake import FakeDataPlane
from egressway.services.all_in_one import AllInOne
from egressway.services.configuration import load_configuration
from scripts.reference_pages import ROOT
from tests.support.waiting import eventually


def example():
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return code


@pytest.fixture
def running(tmp_path):
    """Egressway over an in-memory data plane, on ports that the kernel chooses."""
    ports = {"EGRESSWAY_API_PORT": "0", "EGRESSWAY_INGRESS_HTTP_PORT": "0"}
    configuration = load_configuration(
        None, tmp_path, {**ports, "EGRESSWAY_INGRESS_HTTPS_PORT": "0"}
    )
    plane = FakeDataPlane()
    egressway = AllInOne(configuration, lambda _: plane)
    egressway.start()
    yield egressway, plane
    egressway.stop()


def test_example_of_the_readme_links_a_zone_to_its_dedicated_address(
    running, tmp_path, monkeypatch
):
    egressway, plane = running
    monkeypatch.chdir(tmp_path)
    made = {}
    exec(example().replace("http://127.0.0.1:8600", egressway.api_url), made)

    def linked():
        zone = plane.zone(made["zone"].id)
        return zone if zone is not None and zone.pool is not None else None

    zone = eventually(linked, why="the change reaches the data plane")
    assert zone.pool == made["pool"]["id"]
    assert [host.name for host in zone.hosts] == ["www.example.com"]
    (origin,) = zone.hosts[0].origins
    assert (origin.address, origin.port, origin.scheme) == ("203.0.113.10", 8080, "http")
