"""The client: one connection, one attribute per resource.

with Client.open() as client:
    account = client.accounts.find("Example")
    pool = client.pools.create(account.id, name="edge", ips=["192.0.2.1"])
    zone = client.zones.find("example.com")
    client.settings.set_aegis(zone.id, enabled=True, pool_id=pool.id)
"""

from pathlib import Path
from types import TracebackType
from typing import Self

from egressway.client.access import find_access
from egressway.client.resources.accounts import Accounts
from egressway.client.resources.certificates import Certificates
from egressway.client.resources.fleet import DataCenters, Fleets, Locations, Servers
from egressway.client.resources.leased_ips import LeasedIps
from egressway.client.resources.measurements import Measurements
from egressway.client.resources.placements import Placements
from egressway.client.resources.pools import Pools
from egressway.client.resources.records import Records
from egressway.client.resources.regional_hostnames import RegionalHostnames
from egressway.client.resources.rollout import Rollouts
from egressway.client.resources.settings import Settings
from egressway.client.resources.tokens import Tokens
from egressway.client.resources.zones import Zones
from egressway.client.transport import Transport

__all__ = ["Client"]


class Client:
    """Everything the API offers, over one transport. Close it, or use it with `with`."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.accounts = Accounts(transport)
        self.zones = Zones(transport)
        self.records = Records(transport)
        self.regional_hostnames = RegionalHostnames(transport)
        self.settings = Settings(transport)
        self.certificates = Certificates(transport)
        self.tokens = Tokens(transport)
        self.leased_ips = LeasedIps(transport)
        self.pools = Pools(transport)
        self.fleet = Fleets(transport)
        self.locations = Locations(transport)
        self.data_centers = DataCenters(transport)
        self.servers = Servers(transport)
        self.placements = Placements(transport)
        self.rollout = Rollouts(transport)
        self.measurements = Measurements(transport)

    @classmethod
    def open(
        cls,
        url: str | None = None,
        token: str | None = None,
        *,
        token_file: Path | None = None,
        timeout_seconds: float = 30.0,
    ) -> Self:
        """Connect as arguments and environment say; see `access` for the order."""
        access = find_access(url, token, token_file)
        return cls(Transport(access, timeout_seconds=timeout_seconds))

    def close(self) -> None:
        self.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
