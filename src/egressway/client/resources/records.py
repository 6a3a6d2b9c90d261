"""DNS records: a proxied A or AAAA record names an origin."""

from collections.abc import Mapping

from egressway.client.names import pick
from egressway.client.objects import Deleted, Record, Zone
from egressway.client.transport import Transport

__all__ = ["Records"]


class Records:
    """`/zones/{zone_id}/dns_records`"""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, zone_id: str) -> list[Record]:
        return self._transport.fetch_all(_path(zone_id), Record, "list the records")

    def get(self, zone_id: str, record_id: str) -> Record:
        return self._transport.fetch(
            f"{_path(zone_id)}/{record_id}", Record, f"read the record `{record_id}`"
        )

    def find(self, zone: Zone, reference: str) -> Record:
        """The record of this id, or the only one of this name; `www` and `@` are of the zone."""
        return pick(
            reference,
            self.list(zone.id),
            "record",
            lambda record: [record.name, _relative(record.name, zone.name)],
            lambda record: f"`{record.name}` {record.type} {record.content} ({record.id})",
        )

    def create(
        self,
        zone_id: str,
        *,
        type: str,
        name: str,
        content: str,
        proxied: bool = True,
        ttl: int = 1,
        comment: str | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> Record:
        """`settings` are the origin's details, by the API's names (`origin_port`, ...)."""
        body: dict[str, object] = {
            "type": type,
            "name": name,
            "content": content,
            "proxied": proxied,
            "ttl": ttl,
        }
        if comment is not None:
            body["comment"] = comment
        if settings:
            body["settings"] = dict(settings)
        return self._transport.send(
            "POST", _path(zone_id), Record, f"add the record `{name}`", body
        )

    def edit(self, zone_id: str, record_id: str, changes: Mapping[str, object]) -> Record:
        """Change the given fields, by the API's names, and leave the others."""
        return self._transport.send(
            "PATCH",
            f"{_path(zone_id)}/{record_id}",
            Record,
            f"change the record `{record_id}`",
            dict(changes),
        )

    def delete(self, zone_id: str, record_id: str) -> Deleted:
        return self._transport.send(
            "DELETE", f"{_path(zone_id)}/{record_id}", Deleted, f"delete the record `{record_id}`"
        )


def _relative(name: str, zone_name: str) -> str:
    return "@" if name == zone_name else name.removesuffix(f".{zone_name}")


def _path(zone_id: str) -> str:
    return f"/zones/{zone_id}/dns_records"
