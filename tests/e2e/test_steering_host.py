"""What steering does to a host: nothing that stays, nothing that breaks somebody else's rules.

The network is that of `steered_fleet`; whole dumps of the network stack are compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.steered_fleet import IP, NAMES, OWNERS, PORT, SERVERS, WORKS, Fleet
from tests.support.namespaces import Network, dump, settled
from tests.support.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

HARDENED = {
    "net.ipv4.conf.all.rp_filter": 1,
    "net.ipv4.conf.lan.rp_filter": 1,
    "net.ipv4.conf.default.rp_filter": 1,
    "net.ipv4.conf.all.accept_redirects": 0,
    "net.ipv4.conf.lan.arp_announce": 1,
    "net.ipv4.ip_local_reserved_ports": "8000-8010,45000",
}
"""A host with settings of its own, all of which matter to steering."""


@pytest.fixture
def network() -> Iterator[Network]:
    with Network() as network:
        yield network


@pytest.fixture
def fleet(network: Network, tmp_path: Path) -> Fleet:
    return Fleet(network, tmp_path)


def test_stopping_leaves_the_host_as_it_was(fleet):
    one = fleet.network["one"]
    one.sysctl(HARDENED)
    before = settled(one)
    fleet.start()
    assert fleet.works("two", PORT["two"]) == WORKS
    assert dump(one) != before
    assert fleet.steer("one", "stop") == "done"
    assert settled(one) == before


def test_hardened_host_steers_too(fleet):
    for name in ("one", "two"):
        fleet.network[name].sysctl(HARDENED)
    fleet.start()
    for name in NAMES:
        assert fleet.works(name, PORT[name]) == WORKS
    ports = fleet.network["one"].run("sysctl", "-n", "net.ipv4.ip_local_reserved_ports")
    assert ports.strip() == "8000-8010,20000-29999,45000"


def test_a_router_stays_a_router(fleet):
    one = fleet.network["one"]
    one.sysctl({"net.ipv4.ip_forward": 1})
    before = settled(one)
    fleet.start()
    assert "chain passing" not in one.run("nft", "list", "table", "ip", "egressway_steer")
    fleet.steer("one", "stop")
    assert settled(one) == before


def test_applying_twice_changes_nothing(fleet):
    fleet.start()
    one = fleet.network["one"]
    before = dump(one)
    fleet.apply("one")
    assert fleet.steer("one", "check") is False
    assert dump(one) == before


def test_killed_process_leaves_packets_flowing_and_the_next_one_cleans_up(fleet):
    one = fleet.network["one"]
    one.sysctl(HARDENED)
    before = settled(one)
    fleet.start()
    assert fleet.works("two", PORT["two"]) == WORKS
    fleet.kill("one")
    assert fleet.exchange("two", 200_000) == "done"
    fleet.start("one")
    assert fleet.exchange("two", 200_000) == "done"
    fleet.kill("one")
    fleet.start("one")
    assert fleet.exchange("two", 200_000) == "done"
    assert fleet.steer("one", "stop") == "done"
    assert settled(one) == before


def test_next_process_takes_away_what_is_no_longer_wanted(fleet):
    fleet.start()
    fleet.kill("one")
    assert fleet.steer("one", "start") == "done"
    fleet.apply("one", owners=[["192.0.2.2", 20_000, 29_999, "one"]])
    one = fleet.network["one"]
    told = one.run("ip", "route", "show", "table", "all", "proto", "69")
    assert [line.split()[:2] for line in told.splitlines()] == [["local", "192.0.2.2"]]
    assert "fwmark 0x45470002" not in one.run("ip", "rule")
    assert IP not in one.run("nft", "list", "ruleset")
    assert "egressway" not in one.run("ip", "link")


def test_second_process_waits_and_takes_over_without_a_gap(fleet):
    fleet.start()
    assert fleet.works("two", PORT["two"]) == WORKS
    second = fleet.process("one")
    assert second.ask("start").startswith("SteeringBusy: another process steers")
    assert second.ask("apply", own="one", servers=SERVERS, owners=OWNERS) == "done"
    assert second.ask("check") is False
    assert second.ask("status")["state"] == "off"
    assert fleet.steer("one", "stop", hand_over=True) == "done"
    assert fleet.exchange("two", 100_000) == "done"
    assert second.ask("check") in (True, False)
    assert second.ask("status")["state"] == "on"
    assert fleet.exchange("two", 100_000) == "done"
    before = dump(fleet.network["one"])
    assert "egressway_steer" in "\n".join(before["nftables"])


IN_THE_WAY = {
    "a_table_of_our_name": (
        ["nft", "add", "table", "ip", "egressway_steer"],
        "`nft delete table ip egressway_steer`",
    ),
    "a_rule_before_the_local_table": (
        ["ip", "rule", "add", "pref", "50", "from", "10.9.0.0/16", "lookup", "50"],
        "preference 50",
    ),
    "a_rule_with_our_mark": (
        ["ip", "rule", "add", "pref", "200", "fwmark", "0x45470005", "lookup", "200"],
        "preference 200",
    ),
    "a_rule_with_our_table": (
        ["ip", "rule", "add", "pref", "200", "from", "10.9.0.0/16", "lookup", "1162280962"],
        "preference 200",
    ),
    "the_local_table_moved_already": (
        ["sh", "-c", "ip rule add pref 300 lookup local; ip rule del pref 0"],
        "`ip rule add pref 0 lookup local`",
    ),
    "a_filter_that_uses_our_marks": (
        ["nft", "table inet mine { chain c { meta mark 0x45470007 accept; }; }"],
        "`inet mine` uses the mark 0x45470007",
    ),
    "an_interface_of_our_name": (
        ["ip", "link", "add", "egressway", "type", "veth", "peer", "name", "other"],
        "`ip link set egressway name NAME`",
    ),
}


@pytest.mark.parametrize("name", IN_THE_WAY)
def test_refuses_and_changes_nothing_where_it_would_break(fleet, name):
    command, advice = IN_THE_WAY[name]
    one = fleet.network["one"]
    one.run(*command)
    before = settled(one)
    answer = fleet.steer("one", "start")
    assert answer.startswith("SteeringRefused: return packets are not steered: ")
    assert advice in answer
    assert fleet.steer("one", "apply", own="one", servers=SERVERS, owners=OWNERS) == "done"
    assert dump(one) == before
    assert fleet.steer("one", "status")["reason"] == answer.partition(": ")[2]


def test_refuses_a_routing_table_that_is_in_use(fleet):
    one = fleet.network["one"]
    one.ip(["route add 10.8.0.0/16 via 10.1.0.9 table 1162280962"])
    before = settled(one)
    assert fleet.steer("one", "start") == "done"
    answer = fleet.steer("one", "apply", own="one", servers=SERVERS, owners=OWNERS)
    assert answer.startswith("SteeringRefused:")
    assert "`ip route show table 1162280962`" in answer
    fleet.steer("one", "stop")
    assert settled(one) == before


def test_starts_by_itself_once_nothing_is_in_the_way(fleet):
    fleet.network["one"].run("nft", "add", "table", "ip", "egressway_steer")
    assert fleet.steer("one", "start").startswith("SteeringRefused")
    assert fleet.steer("one", "apply", own="one", servers=SERVERS, owners=OWNERS) == "done"
    fleet.start("two", "three")
    fleet.network["one"].run("nft", "delete", "table", "ip", "egressway_steer")
    fleet.steer("one", "check")
    assert fleet.steer("one", "status")["state"] == "on"
    assert fleet.works("two", PORT["two"]) == WORKS


def test_without_the_capability_it_says_which_one(fleet):
    worker = fleet.process("one", "setpriv", "--bounding-set", "-net_admin")
    answer = worker.ask("start")
    assert answer.startswith("SteeringUnavailable:")
    assert "CAP_NET_ADMIN is missing" in answer
    assert worker.ask("apply", own="one", servers=SERVERS, owners=OWNERS) == "done"


def test_without_the_program_it_says_what_to_install(fleet):
    worker = fleet.process("one", "env", "PATH=/nonexistent")
    answer = worker.ask("start")
    assert answer.startswith("SteeringUnavailable:")
    assert "`nft` is missing. Install the package nftables" in answer


def test_a_new_interface_gets_the_settings_too(fleet):
    fleet.start()
    one = fleet.network["one"]
    one.ip(["link add spare type veth peer name twin"])
    one.sysctl({"net.ipv4.conf.spare.rp_filter": 1})
    fleet.steer("one", "check")
    assert one.run("sysctl", "-n", "net.ipv4.conf.spare.rp_filter").strip() == "2"


def test_a_lost_link_is_no_reason_to_stop(fleet):
    fleet.start()
    one = fleet.network["one"]
    one.ip(["link set lan down"])
    fleet.steer("one", "check")
    one.ip(["link set lan up", "route add default via 10.1.0.9"])
    eventually(lambda: fleet.steer("one", "check") is False, why="all is back")
    assert fleet.steer("one", "status")["state"] == "on"
    eventually(lambda: fleet.works("two", PORT["two"]) == WORKS, within=30, pause=0.5)
