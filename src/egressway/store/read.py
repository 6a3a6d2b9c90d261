"""CONFIG 2 of 5, the read half: one consistent view of everything, put together from the aggregates."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy.orm import Session

from egressway.model.ids import PoolId, ZoneId
from egressway.model.lease import LeasedIP
from egressway.model.placement import PlacementRules
from egressway.store import changes, fleet, snapshots
from egressway.store.accounts import AccountReader
from egressway.store.certificates import CertificateReader
from egressway.store.changes import Change
from egressway.store.data_centers import DataCenterReader
from egressway.store.enrolment import EnrolmentReader
from egressway.store.fleet import SnapshotFleet
from egressway.store.leases import LeaseReader
from egressway.store.locations import LocationReader
from egressway.store.placements import PlacementReader
from egressway.store.pools import PoolReader
from egressway.store.records import RecordReader
from egressway.store.regional_hostnames import RegionalHostnameReader
from egressway.store.servers import ServerReader
from egressway.store.settings import SettingReader
from egressway.store.snapshots import SnapshotPool, SnapshotZone
from egressway.store.tokens import TokenReader
from egressway.store.zones import ZoneReader

__all__ = ["Read"]


class Read:
    """A view that other transactions do not move; valid inside its `with` only."""

    accounts: AccountReader
    tokens: TokenReader
    zones: ZoneReader
    records: RecordReader
    certificates: CertificateReader
    leases: LeaseReader
    pools: PoolReader
    settings: SettingReader
    locations: LocationReader
    data_centers: DataCenterReader
    servers: ServerReader
    placements: PlacementReader
    regional_hostnames: RegionalHostnameReader
    enrolment: EnrolmentReader

    def __init__(self, session: Session, now: datetime, rules: PlacementRules) -> None:
        self._session = session
        self._rules = rules
        self.accounts = AccountReader(session)
        self.tokens = TokenReader(session, now)
        self.zones = ZoneReader(session)
        self.records = RecordReader(session)
        self.certificates = CertificateReader(session)
        self.leases = LeaseReader(session)
        self.pools = PoolReader(session)
        self.settings = SettingReader(session)
        self.locations = LocationReader(session)
        self.data_centers = DataCenterReader(session)
        self.servers = ServerReader(session)
        self.placements = PlacementReader(session, rules)
        self.regional_hostnames = RegionalHostnameReader(session)
        self.enrolment = EnrolmentReader(session)

    def revision(self) -> int:
        """The counter of the newest change; 0 before the first."""
        return changes.revision(self._session)

    def is_journal_complete_since(self, revision: int) -> bool:
        """No change after a revision is missing from what `changes_since` tells."""
        return changes.is_complete_since(self._session, revision)

    def changes_since(self, revision: int) -> list[Change]:
        """What was touched after `revision`, oldest first."""
        return changes.changes_since(self._session, revision)

    def zones_for_snapshot(self, zone_ids: Collection[ZoneId] | None = None) -> list[SnapshotZone]:
        """What the data plane serves of these zones, or of all; a few queries however many.

        A zone that was asked for and is not in the answer is deleted or paused: it is to be removed.
        """
        return snapshots.zones(self._session, zone_ids)

    def pools_for_snapshot(self, pool_ids: Collection[PoolId] | None = None) -> list[SnapshotPool]:
        """These pools with their addresses, or all. One that was asked for and is missing is deleted."""
        return snapshots.pools(self._session, pool_ids)

    def fleet_for_snapshot(self, ips: Collection[LeasedIP] | None = None) -> SnapshotFleet:
        """Places, servers and moves; slices and drains of these addresses, or of all."""
        return fleet.fleet(self._session, self._rules, ips)
