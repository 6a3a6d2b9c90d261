"""Three servers share an address, and serve on when everything else is gone."""

from __future__ import annotations

import time

import pytest

from tests.support.addresses import egress_ip
from tests.support.fleet_processes import Fleet, NodeProcess, failed_start
from tests.support.waiting import eventually

HOST = "example.com"
PORTS = {"s1": (20_000, 20_999), "s2": (21_000, 21_999), "s3": (22_000, 22_999)}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    with Fleet(tmp_path_factory.mktemp("fleet")) as running:
        running.place("lisbon", "lis1", "s1", "s2", "refused", "revoked", "replaced")
        running.place("porto", "opo1", "s3")
        yield running


@pytest.fixture(scope="module")
def address() -> str:
    return egress_ip()


@pytest.fixture(scope="module")
def nodes(fleet: Fleet, origin, address) -> dict[str, NodeProcess]:
    """Three of them, with a slice each of one address, which a zone leaves from."""
    started = fleet.nodes(*PORTS)
    zone_id = fleet.zone(HOST, origin.port)
    pool_id = fleet.pool(address)
    fleet.slices(address, **{name: f"{low}-{high}" for name, (low, high) in PORTS.items()})
    fleet.aegis(zone_id, pool_id)
    nodes = {node.server: node for node in started}
    for node in started:
        eventually(lambda node=node: leaves_from(node, address), why=f"{node.server} serves")
    return nodes


def leaves_from(node: NodeProcess, address: str) -> bool:
    """Whether the origin sees the address, and a port of this server's slice."""
    status, seen = node.request(HOST)
    low, high = PORTS[node.server]
    return status == 200 and seen["seen_ip"] == address and low <= seen["seen_port"] <= high


def test_each_server_leaves_from_its_own_ports_of_the_shared_address(nodes, address):
    for node in nodes.values():
        assert leaves_from(node, address)


def test_every_server_tells_what_it_runs(fleet, nodes):
    def all_are_current() -> bool:
        told = fleet.call("GET", "/egressway/fleet")
        running = [each for each in told["servers"] if each["name"] in nodes]
        return all(each["revision"] == told["revision"] for each in running)

    eventually(all_are_current)
    assert all(node.ready() == {"is_ready": True, "reasons": []} for node in nodes.values())


def test_usage_of_the_address_is_that_of_all_servers(fleet, nodes, address):
    base = f"/accounts/{fleet.account_id}/egressway/usage"

    def opened() -> dict[str, int]:
        rows = fleet.call("GET", f"{base}?by=pop")
        return {row["pop"]: row["opened"] for row in rows if row["egress_ip"] == address}

    def together(what: str) -> int:
        (row,) = [row for row in fleet.call("GET", base) if row["egress_ip"] == address]
        return row[what]

    assert all(leaves_from(node, address) for node in nodes.values())
    eventually(lambda: opened().keys() == {"lis1", "opo1"})
    placed = sum(high - low + 1 for low, high in PORTS.values())
    eventually(lambda: together("capacity") == placed, why="each server has told")
    seen = sum(opened().values())
    assert together("opened") >= seen >= 2


def test_servers_serve_on_without_control_and_bus_and_start_again_from_disk(
    fleet, nodes, address, origin
):
    fleet.control.kill()
    fleet.nats.stop(kill=True)
    assert all(leaves_from(node, address) for node in nodes.values())
    eventually(lambda: nodes["s1"].metric("egressway_node_bus_connected") == 0.0)
    assert nodes["s1"].ready()["is_ready"]
    nodes["s1"].kill()
    nodes["s1"] = fleet.node("s1")
    assert leaves_from(nodes["s1"], address)

    fleet.nats.start()
    fleet.control = fleet.start_control()
    fleet.zone("later.example.com", origin.port)
    for node in nodes.values():
        eventually(lambda node=node: node.answers("later.example.com"), within=20)


def test_joined_node_starts_again_without_a_token(fleet, nodes):
    assert nodes["s2"].end() == 0
    nodes["s2"] = fleet.node("s2")
    assert nodes["s2"].answers(HOST)
    assert fleet.servers()["s2"]["epoch"] == 1


def join(fleet: Fleet, server: str, token: str, label: str) -> str:
    """What a first start that must fail says."""
    return failed_start(
        "node",
        *("--data", str(fleet.directory / label), "--server", server),
        *("--join", fleet.control.enrolment_url, "--token", token),
        EGRESSWAY_NODE_STEERING="off",
    )


def test_token_is_good_for_one_node_once(fleet):
    token = fleet.token("refused")
    with fleet.node("refused", token=token, label="first"):
        told = join(fleet, "refused", token, "second")
        assert "was used already" in told
        assert "`egressway server token refused`" in told


def test_token_of_another_server_or_fleet_is_refused(fleet):
    assert "is for another server" in join(fleet, "revoked", fleet.token("refused"), "wrong")
    secret = fleet.token("refused").partition(".")[0]
    assert "belongs to another fleet" in join(fleet, "refused", f"{secret}.{'0' * 64}", "foreign")


def test_expired_token_is_refused(fleet):
    token = fleet.token("refused", expires_in_seconds=1)
    until = time.time() + 1.0
    eventually(lambda: time.time() > until)
    assert "has expired" in join(fleet, "refused", token, "late")


def test_revoked_server_is_out_of_the_fleet_within_seconds(fleet):
    node = fleet.node("revoked")
    token = fleet.token("revoked")
    fleet.call("POST", "/egressway/servers/revoked/revoke")
    assert node.wait(within=5) == 1
    assert "is revoked, for life" in node.errors
    assert "is revoked" in join(fleet, "revoked", token, "again")


def test_second_node_of_a_server_ends_the_first(fleet, nodes):
    first = fleet.node("replaced")
    second = fleet.node("replaced", label="replacement")
    assert first.wait(within=10) == 1
    assert "has another node by now" in first.errors
    assert second.ready()["is_ready"]
    assert fleet.servers()["replaced"]["epoch"] == 2
