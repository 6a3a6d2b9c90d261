"""A store with an account in it, and the usual changes to it in a few words."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

from egressway.model.account import AccountDraft
from egressway.model.address import OriginNetworks
from egressway.model.certificate import CertificateDraft
from egressway.model.ids import AccountId, PoolId, RecordId, ZoneId
from egressway.model.pool import PoolDraft
from egressway.model.record import RecordDraft
from egressway.model.setting import SettingId, parse_setting_value
from egressway.model.zone import ZoneChange, ZoneDraft
from egressway.services.demo_certificate import self_signed
from egressway.store import Store, Write

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


class Installation:
    """One account; every method is one acknowledged change."""

    def __init__(self, directory: Path) -> None:
        networks = OriginNetworks(allowed=LOOPBACK)
        self.store = Store.open(f"sqlite:///{directory / 'store.sqlite'}", origin_networks=networks)
        with self.write() as write:
            self.account_id: AccountId = write.accounts.create(AccountDraft("Example")).id

    def close(self) -> None:
        self.store.close()

    def write(self) -> AbstractContextManager[Write]:
        return self.store.write("test")

    @property
    def revision(self) -> int:
        with self.store.read() as read:
            return read.revision()

    def pool(self, *ips: str, name: str = "dedicated") -> PoolId:
        with self.write() as write:
            for ip in ips:
                write.leases.create(self.account_id, ip_address(ip))
            draft = PoolDraft.parse({"name": name, "source": "leased", "ips": list(ips)})
            return write.pools.create(self.account_id, draft).id

    def zone(self, name: str, **settings: Any) -> ZoneId:
        """A zone with one proxied record for its own name; `settings` are the record's."""
        draft = ZoneDraft.parse({"name": name, "account": {"id": self.account_id}})
        with self.write() as write:
            zone_id = write.zones.create(draft).id
            write.records.create(zone_id, _record(name, "127.0.0.1", settings))
        return zone_id

    def record(self, zone_id: ZoneId, name: str, content: str, **settings: Any) -> RecordId:
        with self.write() as write:
            return write.records.create(zone_id, _record(name, content, settings)).id

    def remove_record(self, zone_id: ZoneId, record_id: RecordId) -> None:
        with self.write() as write:
            write.records.delete(zone_id, record_id)

    def set(self, zone_id: ZoneId, setting: str, value: Any) -> None:
        setting_id = SettingId(setting)
        with self.write() as write:
            write.settings.put(zone_id, setting_id, parse_setting_value(setting_id, value))

    def aegis(self, zone_id: ZoneId, pool_id: PoolId | None) -> None:
        off, on = {"enabled": False}, {"enabled": True, "pool_id": pool_id}
        self.set(zone_id, "aegis", on if pool_id else off)

    def certificate(self, zone_id: ZoneId, name: str) -> None:
        made = self_signed(name)
        body = {"certificate": made.certificate, "private_key": made.private_key}
        with self.write() as write:
            write.certificates.create(zone_id, CertificateDraft.parse(body, datetime.now(UTC)))

    def pause(self, zone_id: ZoneId, *, paused: bool = True) -> None:
        with self.write() as write:
            write.zones.edit(zone_id, ZoneChange(is_paused=paused))

    def remove_zone(self, zone_id: ZoneId) -> None:
        with self.write() as write:
            write.zones.delete(zone_id)


def _record(name: str, content: str, settings: dict[str, Any]) -> RecordDraft:
    kind = "AAAA" if ":" in content else "A"
    body = {"type": kind, "name": name, "content": content, "proxied": True, "settings": settings}
    return RecordDraft.parse(body)
