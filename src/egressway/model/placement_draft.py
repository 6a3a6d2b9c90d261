"""Of all paths: what an operator asks for an address, as shares or as slices written out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from egressway.model.data_center import DataCenterName
from egressway.model.errors import Invalid
from egressway.model.lease import LeasedIP
from egressway.model.members import as_int, as_list, as_object, as_text, refuse_unknown
from egressway.model.place_name import parse_label, parse_place_name
from egressway.model.placement import Share
from egressway.model.port_slice import PortSlice, first_overlap, parse_port_ranges
from egressway.model.server import ServerName
from egressway.model.slice_move import DEFAULT_DEADLINE_SECONDS, parse_deadline

__all__ = ["PlacementDraft", "placeable"]

_MOST_ITEMS: Final = 1000


@dataclass(frozen=True, slots=True)
class PlacementDraft:
    """Either `shares`, from which slices are made, or the `slices` themselves; an empty list is nobody."""

    shares: tuple[Share, ...] | None = None
    slices: tuple[PortSlice, ...] | None = None
    deadline_seconds: int = DEFAULT_DEADLINE_SECONDS

    @classmethod
    def parse(cls, ip: IPv4Address, body: Mapping[str, object]) -> PlacementDraft:
        """From the body of a request: `shares` or `slices`, and `deadline_seconds`."""
        refuse_unknown(body, {"shares", "slices", "deadline_seconds"})
        if ("shares" in body) == ("slices" in body):
            raise Invalid("Give either `shares` or `slices`.", pointer="")
        deadline = parse_deadline(body.get("deadline_seconds"))
        if "shares" in body:
            return cls(shares=_shares(body["shares"]), deadline_seconds=deadline)
        return cls(slices=_slices(ip, body["slices"]), deadline_seconds=deadline)


def placeable(ip: LeasedIP) -> IPv4Address:
    """An address that is placed; of IPv6 every server takes its own."""
    if not isinstance(ip, IPv4Address):
        raise Invalid(
            f"{ip} is IPv6, of which every server takes its own address; only IPv4 is placed."
        )
    return ip


def _shares(value: object) -> tuple[Share, ...]:
    shares = [
        _share(item, f"/shares/{i}")
        for i, item in enumerate(as_list(value, "/shares", limit=_MOST_ITEMS))
    ]
    for i, share in enumerate(shares):
        if any(
            (each.place, each.is_data_center) == (share.place, share.is_data_center)
            for each in shares[:i]
        ):
            raise Invalid(f"`{share.place}` is listed twice.", pointer=f"/shares/{i}")
    return tuple(shares)


def _share(value: object, pointer: str) -> Share:
    body = as_object(value, pointer)
    refuse_unknown(body, {"server", "data_center", "ports"}, pointer)
    if ("server" in body) == ("data_center" in body):
        raise Invalid("Give either `server` or `data_center`.", pointer=pointer)
    ports = as_int(body.get("ports"), f"{pointer}/ports", 0, 65_535)
    if "server" in body:
        server = ServerName(parse_label(body["server"], f"{pointer}/server"))
        return Share(server, is_data_center=False, ports=ports)
    place = DataCenterName(parse_place_name(body["data_center"], f"{pointer}/data_center"))
    return Share(place, is_data_center=True, ports=ports)


def _slices(ip: IPv4Address, value: object) -> tuple[PortSlice, ...]:
    found: list[PortSlice] = []
    for i, item in enumerate(as_list(value, "/slices", limit=_MOST_ITEMS)):
        pointer = f"/slices/{i}"
        body = as_object(item, pointer)
        refuse_unknown(body, {"server", "ports"}, pointer)
        server = ServerName(parse_label(body.get("server"), f"{pointer}/server"))
        text = as_text(body.get("ports"), f"{pointer}/ports")
        ranges = parse_port_ranges(text, f"{pointer}/ports")
        found += [PortSlice(ip, ports, server) for ports in ranges]
        overlap = first_overlap(found)
        if overlap is not None:
            first, second = overlap
            raise Invalid(
                f"{first.ports} of `{first.server}` and {second.ports} of `{second.server}` overlap.",
                pointer=f"{pointer}/ports",
            )
    return tuple(found)
