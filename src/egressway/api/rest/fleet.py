"""`/egressway/fleet`: what each server runs, as it has told last.

CONFIG 1 of 5, the way back: the store knows what there is to be, a `FleetSource` that `services`
provides knows what servers have answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Final, Literal, Protocol

from litestar import get
from litestar.handlers import HTTPRouteHandler
from msgspec import Meta, Struct

from egressway.api.access import OPERATOR
from egressway.api.envelope import Answer, Timestamp, answer
from egressway.api.paging import every
from egressway.api.parameters import Given, GivenStore
from egressway.model.clock import rfc3339
from egressway.model.server import Server

__all__ = ["HANDLERS", "Acknowledged", "FleetSource", "NoFleet"]


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A server's newest answer."""

    at: datetime
    revision: int
    epoch: int
    reason: str | None
    withheld: Mapping[str, str] = field(default_factory=dict)
    """Zones that it does not serve as they were sent, and why."""


class FleetSource(Protocol):
    """What is heard of servers; asked per request, must answer at once."""

    def acknowledged(self) -> Mapping[str, Acknowledged]:
        """The newest answer of every server that was heard of since the start."""

    def is_connected(self) -> bool:
        """Whether servers can be reached now."""

    def failure(self) -> str | None:
        """Why the newest revision is not sent; None when it is."""

    def withheld(self) -> Mapping[str, str]:
        """Zones that are not sent, or not served, as they are stored; and why."""


class NoFleet:
    """One machine, which nobody sends anything to."""

    def acknowledged(self) -> Mapping[str, Acknowledged]:
        """Nobody answers."""
        return {}

    def is_connected(self) -> bool:
        """There is nobody to be reached."""
        return True

    def failure(self) -> str | None:
        """Nothing is sent."""
        return None

    def withheld(self) -> Mapping[str, str]:
        """A single machine tells of them in `/readyz`."""
        return {}


class FleetServer(Struct, frozen=True):
    """One server, as it should be and as it is."""

    name: str
    data_center: str
    state: Literal["active", "draining", "revoked"]
    epoch: int
    revision: Annotated[int | None, Meta(description="What it runs; null: not heard of yet")]
    acknowledged_on: Timestamp | None
    reason: Annotated[str | None, Meta(description="Why it does not run what it was sent")]


class Fleet(Struct, frozen=True):
    """All of them, and whether they are reached."""

    is_bus_connected: bool
    revision: Annotated[int, Meta(description="The newest there is")]
    failure: Annotated[str | None, Meta(description="Why it is not sent")]
    servers: list[FleetServer]
    withheld: Annotated[
        dict[str, str],
        Meta(description="Zones that are not served as they are stored, and why"),
    ]


@get(
    "/egressway/fleet",
    operation_id="egressway.fleet.get",
    tags=["egressway"],
    opt=OPERATOR,
    sync_to_thread=True,
)
def read_fleet(store: GivenStore, fleet: Given[FleetSource]) -> Answer[Fleet]:
    """What every server runs."""
    with store.read() as read:
        servers, revision = every(read.servers.list), read.revision()
    heard = fleet.acknowledged()
    return answer(
        Fleet(
            is_bus_connected=fleet.is_connected(),
            revision=revision,
            failure=fleet.failure(),
            servers=[_shown(server, heard.get(server.name)) for server in servers],
            withheld=dict(fleet.withheld()),
        )
    )


HANDLERS: Final[list[HTTPRouteHandler]] = [read_fleet]


def _shown(server: Server, heard: Acknowledged | None) -> FleetServer:
    return FleetServer(
        name=server.name,
        data_center=server.data_center,
        state=server.state.value,
        epoch=server.epoch,
        revision=heard.revision if heard else None,
        acknowledged_on=rfc3339(heard.at) if heard else None,
        reason=heard.reason if heard else None,
    )
