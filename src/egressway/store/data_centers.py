"""CONFIG 2 of 5: data centers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from egressway.model.data_center import (
    DataCenter,
    DataCenterChange,
    DataCenterDraft,
    DataCenterName,
)
from egressway.model.errors import Conflict
from egressway.model.paging import Paging
from egressway.model.server import ServerName, ServerState
from egressway.store.changes import ChangeKind
from egressway.store.lists import one_page
from egressway.store.places import (
    data_center_row,
    listed,
    named_location,
    refuse_while_holding,
)
from egressway.store.schema import DataCenterRow, ServerRow
from egressway.store.transaction import Transaction

__all__ = ["DataCenterReader", "DataCenterWriter", "data_center_of"]

_ORDERS: Final = {
    "name": DataCenterRow.name,
    "location": DataCenterRow.location,
    "created_on": DataCenterRow.created_on,
}


class DataCenterReader:
    """Reads data centers."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, name: DataCenterName) -> DataCenter:
        """One data center, or NotFound."""
        return data_center_of(data_center_row(self._session, name))

    def list(self, paging: Paging) -> tuple[list[DataCenter], int]:
        """One page, and the number of all."""
        query = select(DataCenterRow)
        return one_page(
            self._session, query, paging, _ORDERS, (DataCenterRow.name,), data_center_of
        )


class DataCenterWriter(DataCenterReader):
    """Changes data centers."""

    def __init__(self, transaction: Transaction) -> None:
        super().__init__(transaction.session)
        self._transaction = transaction

    def create(self, draft: DataCenterDraft) -> DataCenter:
        """A new data center in a location that exists."""
        if self._session.get(DataCenterRow, draft.name) is not None:
            raise Conflict(f"The data center `{draft.name}` already exists.", pointer="/name")
        row = DataCenterRow(
            name=draft.name,
            location=named_location(self._session, draft.location).name,
            created_on=self._transaction.now,
            modified_on=self._transaction.now,
        )
        self._session.add(row)
        return self._finish(row)

    def edit(self, name: DataCenterName, change: DataCenterChange) -> DataCenter:
        """Puts it into another location; not while its servers hold ports there."""
        row = data_center_row(self._session, name)
        if change.location is not None and change.location != row.location:
            location = named_location(self._session, change.location)
            refuse_while_holding(self._session, self._servers(name), "/location")
            row.location = location.name
        row.modified_on = self._transaction.now
        return self._finish(row)

    def set_state(self, name: DataCenterName, state: ServerState) -> Sequence[ServerName]:
        """Drains or activates all of its servers; revoked ones stay revoked. Answers which changed."""
        data_center_row(self._session, name)
        rows = self._session.scalars(
            select(ServerRow)
            .where(
                ServerRow.data_center == name,
                ServerRow.state.not_in([state, ServerState.REVOKED]),
            )
            .order_by(ServerRow.name)
        ).all()
        for row in rows:
            row.state = state
            row.modified_on = self._transaction.now
            self._transaction.journal.touched(ChangeKind.SERVER, row.name)
        self._session.flush()
        return [row.name for row in rows]

    def delete(self, name: DataCenterName) -> None:
        """Removes a data center without servers."""
        row = data_center_row(self._session, name)
        inside = self._servers(name)
        if inside:
            raise Conflict(
                f"The data center `{name}` still has the servers {listed(inside)}; "
                "move or delete them first."
            )
        self._session.delete(row)
        self._session.flush()
        self._transaction.journal.touched(ChangeKind.SERVER, name)

    def _servers(self, name: DataCenterName) -> Sequence[ServerName]:
        return self._session.scalars(
            select(ServerRow.name).where(ServerRow.data_center == name).order_by(ServerRow.name)
        ).all()

    def _finish(self, row: DataCenterRow) -> DataCenter:
        self._session.flush()
        self._transaction.journal.touched(ChangeKind.SERVER, row.name)
        return data_center_of(row)


def data_center_of(row: DataCenterRow) -> DataCenter:
    """The row as a value."""
    return DataCenter(
        name=row.name,
        location=row.location,
        created_on=row.created_on,
        modified_on=row.modified_on,
    )
