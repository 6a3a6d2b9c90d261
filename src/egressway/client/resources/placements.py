"""Placements: which server may open connections from which ports of an address."""

from collections.abc import Mapping, Sequence

from egressway.client.objects import Deleted, Move, Placement
from egressway.client.transport import Transport

__all__ = ["Placements"]


class Placements:
    """`/egressway/placements`, by address or by id of the lease; needs the operator's token."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> list[Placement]:
        return self._transport.fetch_all("/egressway/placements", Placement, "list the placements")

    def get(self, ip: str) -> Placement:
        return self._transport.fetch(_path(ip), Placement, f"read the placement of `{ip}`")

    def set_shares(
        self,
        ip: str,
        *,
        servers: Mapping[str, int] | None = None,
        data_centers: Mapping[str, int] | None = None,
        deadline_seconds: int | None = None,
    ) -> Placement:
        """Ports per server and per data center; nobody else keeps any."""
        shares: list[dict[str, object]] = [
            {"server": name, "ports": ports} for name, ports in (servers or {}).items()
        ]
        shares += [
            {"data_center": name, "ports": ports} for name, ports in (data_centers or {}).items()
        ]
        return self._put(ip, {"shares": shares}, deadline_seconds)

    def set_slices(
        self, ip: str, slices: Sequence[tuple[str, str]], *, deadline_seconds: int | None = None
    ) -> Placement:
        """Each server with its port ranges, such as `("s1", "20000-24999,30000-34999")`."""
        body = [{"server": server, "ports": ports} for server, ports in slices]
        return self._put(ip, {"slices": body}, deadline_seconds)

    def drain(self, ip: str) -> Placement:
        """Nothing new is opened from the address, on any server."""
        return self._transport.send("POST", f"{_path(ip)}/drain", Placement, f"drain `{ip}`")

    def activate(self, ip: str) -> Placement:
        return self._transport.send("POST", f"{_path(ip)}/activate", Placement, f"activate `{ip}`")

    def moves(self, ip: str) -> Sequence[Move]:
        """Moves that are not finished."""
        return self._transport.fetch_all(f"{_path(ip)}/moves", Move, f"list the moves of `{ip}`")

    def move(
        self,
        ip: str,
        *,
        source: str,
        target: str,
        ports: str | None = None,
        deadline_seconds: int | None = None,
    ) -> Sequence[Move]:
        """All ports of `source`, or these; answers every pending move of the address."""
        body: dict[str, object] = {"source": source, "target": target}
        if ports is not None:
            body["ports"] = ports
        return self._transport.send(
            "POST",
            f"{_path(ip)}/moves",
            list[Move],
            f"move ports of `{ip}` from `{source}` to `{target}`",
            _within(body, deadline_seconds),
        )

    def finish_move(self, ip: str, move_id: str) -> Deleted:
        """Now; connections that the source still has may break."""
        return self._transport.send(
            "DELETE", f"{_path(ip)}/moves/{move_id}", Deleted, f"finish the move `{move_id}`"
        )

    def _put(self, ip: str, body: dict[str, object], deadline_seconds: int | None) -> Placement:
        return self._transport.send(
            "PUT", _path(ip), Placement, f"place `{ip}`", _within(body, deadline_seconds)
        )


def _path(ip: str) -> str:
    return f"/egressway/placements/{ip}"


def _within(body: dict[str, object], deadline_seconds: int | None) -> dict[str, object]:
    return body if deadline_seconds is None else {**body, "deadline_seconds": deadline_seconds}
