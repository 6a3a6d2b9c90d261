"""CONFIG 2 of 5, the write half: one transaction, put together from the aggregates.

Every writer is its reader too, so a decision is taken on the state it then changes.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from egressway.model.address import OriginNetworks
from egressway.model.placement import PlacementRules
from egressway.store.accounts import AccountWriter
from egressway.store.certificates import CertificateWriter
from egressway.store.changes import Journal
from egressway.store.data_centers import DataCenterWriter
from egressway.store.enrolment import EnrolmentWriter
from egressway.store.leases import LeaseWriter
from egressway.store.locations import LocationWriter
from egressway.store.placements import PlacementWriter
from egressway.store.pools import PoolWriter
from egressway.store.read import Read
from egressway.store.records import RecordWriter
from egressway.store.regional_hostnames import RegionalHostnameWriter
from egressway.store.servers import ServerWriter
from egressway.store.settings import SettingWriter
from egressway.store.tokens import TokenWriter
from egressway.store.transaction import Transaction
from egressway.store.zones import ZoneWriter

__all__ = ["Write"]


class Write(Read):
    """A transaction: everything in it happens at the end of its `with`, or nothing does."""

    accounts: AccountWriter
    tokens: TokenWriter
    zones: ZoneWriter
    records: RecordWriter
    certificates: CertificateWriter
    leases: LeaseWriter
    pools: PoolWriter
    settings: SettingWriter
    locations: LocationWriter
    data_centers: DataCenterWriter
    servers: ServerWriter
    placements: PlacementWriter
    regional_hostnames: RegionalHostnameWriter
    enrolment: EnrolmentWriter

    def __init__(
        self,
        session: Session,
        journal: Journal,
        now: datetime,
        origin_networks: OriginNetworks,
        rules: PlacementRules,
    ) -> None:
        super().__init__(session, now, rules)
        transaction = Transaction(session, journal, now)
        self.accounts = AccountWriter(transaction)
        self.tokens = TokenWriter(transaction)
        self.zones = ZoneWriter(transaction)
        self.records = RecordWriter(transaction, origin_networks)
        self.certificates = CertificateWriter(transaction)
        self.leases = LeaseWriter(transaction)
        self.pools = PoolWriter(transaction)
        self.settings = SettingWriter(transaction)
        self.locations = LocationWriter(transaction)
        self.data_centers = DataCenterWriter(transaction)
        self.servers = ServerWriter(transaction)
        self.placements = PlacementWriter(transaction, rules)
        self.regional_hostnames = RegionalHostnameWriter(transaction)
        self.enrolment = EnrolmentWriter(transaction)
