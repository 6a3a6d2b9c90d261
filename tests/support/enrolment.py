"""An enrolment listener in this process: the real application over TLS, and a store behind it."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import Self

from egressway.identity.authority import Authority
from egressway.identity.join_token import JoinToken
from egressway.model.data_center import DataCenterDraft
from egressway.model.location import LocationDraft
from egressway.model.server import ServerDraft, ServerName
from egressway.services.configuration import Configuration
from egressway.services.configuration.types import Bus, Fleet
from egressway.services.enrolment import ControlIdentity, enrolment_server, shared_authority
from egressway.store import Store

LOOPBACK = ip_address("127.0.0.1")


class EnrolmentDesk:
    """A fleet with the servers `s1` and `s2`, and somebody to ask for certificates."""

    def __init__(self, directory: Path, *, hours: float = 24.0) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.store = Store.open(f"sqlite:///{directory / 'store.sqlite'}")
        self.authority: Authority = shared_authority(self.store)
        self.identity = ControlIdentity(self.authority, [LOOPBACK])
        configuration = Configuration(
            data=directory,
            bus=Bus(url="nats://127.0.0.1:4222"),
            fleet=Fleet(enrolment_port=0, certificate_hours=hours),
        )
        self._listener = enrolment_server(configuration, self.store, self.authority, self.identity)

    def __enter__(self) -> Self:
        with self.store.write("test") as write:
            write.locations.create(LocationDraft("lisbon", 38.7, -9.1))
            write.data_centers.create(DataCenterDraft("lis1", "lisbon"))
            for name in ("s1", "s2"):
                write.servers.create(ServerDraft(ServerName(name), "lis1"))
        self._listener.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.stop()
        self.store.close()

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self._listener.port

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.address[1]}"

    def token(self, server: str = "s1", lifetime: timedelta = timedelta(hours=1)) -> JoinToken:
        token = JoinToken.new(self.authority.pin)
        with self.store.write("test") as write:
            write.enrolment.invite(ServerName(server), token.digest, lifetime)
        return token

    def epoch(self, server: str = "s1") -> int:
        with self.store.read() as read:
            return read.servers.get(ServerName(server)).epoch

    def revoke(self, server: str = "s1") -> None:
        with self.store.write("test") as write:
            write.servers.revoke(ServerName(server))
