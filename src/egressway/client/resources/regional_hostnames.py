"""Regional hostnames: names of a zone that are served in one region only."""

from egressway.client.objects import RegionalHostname, RegionOfList
from egressway.client.transport import Transport

__all__ = ["RegionalHostnames"]


class RegionalHostnames:
    """`/zones/{zone_id}/addressing/regional_hostnames`; the hostname is the identifier."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def regions(self, account_id: str) -> list[RegionOfList]:
        """Every region that a name can be confined to."""
        return self._transport.fetch_all(
            f"/accounts/{account_id}/addressing/regional_hostnames/regions",
            RegionOfList,
            "list the regions",
        )

    def list(self, zone_id: str) -> list[RegionalHostname]:
        return self._transport.fetch_all(
            _path(zone_id), RegionalHostname, "list the regional hostnames"
        )

    def get(self, zone_id: str, hostname: str) -> RegionalHostname:
        return self._transport.fetch(
            f"{_path(zone_id)}/{hostname}",
            RegionalHostname,
            f"read the regional hostname `{hostname}`",
        )

    def create(
        self, zone_id: str, hostname: str, region_key: str, *, routing: str | None = None
    ) -> RegionalHostname:
        body = {"hostname": hostname, "region_key": region_key}
        if routing is not None:
            body["routing"] = routing
        return self._transport.send(
            "POST",
            _path(zone_id),
            RegionalHostname,
            f"confine `{hostname}` to the region `{region_key}`",
            body,
        )

    def edit(self, zone_id: str, hostname: str, region_key: str) -> RegionalHostname:
        return self._transport.send(
            "PATCH",
            f"{_path(zone_id)}/{hostname}",
            RegionalHostname,
            f"confine `{hostname}` to the region `{region_key}`",
            {"region_key": region_key},
        )

    def delete(self, zone_id: str, hostname: str) -> None:
        self._transport.send(
            "DELETE",
            f"{_path(zone_id)}/{hostname}",
            type(None),
            f"delete the regional hostname `{hostname}`",
        )


def _path(zone_id: str) -> str:
    return f"/zones/{zone_id}/addressing/regional_hostnames"
