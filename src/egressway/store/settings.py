"""CONFIG 2 of 5: settings of zones, first of all `aegis`.

A zone is entitled to `aegis` when its account holds a leased address or was granted a pool. Without that
the setting shows as not editable and cannot be changed. Links are only ever made to pools that are the
account's or were granted to it, and unmaking either is refused while a zone is linked.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from egressway.model.errors import Forbidden, Invalid
from egressway.model.ids import AccountId, PoolId, ZoneId
from egressway.model.setting import (
    AegisChange,
    AegisValue,
    Setting,
    SettingChange,
    SettingId,
    SettingValue,
    SslMode,
    default_value,
)
from egressway.store.changes import ChangeKind
from egressway.store.rows import zone_row
from egressway.store.schema import (
    LeaseRow,
    PoolGrantRow,
    PoolRow,
    ZoneAegisRow,
    ZoneRow,
    ZoneSettingRow,
)
from egressway.store.transaction import Transaction

__all__ = ["SettingReader", "SettingWriter"]

_INVALID_VALUE: Final = 1007
_POOL: Final = "/value/pool_id"


class SettingReader:
    """Reads settings."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, zone_id: ZoneId, setting_id: SettingId) -> Setting:
        """One setting of a zone, stored or by default."""
        zone = zone_row(self._session, zone_id)
        if setting_id is SettingId.AEGIS:
            return self._aegis(zone)
        row = self._session.get(ZoneSettingRow, (zone_id, setting_id.value))
        if row is None:
            return Setting(setting_id, default_value(setting_id, zone.account.type), None)
        return Setting(setting_id, _stored(setting_id, row.value), row.modified_on)

    def list(self, zone_id: ZoneId) -> Sequence[Setting]:
        """Every setting; `aegis` appears where the zone is entitled to it."""
        settings = (self.get(zone_id, setting_id) for setting_id in SettingId)
        return [each for each in settings if each.id is not SettingId.AEGIS or each.editable]

    def is_entitled(self, account_id: AccountId) -> bool:
        """Whether zones of the account may have dedicated egress addresses."""
        has_lease = exists().where(LeaseRow.account_id == account_id)
        has_grant = exists().where(PoolGrantRow.account_id == account_id)
        return bool(self._session.scalar(select(has_lease | has_grant)))

    def _aegis(self, zone: ZoneRow) -> Setting:
        row = self._session.get(ZoneAegisRow, zone.id)
        value, modified_on = _aegis_of(row)
        return Setting(
            SettingId.AEGIS, value, modified_on, editable=self.is_entitled(zone.account_id)
        )


class SettingWriter(SettingReader):
    """Changes settings."""

    def __init__(self, transaction: Transaction) -> None:
        super().__init__(transaction.session)
        self._transaction = transaction

    def put(self, zone_id: ZoneId, setting_id: SettingId, change: SettingChange) -> Setting:
        """Sets one setting; what it answers is what is stored."""
        zone = zone_row(self._session, zone_id)
        if isinstance(change, AegisChange):
            self._put_aegis(zone, change)
        else:
            self._put_plain(zone_id, setting_id, change)
        self._session.flush()
        self._transaction.journal.touched(ChangeKind.SETTING, setting_id, zone_id)
        return self.get(zone_id, setting_id)

    def _put_plain(self, zone_id: ZoneId, setting_id: SettingId, value: SettingValue) -> None:
        row = self._session.get(ZoneSettingRow, (zone_id, setting_id.value))
        if row is None:
            row = ZoneSettingRow(zone_id=zone_id, setting_id=setting_id.value)
            self._session.add(row)
        row.value = value
        row.modified_on = self._transaction.now

    def _put_aegis(self, zone: ZoneRow, change: AegisChange) -> None:
        row = self._session.get(ZoneAegisRow, zone.id)
        stored = _aegis_of(row)[0]
        if not (self.is_entitled(zone.account_id) or _only_leaves(stored, change)):
            raise Forbidden(
                "The zone's account holds no leased IP, and no pool was granted to it. "
                "Ask the operator for an address.",
                pointer="/value",
            )
        value = change.on(stored)
        if value.pool_id is not None:
            self._check_pool(zone, value.pool_id)
        if row is None:
            row = ZoneAegisRow(zone_id=zone.id)
            self._session.add(row)
        row.enabled, row.pool_id = value.enabled, value.pool_id
        row.modified_on = self._transaction.now

    def _check_pool(self, zone: ZoneRow, pool_id: PoolId) -> None:
        pool = self._session.get(PoolRow, pool_id)
        if pool is None:
            raise Invalid(f"There is no pool `{pool_id}`.", pointer=_POOL, code=_INVALID_VALUE)
        if pool.account_id == zone.account_id:
            return
        if self._session.get(PoolGrantRow, (pool_id, zone.account_id)) is None:
            raise Forbidden(
                f"The pool `{pool_id}` is another account's and not granted to the zone's account. "
                "Ask the operator for a grant.",
                pointer=_POOL,
            )


def _only_leaves(stored: AegisValue, change: AegisChange) -> bool:
    """The last address can go while a zone still has the emptied pool: it fails closed until then."""
    return stored.enabled and change == AegisChange(enabled=False)


def _aegis_of(row: ZoneAegisRow | None) -> tuple[AegisValue, datetime | None]:
    if row is None:
        return AegisValue(), None
    return AegisValue(row.enabled, row.pool_id), row.modified_on


def _stored(setting_id: SettingId, value: object) -> SettingValue:
    match setting_id:
        case SettingId.SSL:
            return SslMode(str(value))
        case SettingId.ORIGIN_H2_MAX_STREAMS:
            return int(str(value))
        case _:
            return str(value)
