"""Short words for what store tests need all the time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from egressway.model.account import Account, AccountDraft
from egressway.model.address import OriginNetworks
from egressway.model.hostname import Hostname
from egressway.model.lease import Lease
from egressway.model.paging import Paging
from egressway.model.pool import Pool, PoolDraft
from egressway.model.record import Record, RecordDraft
from egressway.model.setting import Setting, SettingId, parse_setting_value
from egressway.model.zone import Zone, ZoneDraft
from egressway.store import Store
from egressway.store.engine import WRITING

ALL = Paging(per_page=5000)


def url_of(folder: Path) -> str:
    return f"sqlite:///{folder}/egressway.db"


def open_store(folder: Path, origin_networks: OriginNetworks | None = None) -> Store:
    if origin_networks is None:
        return Store.open(url_of(folder))
    return Store.open(url_of(folder), origin_networks=origin_networks)


@contextmanager
def around_the_writers(store: Store) -> Iterator[Connection]:
    """A transaction in which only the database itself can refuse something."""
    connecting = store._engine.connect().execution_options(**{WRITING: True})
    with connecting as connection, connection.begin():
        yield connection


def account_of(store: Store, name: str, **members: Any) -> Account:
    with store.write("test") as write:
        return write.accounts.create(AccountDraft.parse({"name": name} | members))


def zone_of(store: Store, account: Account, name: str) -> Zone:
    with store.write("test") as write:
        return write.zones.create(ZoneDraft(account.id, Hostname(name)))


def draft_of(name: str = "www", content: str = "192.0.2.9", **members: Any) -> RecordDraft:
    body = {"type": "A", "name": name, "content": content, "proxied": True}
    return RecordDraft.parse(body | members)


def record_of(store: Store, zone: Zone, *args: Any, **members: Any) -> Record:
    with store.write("test") as write:
        return write.records.create(zone.id, draft_of(*args, **members))


def lease_of(store: Store, account: Account, ip: str) -> Lease:
    with store.write("test") as write:
        return write.leases.create(account.id, ip_address(ip))


def pool_of(store: Store, account: Account, *ips: str, source: str = "leased") -> Pool:
    body = {"name": f"pool of {len(ips)}", "source": source, "ips": list(ips)}
    with store.write("test") as write:
        return write.pools.create(account.id, PoolDraft.parse(body))


def leased_pool(store: Store, account: Account, *ips: str) -> Pool:
    for ip in ips:
        lease_of(store, account, ip)
    return pool_of(store, account, *ips)


def set_aegis(store: Store, zone: Zone, **value: Any) -> Setting:
    with store.write("test") as write:
        change = parse_setting_value(SettingId.AEGIS, value)
        return write.settings.put(zone.id, SettingId.AEGIS, change)


def aegis(store: Store, zone: Zone) -> Setting:
    with store.read() as read:
        return read.settings.get(zone.id, SettingId.AEGIS)
