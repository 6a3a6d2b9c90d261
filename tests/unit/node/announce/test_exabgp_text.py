"""What ExaBGP is given, word by word; the files are in `testdata/announce`."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from egressway.node.announce.desired import BgpSettings, Peer, Route
from egressway.node.announce.exabgp_text import announce, configuration, environment, withdraw
from tests.support.golden import check_golden

SETTINGS = BgpSettings(
    64512,
    IPv4Address("10.1.0.1"),
    (
        Peer(ip_address("10.1.0.9"), 64900, password="wpHdAeQ3"),
        Peer(ip_address("2001:db8:f::9"), 64900, local_address=ip_address("2001:db8:f::1")),
        Peer(ip_address("10.1.0.8"), 64512, families=(4, 6), port=1790),
    ),
    hold_seconds=9,
    next_hop6=IPv6Address("2001:db8:f::1"),
)
ROUTES = (
    Route(ip_network("192.0.2.1/32")),
    Route(
        ip_network("203.0.113.0/28"),
        med=50,
        prepend=2,
        communities=("64512:1", "64512:2"),
        large_communities=("64512:1:2",),
    ),
    Route(ip_network("2001:db8:1::/48"), med=7),
)


def test_configuration():
    check_golden("announce/exabgp.conf", configuration(SETTINGS, "/usr/bin/python3 relay.py sock"))


def test_commands():
    told = [line for route in ROUTES for line in announce(SETTINGS, route)]
    ended = [line for route in ROUTES for line in withdraw(SETTINGS, route)]
    check_golden("announce/commands.txt", "\n".join([*told, *ended]) + "\n")


def test_environment_keeps_it_to_itself():
    told = environment()
    assert told["exabgp.api.cli"] == "false"
    assert told["exabgp.daemon.daemonize"] == "false"
