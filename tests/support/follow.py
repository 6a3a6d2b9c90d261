"""A node with a fake data plane on a bus in memory, and a control plane in a few words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from egressway.bus.bus import ALL, Bus, Whole
from egressway.bus.in_process import InProcessBus
from egressway.data_plane.fake import FakeDataPlane
from egressway.model.rollout import Rollout
from egressway.node.apply import Applier
from egressway.node.follow import Follower
from egressway.node.last_good import LastGood
from egressway.node.settings import NodeSettings
from egressway.wire.acknowledgement import Acknowledgement
from egressway.wire.fleet import FleetSnapshot, encode
from egressway.wire.gate import encode as encode_gate
from egressway.wire.snapshot import Listener
from tests.support.fleets import delta
from tests.support.waiting import eventually


class Control:
    """Publishes what it is told to, as the distribution does."""

    def __init__(self, bus: Bus | None = None) -> None:
        self.bus = bus or InProcessBus()
        self.acknowledged: list[Acknowledgement] = []
        self.bus.acknowledgements(self.acknowledged.append)

    def whole(self, snapshot: FleetSnapshot, cls: str = ALL) -> None:
        last = self.bus.last_config(cls)
        self.keep(snapshot, last.sequence if last else 0, cls)
        self.publish(b"", snapshot.revision, None, cls)

    def keep(self, snapshot: FleetSnapshot, sequence: int, cls: str = ALL) -> None:
        self.bus.put_whole(cls, Whole(snapshot.revision, sequence, encode(snapshot)))

    def change(self, base: int, revision: int | None = None, *, cls: str = ALL, **more: Any) -> int:
        """The revision it leads to."""
        snapshot = delta(base, revision, **more)
        self.publish(encode(snapshot), snapshot.revision, base, cls)
        return snapshot.revision

    def publish(self, content: bytes, revision: int, base: int | None, cls: str = ALL) -> int:
        return self.bus.publish_config(
            cls, content, revision=revision, base_revision=base, expect_last=None
        )

    def rollout(self, rollout: Rollout) -> None:
        number = self.bus.get_gate().number
        self.bus.put_gate(encode_gate(rollout), expect=number)

    def hears(self, server: str = "ams-1-1") -> Acknowledgement:
        """The newest word of a server; before the first, that it runs nothing."""
        own = [each for each in self.acknowledged if each.server == server]
        return own[-1] if own else Acknowledgement(0, server=server)


class Node:
    """One server; `stop` it, or end the test with it running."""

    def __init__(
        self,
        bus: Bus,
        name: str = "ams-1-1",
        *,
        plane: FakeDataPlane | None = None,
        disk: Path | None = None,
        **settings: Any,
    ) -> None:
        listeners = (Listener("127.0.0.1", 0, tls=False),)
        self.settings = NodeSettings(**{"server": name, "listeners": listeners, **settings})
        self.plane = plane or FakeDataPlane()
        self.applier = Applier(self.plane)
        self.last_good = LastGood(disk) if disk else None
        self.follower = Follower(
            bus, self.settings, self.applier, self.plane, last_good=self.last_good
        )

    def start(self) -> Node:
        self.follower.restore()
        self.follower.start()
        return self

    def stop(self) -> None:
        self.follower.stop()
        if self.last_good is not None:
            self.last_good.close()

    @property
    def revision(self) -> int:
        return self.plane.status().revision

    def runs(self, revision: int, *zones: str) -> None:
        """Wait until it does, with exactly these zones if any are named."""

        def does() -> bool:
            status = self.plane.status()
            are_there = all(self.plane.zone(f"zone-{name}") for name in zones)
            return status.revision == revision and (
                not zones or (are_there and status.zones == len(zones))
            )

        eventually(does, why=f"revision {revision} with {zones or 'any zones'}")
