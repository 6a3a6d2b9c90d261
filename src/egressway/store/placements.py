"""CONFIG 2 of 5: which server may open connections from which ports of an address.

Placement belongs to the lease: pools may change around it. Slices change their owner at once; a move
remembers the former owner, which keeps its established connections until the move is finished.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from ipaddress import IPv4Address
from typing import Final

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from egressway.model.address import parse_address
from egressway.model.data_center import DataCenterName
from egressway.model.errors import Conflict, Invalid
from egressway.model.ids import LeaseId, is_id
from egressway.model.lease import LeasedIP
from egressway.model.location import LocationName
from egressway.model.paging import Paging
from egressway.model.placement import (
    Placement,
    PlacementRules,
    Share,
    check_locations,
    effective,
    expand,
    fitted,
    moved,
    split,
)
from egressway.model.placement_draft import PlacementDraft
from egressway.model.port_slice import PortRange, PortSlice, common
from egressway.model.server import LOCAL, ServerName, ServerState
from egressway.model.slice_move import MoveDraft, MoveId, SliceMove, moves_after
from egressway.store.changes import ChangeKind
from egressway.store.lists import one_page
from egressway.store.rows import not_found
from egressway.store.schema import (
    DataCenterRow,
    LeaseRow,
    PoolIpRow,
    PortSliceRow,
    ServerRow,
    SliceMoveRow,
)
from egressway.store.transaction import Transaction

__all__ = ["PlacementReader", "PlacementWriter", "move_of", "place_by_default"]

_ORDERS: Final = {"ip": LeaseRow.ip, "created_on": LeaseRow.created_on}
_ALL_PORTS: Final = PortRange(1, 65_535)


class PlacementReader:
    """Reads who has which ports, as the present configuration lets it be."""

    def __init__(self, session: Session, rules: PlacementRules) -> None:
        self._session = session
        self._rules = rules

    @property
    def rules(self) -> PlacementRules:
        """What the configuration says about every address."""
        return self._rules

    def address(self, reference: str) -> LeasedIP:
        """The leased address that is meant: by itself, or by the id of its lease."""
        if is_id(reference):
            by_id = self._session.get(LeaseRow, LeaseId(reference))
            if by_id is None:
                raise not_found("leased IP", reference)
            return by_id.ip
        return self._lease(parse_address(reference, "/ip")).ip

    def get(self, ip: LeasedIP) -> Placement:
        """The placement of a leased address, or NotFound."""
        return self._placements([self._lease(ip)])[0]

    def list(self, paging: Paging) -> tuple[list[Placement], int]:
        """One page of all leased addresses, and their number."""
        by_default = (LeaseRow.created_on, LeaseRow.ip)
        rows, total = one_page(
            self._session, select(LeaseRow), paging, _ORDERS, by_default, _itself
        )
        return [*self._placements(rows)], total

    def moves(self, ip: LeasedIP) -> Sequence[SliceMove]:
        """Pending moves of an address, in the order of ports."""
        self._lease(ip)
        rows = self._session.scalars(
            select(SliceMoveRow)
            .where(SliceMoveRow.ip == ip)
            .order_by(SliceMoveRow.low, SliceMoveRow.source)
        )
        return [move_of(row) for row in rows]

    def _lease(self, ip: LeasedIP) -> LeaseRow:
        row = self._session.scalar(select(LeaseRow).where(LeaseRow.ip == ip))
        if row is None:
            raise not_found("leased IP", str(ip))
        return row

    def _placements(self, leases: Sequence[LeaseRow]) -> tuple[Placement, ...]:
        stored: defaultdict[LeasedIP, list[PortSliceRow]] = defaultdict(list)
        for row in self._session.scalars(
            select(PortSliceRow)
            .where(PortSliceRow.ip.in_([lease.ip for lease in leases]))
            .order_by(PortSliceRow.ip, PortSliceRow.low)
        ):
            stored[row.ip].append(row)
        return tuple(self._placement(lease, stored[lease.ip]) for lease in leases)

    def _placement(self, lease: LeaseRow, rows: Sequence[PortSliceRow]) -> Placement:
        is_default = any(row.is_default for row in rows)
        slices = [PortSlice(_v4(row.ip), PortRange(row.low, row.high), row.server) for row in rows]
        return Placement(
            ip=lease.ip,
            account_id=lease.account_id,
            slices=effective(slices, self._rules, is_default=is_default),
            is_default=is_default,
            is_draining=lease.is_draining,
        )


class PlacementWriter(PlacementReader):
    """Splits addresses, moves slices, drains addresses."""

    def __init__(self, transaction: Transaction, rules: PlacementRules) -> None:
        super().__init__(transaction.session, rules)
        self._transaction = transaction

    def put(self, ip: IPv4Address, draft: PlacementDraft) -> Placement:
        """Splits the address as asked. What a server has and keeps does not change its ports."""
        before = self.get(ip)
        after = self._split(before, draft)
        return self._change(before, after, draft.deadline_seconds)

    def move(self, ip: IPv4Address, draft: MoveDraft) -> Sequence[SliceMove]:
        """Ports of one server become those of another; answers every pending move of the address."""
        if draft.source == draft.target:
            raise Invalid("Source and target are the same server.", pointer="/target")
        self._known_server(draft.source, "/source")
        self._known_server(draft.target, "/target")
        before = self.get(ip)
        after = moved(before.slices, draft.ports, draft.source, draft.target, self._rules)
        where = self._locations()
        owners = sorted({each.server for each in after}, key=lambda name: name == draft.target)
        check_locations([(where[name], "/target") for name in owners], ip)
        self._change(before, after, draft.deadline_seconds)
        return self.moves(ip)

    def finish_move(self, ip: LeasedIP, move_id: MoveId) -> None:
        """The former owner keeps nothing any more."""
        row = self._session.get(SliceMoveRow, move_id)
        if row is None or row.ip != ip:
            raise not_found("move", move_id, f"of {ip}")
        self._session.delete(row)
        self._session.flush()
        self._touched(ip)

    def finish_overdue(self, moment: datetime) -> Sequence[MoveId]:
        """Finishes every move whose deadline is not after `moment`; answers which."""
        overdue = self._session.scalars(
            select(SliceMoveRow).where(SliceMoveRow.deadline <= moment).order_by(SliceMoveRow.id)
        ).all()
        for row in overdue:
            self._session.delete(row)
            self._touched(row.ip)
        self._session.flush()
        return [row.id for row in overdue]

    def set_draining(self, ip: LeasedIP, is_draining: bool) -> Placement:
        """Opens nothing new from the address on any server, or does so again."""
        lease = self._lease(ip)
        if lease.is_draining != is_draining:
            lease.is_draining = is_draining
            lease.modified_on = self._transaction.now
            self._session.flush()
            self._touched(ip)
        return self.get(ip)

    def _split(self, before: Placement, draft: PlacementDraft) -> tuple[PortSlice, ...]:
        ip, where = _v4(before.ip), self._locations()
        if draft.shares is not None:
            shares = [share for share in draft.shares if share.ports]
            asked = list(enumerate(draft.shares))
            places = [(self._place(share, i, where), f"/shares/{i}") for i, share in asked]
            check_locations(
                [place for place, (_, share) in zip(places, asked, strict=True) if share.ports], ip
            )
            return split(ip, before.slices, expand(shares, self._active()), self._rules)
        slices = fitted(draft.slices or (), self._rules)
        for each in slices:
            self._known_server(each.server, "/slices")
        check_locations([(where[each.server], "/slices") for each in slices], ip)
        return slices

    def _place(
        self, share: Share, index: int, where: dict[ServerName, LocationName]
    ) -> LocationName:
        if not share.is_data_center:
            server = ServerName(share.place)
            self._known_server(server, f"/shares/{index}/server")
            return where[server]
        row = self._session.get(DataCenterRow, share.place)
        if row is None:
            raise Invalid(
                f"There is no data center `{share.place}`.", pointer=f"/shares/{index}/data_center"
            )
        return row.location

    def _known_server(self, name: ServerName, pointer: str) -> None:
        if self._session.get(ServerRow, name) is None:
            raise Invalid(f"There is no server `{name}`.", pointer=pointer)

    def _change(
        self, before: Placement, after: Sequence[PortSlice], deadline_seconds: int
    ) -> Placement:
        if tuple(after) == before.slices and not before.is_default:
            return before
        self._refuse_growth(before.slices, after)
        now, ip = self._transaction.now, before.ip
        deadline = now + timedelta(seconds=deadline_seconds)
        moves = moves_after(self.moves(ip), before.slices, after, deadline, now)
        self._session.execute(delete(PortSliceRow).where(PortSliceRow.ip == ip))
        self._session.execute(delete(SliceMoveRow).where(SliceMoveRow.ip == ip))
        if after:
            self._session.execute(insert(PortSliceRow), [_slice_members(each) for each in after])
        if moves:
            self._session.execute(insert(SliceMoveRow), [_move_members(each) for each in moves])
        self._touched(ip)
        return self.get(ip)

    def _refuse_growth(self, before: Iterable[PortSlice], after: Iterable[PortSlice]) -> None:
        """A server that is leaving gets nothing new; what it has it may keep."""
        held = list(before)
        grown = {
            new.server
            for new in after
            if sum(len(part) for part in _parts(new, held)) < len(new.ports)
        }
        leaving = self._session.execute(
            select(ServerRow.name, ServerRow.state)
            .where(ServerRow.name.in_(grown), ServerRow.state != ServerState.ACTIVE)
            .order_by(ServerRow.name)
        )
        for name, state in leaving:
            raise Conflict(
                f"The server `{name}` is {state}, so it gets no more ports; choose another one."
            )

    def _active(self) -> dict[DataCenterName, list[ServerName]]:
        """Per data center who may get ports, by number."""
        found: defaultdict[DataCenterName, list[ServerName]] = defaultdict(list)
        for name, data_center in self._session.execute(
            select(ServerRow.name, ServerRow.data_center)
            .where(ServerRow.state == ServerState.ACTIVE)
            .order_by(ServerRow.number)
        ):
            found[data_center].append(name)
        return dict(found)

    def _locations(self) -> dict[ServerName, LocationName]:
        found = self._session.execute(
            select(ServerRow.name, DataCenterRow.location).join(
                DataCenterRow, DataCenterRow.name == ServerRow.data_center
            )
        )
        return dict(found.all())

    def _touched(self, ip: LeasedIP) -> None:
        journal = self._transaction.journal
        journal.touched(ChangeKind.PLACEMENT, str(ip))
        for pool_id in self._session.scalars(select(PoolIpRow.pool_id).where(PoolIpRow.ip == ip)):
            journal.touched(ChangeKind.POOL, pool_id)


def place_by_default(session: Session, ip: LeasedIP) -> None:
    """All ports on `local`, if that is the only server; in a fleet an operator places the address."""
    if not isinstance(ip, IPv4Address):
        return
    servers = session.scalars(select(ServerRow.name).limit(2)).all()
    if servers != [LOCAL]:
        return
    session.execute(
        insert(PortSliceRow).values(
            ip=ip, low=_ALL_PORTS.low, high=_ALL_PORTS.high, server=LOCAL, is_default=True
        )
    )


def move_of(row: SliceMoveRow) -> SliceMove:
    """The row as a value."""
    return SliceMove(
        id=row.id,
        ip=_v4(row.ip),
        ports=PortRange(row.low, row.high),
        source=row.source,
        target=row.target,
        deadline=row.deadline,
        created_on=row.created_on,
    )


def _slice_members(each: PortSlice) -> dict[str, object]:
    return {
        "ip": each.ip,
        "low": each.ports.low,
        "high": each.ports.high,
        "server": each.server,
        "is_default": False,
    }


def _move_members(move: SliceMove) -> dict[str, object]:
    return {
        "id": move.id,
        "ip": move.ip,
        "low": move.ports.low,
        "high": move.ports.high,
        "source": move.source,
        "target": move.target,
        "deadline": move.deadline,
        "created_on": move.created_on,
    }


def _parts(new: PortSlice, held: Collection[PortSlice]) -> list[PortRange]:
    """The ports of `new` that its server has already."""
    own = (common(new.ports, each.ports) for each in held if each.server == new.server)
    return [ports for ports in own if ports is not None]


def _v4(ip: LeasedIP) -> IPv4Address:
    assert isinstance(ip, IPv4Address)  # guarded where slices and moves are written
    return ip


def _itself(row: LeaseRow) -> LeaseRow:
    return row
