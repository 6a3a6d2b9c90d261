"""CONFIG 2 of 5: servers. Whether one may open connections is its state; who it is, its epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from egressway.model.data_center import DataCenterName
from egressway.model.errors import Conflict
from egressway.model.paging import Paging
from egressway.model.server import (
    Link,
    Server,
    ServerChange,
    ServerDraft,
    ServerName,
    ServerPlace,
    ServerState,
    lowest_free,
)
from egressway.store.changes import ChangeKind
from egressway.store.lists import one_page
from egressway.store.places import (
    data_center_row,
    named_data_center,
    refuse_while_holding,
    server_row,
)
from egressway.store.schema import DataCenterRow, ServerRow
from egressway.store.transaction import Transaction

__all__ = ["ServerReader", "ServerWriter", "server_of"]

_ORDERS: Final = {
    "name": ServerRow.name,
    "number": ServerRow.number,
    "data_center": ServerRow.data_center,
    "state": ServerRow.state,
    "created_on": ServerRow.created_on,
}


class ServerReader:
    """Reads servers."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, name: ServerName) -> Server:
        """One server, or NotFound."""
        return server_of(server_row(self._session, name))

    def places(self) -> dict[ServerName, ServerPlace]:
        """Where each server stands."""
        rows = self._session.execute(
            select(ServerRow.name, ServerRow.data_center, DataCenterRow.location).join(
                DataCenterRow, DataCenterRow.name == ServerRow.data_center
            )
        )
        return {name: ServerPlace(data_center, location) for name, data_center, location in rows}

    def numbers(self) -> Sequence[int]:
        """The number of each server."""
        return self._session.scalars(select(ServerRow.number).order_by(ServerRow.number)).all()

    def list(
        self, paging: Paging, *, data_center: DataCenterName | None = None
    ) -> tuple[list[Server], int]:
        """One page, and the number of all."""
        query = select(ServerRow)
        if data_center is not None:
            query = query.where(ServerRow.data_center == data_center)
        return one_page(self._session, query, paging, _ORDERS, (ServerRow.name,), server_of)


class ServerWriter(ServerReader):
    """Changes servers."""

    def __init__(self, transaction: Transaction) -> None:
        super().__init__(transaction.session)
        self._transaction = transaction

    def create(self, draft: ServerDraft) -> Server:
        """A new server with the lowest free number. It has no ports until it is given some."""
        if self._session.get(ServerRow, draft.name) is not None:
            raise Conflict(f"The server `{draft.name}` already exists.", pointer="/name")
        row = ServerRow(
            name=draft.name,
            number=lowest_free(self._session.scalars(select(ServerRow.number))),
            data_center=named_data_center(self._session, draft.data_center).name,
            link=None if draft.link is None else str(draft.link),
            state=ServerState.ACTIVE,
            epoch=0,
            created_on=self._transaction.now,
            modified_on=self._transaction.now,
        )
        self._session.add(row)
        return self._finish(row)

    def edit(self, name: ServerName, change: ServerChange) -> Server:
        """Changes what is given; not its location while it holds ports there."""
        row = server_row(self._session, name)
        if change.data_center is not None and change.data_center != row.data_center:
            target = named_data_center(self._session, change.data_center)
            if target.location != data_center_row(self._session, row.data_center).location:
                refuse_while_holding(self._session, [name], "/data_center")
            row.data_center = target.name
        if change.link is not None:
            row.link = str(change.link)
        return self._finish(row)

    def drain(self, name: ServerName) -> Server:
        """Nothing new is opened from its slices; what is open stays."""
        return self._set_state(name, ServerState.DRAINING)

    def activate(self, name: ServerName) -> Server:
        """Takes a drain back."""
        return self._set_state(name, ServerState.ACTIVE)

    def revoke(self, name: ServerName) -> Server:
        """Nobody believes its certificate any more, and its ports are nobody's until they are moved.

        For life: a stolen key must not come back.
        """
        row = server_row(self._session, name)
        row.state = ServerState.REVOKED
        return self._finish(row)

    def admit(self, name: ServerName) -> Server:
        """A node takes up the server's identity: the next epoch, so that an older node gives way."""
        row = server_row(self._session, name)
        _refuse_revoked(row)
        row.epoch += 1
        return self._finish(row)

    def delete(self, name: ServerName) -> None:
        """Removes a server that holds nothing; its number is free again."""
        row = server_row(self._session, name)
        refuse_while_holding(self._session, [name])
        self._session.delete(row)
        self._session.flush()
        self._transaction.journal.touched(ChangeKind.SERVER, name)

    def _set_state(self, name: ServerName, state: ServerState) -> Server:
        row = server_row(self._session, name)
        _refuse_revoked(row)
        row.state = state
        return self._finish(row)

    def _finish(self, row: ServerRow) -> Server:
        row.modified_on = self._transaction.now
        self._session.flush()
        self._transaction.journal.touched(ChangeKind.SERVER, row.name)
        return server_of(row)


def server_of(row: ServerRow) -> Server:
    """The row as a value."""
    return Server(
        name=row.name,
        number=row.number,
        data_center=row.data_center,
        link=None if row.link is None else Link.parse(row.link),
        state=row.state,
        epoch=row.epoch,
        created_on=row.created_on,
        modified_on=row.modified_on,
    )


def _refuse_revoked(row: ServerRow) -> None:
    if row.state is ServerState.REVOKED:
        raise Conflict(
            f"The server `{row.name}` is revoked for life; create another one in its place."
        )
