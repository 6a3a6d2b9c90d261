"""Zone settings: `aegis` (leave from which pool), `ssl`, and any other by its id."""

from egressway.client.objects import Setting
from egressway.client.transport import Transport

__all__ = ["Settings"]


class Settings:
    """`/zones/{zone_id}/settings`"""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, zone_id: str) -> list[Setting]:
        return self._transport.fetch(_path(zone_id), list[Setting], "list the settings")

    def get(self, zone_id: str, setting_id: str) -> Setting:
        return self._transport.fetch(
            f"{_path(zone_id)}/{setting_id}", Setting, f"read the setting `{setting_id}`"
        )

    def edit(self, zone_id: str, setting_id: str, value: object) -> Setting:
        return self._transport.send(
            "PATCH",
            f"{_path(zone_id)}/{setting_id}",
            Setting,
            f"change the setting `{setting_id}`",
            {"value": value},
        )

    def set_aegis(
        self, zone_id: str, *, enabled: bool | None = None, pool_id: str | None = None
    ) -> Setting:
        """Only what is given is sent: a pool may be linked first and switched on later."""
        value = {"enabled": enabled, "pool_id": pool_id}
        return self.edit(
            zone_id, "aegis", {key: given for key, given in value.items() if given is not None}
        )

    def set_ssl(self, zone_id: str, mode: str) -> Setting:
        """`off`, `flexible`, `full`, `strict` or `origin_pull`."""
        return self.edit(zone_id, "ssl", mode)


def _path(zone_id: str) -> str:
    return f"/zones/{zone_id}/settings"
