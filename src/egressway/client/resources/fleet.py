"""The fleet as a whole, and its places: locations, data centers, servers. All of it is the operator's."""

from collections.abc import Sequence

from egressway.client.objects import (
    ChangedServers,
    DataCenter,
    Deleted,
    Fleet,
    JoinToken,
    Location,
    Server,
)
from egressway.client.transport import Transport

__all__ = ["DataCenters", "Fleets", "Locations", "Servers"]


class Fleets:
    """`/egressway/fleet`"""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get(self) -> Fleet:
        return self._transport.fetch("/egressway/fleet", Fleet, "read what the fleet runs")


class Locations:
    """`/egressway/locations`"""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> list[Location]:
        return self._transport.fetch_all("/egressway/locations", Location, "list the locations")

    def get(self, name: str) -> Location:
        return self._transport.fetch(
            f"/egressway/locations/{name}", Location, f"read the location `{name}`"
        )

    def create(
        self, name: str, *, latitude: float, longitude: float, regions: Sequence[str] = ()
    ) -> Location:
        body = {
            "name": name,
            "latitude": latitude,
            "longitude": longitude,
            "regions": list(regions),
        }
        return self._transport.send(
            "POST", "/egressway/locations", Location, f"create the location `{name}`", body
        )

    def edit(
        self,
        name: str,
        *,
        latitude: float | None = None,
        longitude: float | None = None,
        regions: Sequence[str] | None = None,
    ) -> Location:
        """`regions` is the whole new set, not a difference."""
        changes: dict[str, object] = {"latitude": latitude, "longitude": longitude}
        changes["regions"] = None if regions is None else [*regions]
        return self._transport.send(
            "PATCH",
            f"/egressway/locations/{name}",
            Location,
            f"change the location `{name}`",
            _given(changes),
        )

    def delete(self, name: str) -> Deleted:
        return self._transport.send(
            "DELETE", f"/egressway/locations/{name}", Deleted, f"delete the location `{name}`"
        )


class DataCenters:
    """`/egressway/data_centers`"""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> list[DataCenter]:
        return self._transport.fetch_all(
            "/egressway/data_centers", DataCenter, "list the data centers"
        )

    def get(self, name: str) -> DataCenter:
        return self._transport.fetch(
            _data_center(name), DataCenter, f"read the data center `{name}`"
        )

    def create(self, name: str, *, location: str) -> DataCenter:
        return self._transport.send(
            "POST",
            "/egressway/data_centers",
            DataCenter,
            f"create the data center `{name}`",
            {"name": name, "location": location},
        )

    def edit(self, name: str, *, location: str) -> DataCenter:
        return self._transport.send(
            "PATCH",
            _data_center(name),
            DataCenter,
            f"move the data center `{name}`",
            {"location": location},
        )

    def drain(self, name: str) -> ChangedServers:
        """All of its servers open nothing new."""
        return self._transport.send(
            "POST", f"{_data_center(name)}/drain", ChangedServers, f"drain the data center `{name}`"
        )

    def activate(self, name: str) -> ChangedServers:
        return self._transport.send(
            "POST",
            f"{_data_center(name)}/activate",
            ChangedServers,
            f"activate the data center `{name}`",
        )

    def delete(self, name: str) -> Deleted:
        return self._transport.send(
            "DELETE", _data_center(name), Deleted, f"delete the data center `{name}`"
        )


class Servers:
    """`/egressway/servers`"""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> list[Server]:
        return self._transport.fetch_all("/egressway/servers", Server, "list the servers")

    def get(self, name: str) -> Server:
        return self._transport.fetch(_server(name), Server, f"read the server `{name}`")

    def create(self, name: str, *, data_center: str, link: str | None = None) -> Server:
        body = _given({"name": name, "data_center": data_center, "link": link})
        return self._transport.send(
            "POST", "/egressway/servers", Server, f"create the server `{name}`", body
        )

    def edit(self, name: str, *, data_center: str | None = None, link: str | None = None) -> Server:
        changes = _given({"data_center": data_center, "link": link})
        return self._transport.send(
            "PATCH", _server(name), Server, f"change the server `{name}`", changes
        )

    def drain(self, name: str) -> Server:
        """It opens nothing new; what is open stays."""
        return self._transport.send(
            "POST", f"{_server(name)}/drain", Server, f"drain the server `{name}`"
        )

    def activate(self, name: str) -> Server:
        return self._transport.send(
            "POST", f"{_server(name)}/activate", Server, f"activate the server `{name}`"
        )

    def revoke(self, name: str) -> Server:
        """For life."""
        return self._transport.send(
            "POST", f"{_server(name)}/revoke", Server, f"revoke the server `{name}`"
        )

    def token(self, name: str, *, expires_in_seconds: int | None = None) -> JoinToken:
        """An invitation for the server's node; it is shown this once."""
        return self._transport.send(
            "POST",
            f"{_server(name)}/join_tokens",
            JoinToken,
            f"make a join token for the server `{name}`",
            _given({"expires_in_seconds": expires_in_seconds}),
        )

    def delete(self, name: str) -> Deleted:
        return self._transport.send("DELETE", _server(name), Deleted, f"delete the server `{name}`")


def _data_center(name: str) -> str:
    return f"/egressway/data_centers/{name}"


def _server(name: str) -> str:
    return f"/egressway/servers/{name}"


def _given(members: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in members.items() if value is not None}
