"""The lab's hand on the API: makes the fleet's places, and what scenarios configure, as an operator would."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from egressway.client import Client
from egressway.client.access import Access
from egressway.client.objects import Account, Move, Placement
from egressway.client.transport import Transport
from egressway.lab.certificate import certificate_for
from egressway.lab.core import API_PORT, Core
from egressway.lab.nodes import LINK_PORT
from egressway.lab.plan import Plan
from egressway.lab.scenario.script import Given, Zone
from egressway.lab.topology import Topology

__all__ = ["FleetApi"]

ACCOUNT: Final = "Lab"
_MOVE_DEADLINE_SECONDS: Final = 600


class FleetApi:
    """Calls happen in the core's namespace, where the API is."""

    def __init__(self, core: Core, plan: Plan, topology: Topology) -> None:
        self.url = f"http://{plan.core.address}:{API_PORT}"
        self._core = core
        self._plan = plan
        self._topology = topology
        self.private_keys: dict[str, str] = {}
        """Of zones that were made with a certificate, by hostname."""

    def make_places(self) -> None:
        """Locations, data centers and servers."""
        with self._client() as client:
            for each in self._topology.locations:
                client.locations.create(
                    each.name,
                    latitude=each.latitude,
                    longitude=each.longitude,
                    regions=each.regions,
                )
            for hall in self._topology.data_centers:
                client.data_centers.create(hall.name, location=hall.location)
            for server in self._topology.servers:
                address = self._plan.servers[server.name].host.address
                client.servers.create(
                    server.name, data_center=server.data_center, link=f"{address}:{LINK_PORT}"
                )

    def join_token(self, server: str) -> str:
        """An invitation for one node."""
        with self._client() as client:
            return client.servers.token(server).token

    def configure(self, given: Given) -> None:
        """Lease, place and pool the addresses; make the zones and switch them to their pools."""
        with self._client() as client:
            account = _account(client)
            for ip in _members(given):
                client.leased_ips.create(account.id, ip)
            for address in given.addresses:
                client.placements.set_shares(str(address.ip), servers=dict(address.shares))
            pools = {
                each.name: client.pools.create(
                    account.id,
                    name=each.name,
                    ips=each.ips,
                    overflow=each.overflow == "nearest",
                ).id
                for each in given.pools
            }
            for zone in given.zones:
                self._make_zone(client, account, zone, pools[zone.pool])

    def clear(self) -> None:
        """Take away all zones, pools and leases of the lab's account."""
        with self._client() as client:
            account = _account(client)
            self.private_keys.clear()
            for zone in client.zones.list(account_id=account.id):
                client.zones.delete(zone.id)
            for pool in client.pools.list(account.id):
                client.pools.delete(account.id, pool.id)
            for lease in client.leased_ips.list(account.id):
                for move in _moves(client, lease.ip):
                    client.placements.finish_move(lease.ip, move.id)
                client.leased_ips.delete(account.id, lease.id)

    def activate_all(self) -> None:
        """Nobody is drained any more."""
        with self._client() as client:
            for server in client.servers.list():
                if server.state == "draining":
                    client.servers.activate(server.name)

    def place(self, ip: str, shares: Iterable[tuple[str, int]]) -> None:
        """New shares of an address."""
        with self._client() as client:
            client.placements.set_shares(
                ip, servers=dict(shares), deadline_seconds=_MOVE_DEADLINE_SECONDS
            )

    def move(self, ip: str, ports: str, source: str, target: str) -> None:
        """Give ports of an address to another server."""
        with self._client() as client:
            client.placements.move(
                ip,
                source=source,
                target=target,
                ports=ports or None,
                deadline_seconds=_MOVE_DEADLINE_SECONDS,
            )

    def drain(self, verb: str, kind: str, name: str) -> None:
        """`drain` or `activate` a server, a data center or an address."""
        with self._client() as client:
            of = {
                "server": (client.servers.drain, client.servers.activate),
                "data-center": (client.data_centers.drain, client.data_centers.activate),
                "address": (client.placements.drain, client.placements.activate),
            }[kind]
            of[verb == "activate"](name)

    def moves(self) -> list[Move]:
        """Moves that are not finished, of all addresses."""
        with self._client() as client:
            leases = client.leased_ips.list(_account(client).id)
            return [move for lease in leases for move in _moves(client, lease.ip)]

    def placements(self) -> list[Placement]:
        """Which server has which ports, of the addresses of the lab."""
        with self._client() as client:
            return [each for each in client.placements.list() if each.slices]

    def behind(self) -> dict[str, str]:
        """Servers that do not run the newest revision as far as control knows, and why."""
        with self._client() as client:
            fleet = client.transport.fetch("/egressway/fleet", dict[str, Any], "read the fleet")
        names = {each.name for each in self._topology.servers}
        newest = fleet["revision"]
        return {
            each[
                "name"
            ]: f"runs {each['revision']} of {newest} ({each['reason'] or 'no reason told'})"
            for each in fleet["servers"]
            if each["name"] in names and (each["revision"] or -1) < newest
        }

    @contextmanager
    def _client(self) -> Iterator[Client]:
        token = self._core.operator_token.read_text("ascii").strip()
        with (
            self._plan.core.namespace.entered(),
            Client(Transport(Access(self.url, token))) as client,
        ):
            yield client

    def _make_zone(self, client: Client, account: Account, zone: Zone, pool_id: str) -> None:
        made = client.zones.create(zone.host, account.id)
        client.settings.set_ssl(made.id, "flexible")
        origin = self._plan.origins[zone.origin]
        client.records.create(
            made.id,
            type="A" if zone.family == 4 else "AAAA",
            name=zone.host,
            content=str(origin.address if zone.family == 4 else origin.address6),
            settings={"origin_port": zone.port, "origin_scheme": "http"},
        )
        if zone.region:
            # Before there is a key: what servers outside have once had cannot be taken back.
            client.regional_hostnames.create(made.id, zone.host, zone.region)
        if zone.tls:
            issued = certificate_for(zone.host)
            self.private_keys[zone.host] = issued.private_key
            client.certificates.create(
                made.id, certificate=issued.certificate, private_key=issued.private_key
            )
        client.settings.set_aegis(made.id, enabled=True, pool_id=pool_id)


def _members(given: Given) -> Sequence[str]:
    """All addresses to lease: placed ones, and IPv6 ones, of which every server takes its own."""
    placed = [str(each.ip) for each in given.addresses]
    return list(dict.fromkeys([*placed, *(ip for pool in given.pools for ip in pool.ips)]))


def _moves(client: Client, ip: str) -> Sequence[Move]:
    return [] if ":" in ip else client.placements.moves(ip)


def _account(client: Client) -> Account:
    found = [each for each in client.accounts.list() if each.name == ACCOUNT]
    return found[0] if found else client.accounts.create(ACCOUNT)
