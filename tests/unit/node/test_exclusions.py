"""The data plane keeps off what any side knows of."""

from __future__ import annotations

from egressway.data_plane.handle import Held
from egressway.node.exclusions import Exclusions

ORIGIN = "198.51.100.1:80"


def held(*ports: int, ip: str = "192.0.2.1") -> Held:
    return Held(ip, ORIGIN, ports)


def test_sources_add_up_and_each_replaces_its_own():
    told: list[tuple[Held, ...]] = []
    exclusions = Exclusions(told.append)
    exclusions.put("s1", [held(20_000)])
    exclusions.put("s2", [held(20_001, ip="192.0.2.2")])
    assert set(told[-1]) == {held(20_000), held(20_001, ip="192.0.2.2")}
    exclusions.put("s1", [])
    assert told[-1] == (held(20_001, ip="192.0.2.2"),)
    assert exclusions.of("s2") == told[-1]
    assert exclusions.of("s3") == ()


def test_ports_that_several_sources_know_of_are_one_entry():
    told: list[tuple[Held, ...]] = []
    exclusions = Exclusions(told.append)
    exclusions.put("s1", [held(20_000, 20_001)])
    exclusions.put("s2", [held(20_001, 20_002)])
    (together,) = told[-1]
    assert sorted(together.ports) == [20_000, 20_001, 20_002]
