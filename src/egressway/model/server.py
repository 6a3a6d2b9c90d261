"""Of all paths: a server is one machine that carries requests.

Its number is small, unique and stays: it picks the server's own address out of an IPv6 range. Its
epoch counts who has taken up its identity: of two nodes with one identity the older gives way.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NewType

from egressway.model.address import IPAddress
from egressway.model.data_center import DataCenterName
from egressway.model.errors import Invalid
from egressway.model.location import LocationName
from egressway.model.members import refuse_unknown
from egressway.model.place_name import parse_label, parse_place_name

__all__ = [
    "LOCAL",
    "Link",
    "Server",
    "ServerChange",
    "ServerDraft",
    "ServerName",
    "ServerPlace",
    "ServerState",
    "lowest_free",
]

ServerName = NewType("ServerName", str)

LOCAL: Final = ServerName("local")
"""The one server of a single machine; every store begins with it."""

_READ_ONLY: Final = frozenset({"number", "state", "epoch", "created_on", "modified_on"})


class ServerState(StrEnum):
    """Whether a server opens new connections to origins."""

    ACTIVE = "active"
    DRAINING = "draining"
    """It lets what is open finish and gets nothing new."""
    REVOKED = "revoked"
    """Nobody believes its certificate any more; for life."""


@dataclass(frozen=True, slots=True)
class Link:
    """Where other servers connect to, to pass requests on."""

    address: IPAddress
    port: int

    def __str__(self) -> str:
        host = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        return f"{host}:{self.port}"

    @classmethod
    def parse(cls, value: object, pointer: str = "/link") -> Link:
        """`192.0.2.1:8644` or `[2001:db8::1]:8644`."""
        text = value if isinstance(value, str) else ""
        host, _, port = text.rpartition(":")
        bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        try:
            link = cls(ipaddress.ip_address(bare), int(port))
            if (link.address.version == 6) == (bare != host) and 1 <= link.port <= 65535:
                return link
        except ValueError:
            pass
        raise Invalid(
            "A link is an address and a port, like 192.0.2.1:8644 or [2001:db8::1]:8644.",
            pointer=pointer,
        )


@dataclass(frozen=True, slots=True)
class Server:
    """One machine of the fleet."""

    name: ServerName
    number: int
    data_center: DataCenterName
    link: Link | None
    state: ServerState
    epoch: int
    created_on: datetime
    modified_on: datetime


@dataclass(frozen=True, slots=True)
class ServerPlace:
    """Where a server stands."""

    data_center: DataCenterName
    location: LocationName


@dataclass(frozen=True, slots=True)
class ServerDraft:
    """A new server; its number is the lowest that is free."""

    name: ServerName
    data_center: DataCenterName
    link: Link | None = None

    @classmethod
    def parse(cls, body: Mapping[str, object]) -> ServerDraft:
        """From the body of a request: `name`, `data_center`, `link`."""
        refuse_unknown(body, _READ_ONLY | {"name", "data_center", "link"})
        link = body.get("link")
        return cls(
            name=ServerName(parse_label(body.get("name"), "/name")),
            data_center=DataCenterName(parse_place_name(body.get("data_center"), "/data_center")),
            link=None if link is None else Link.parse(link),
        )


@dataclass(frozen=True, slots=True)
class ServerChange:
    """What to change of a server; None leaves a field as it is. Name and number stay for life."""

    data_center: DataCenterName | None = None
    link: Link | None = None

    @classmethod
    def parse(cls, body: Mapping[str, object]) -> ServerChange:
        """From the body of a request: `data_center`, `link`."""
        refuse_unknown(body, _READ_ONLY | {"data_center", "link"})
        data_center, link = body.get("data_center"), body.get("link")
        return cls(
            data_center=None
            if data_center is None
            else DataCenterName(parse_place_name(data_center, "/data_center")),
            link=None if link is None else Link.parse(link),
        )


def lowest_free(taken: Iterable[int]) -> int:
    """The smallest number from 0 on that is not `taken`."""
    numbers = set(taken)
    return next(number for number in range(len(numbers) + 1) if number not in numbers)
