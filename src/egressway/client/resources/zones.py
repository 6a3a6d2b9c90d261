"""Zones: domains and who owns them."""

from egressway.client.errors import NotFoundError, UnknownNameError
from egressway.client.names import pick
from egressway.client.objects import Deleted, Zone
from egressway.client.transport import Transport

__all__ = ["Zones"]


class Zones:
    """`/zones`"""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, account_id: str | None = None, name: str | None = None) -> list[Zone]:
        query: dict[str, str | int] = {}
        if account_id is not None:
            query["account.id"] = account_id
        if name is not None:
            query["name"] = name
        return self._transport.fetch_all("/zones", Zone, "list the zones", query)

    def get(self, zone_id: str) -> Zone:
        return self._transport.fetch(f"/zones/{zone_id}", Zone, f"read the zone `{zone_id}`")

    def find(self, reference: str) -> Zone:
        """The zone of this id or name.

        There may be a hundred thousand zones, so the API is asked for the name and then for the
        id; the whole list is never read.
        """
        named = self.list(name=reference.rstrip(".").lower())
        if named:
            return pick(
                reference.rstrip(".").lower(),
                named,
                "zone",
                lambda zone: [zone.name],
                lambda zone: f"`{zone.name}` ({zone.id}, account `{zone.account.id}`)",
            )
        try:
            return self.get(reference)
        except NotFoundError as missing:
            raise UnknownNameError(
                f"There is no zone `{reference}`.",
                ["No zone that the token may see has this name or id."],
                "See which zones there are with `egressway zone list`.",
            ) from missing

    def create(self, name: str, account_id: str) -> Zone:
        body = {"name": name, "account": {"id": account_id}}
        return self._transport.send("POST", "/zones", Zone, f"create the zone `{name}`", body)

    def delete(self, zone_id: str) -> Deleted:
        return self._transport.send(
            "DELETE", f"/zones/{zone_id}", Deleted, f"delete the zone `{zone_id}`"
        )
