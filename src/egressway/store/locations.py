"""CONFIG 2 of 5: locations."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from egressway.model.errors import Conflict
from egressway.model.location import Location, LocationChange, LocationDraft, LocationName
from egressway.model.paging import Paging
from egressway.store.changes import ChangeKind
from egressway.store.lists import one_page
from egressway.store.places import listed, location_row
from egressway.store.schema import DataCenterRow, LocationRow
from egressway.store.transaction import Transaction

__all__ = ["LocationReader", "LocationWriter", "location_of"]

_ORDERS: Final = {"name": LocationRow.name, "created_on": LocationRow.created_on}


class LocationReader:
    """Reads locations."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, name: LocationName) -> Location:
        """One location, or NotFound."""
        return location_of(location_row(self._session, name))

    def list(self, paging: Paging) -> tuple[list[Location], int]:
        """One page, and the number of all."""
        query = select(LocationRow)
        return one_page(self._session, query, paging, _ORDERS, (LocationRow.name,), location_of)


class LocationWriter(LocationReader):
    """Changes locations."""

    def __init__(self, transaction: Transaction) -> None:
        super().__init__(transaction.session)
        self._transaction = transaction

    def create(self, draft: LocationDraft) -> Location:
        """A new location; its name is taken once."""
        if self._session.get(LocationRow, draft.name) is not None:
            raise Conflict(f"The location `{draft.name}` already exists.", pointer="/name")
        row = LocationRow(
            name=draft.name,
            latitude=draft.latitude,
            longitude=draft.longitude,
            regions=[*draft.regions],
            created_on=self._transaction.now,
            modified_on=self._transaction.now,
        )
        self._session.add(row)
        return self._finish(row)

    def edit(self, name: LocationName, change: LocationChange) -> Location:
        """Changes what is given; distances and regions follow at once."""
        row = location_row(self._session, name)
        if change.latitude is not None:
            row.latitude = change.latitude
        if change.longitude is not None:
            row.longitude = change.longitude
        if change.regions is not None:
            row.regions = [*change.regions]
        row.modified_on = self._transaction.now
        return self._finish(row)

    def delete(self, name: LocationName) -> None:
        """Removes a location without data centers."""
        row = location_row(self._session, name)
        inside = self._session.scalars(
            select(DataCenterRow.name)
            .where(DataCenterRow.location == name)
            .order_by(DataCenterRow.name)
        ).all()
        if inside:
            raise Conflict(
                f"The location `{name}` still has the data centers {listed(inside)}; "
                "move or delete them first."
            )
        self._session.delete(row)
        self._session.flush()
        self._transaction.journal.touched(ChangeKind.SERVER, name)

    def _finish(self, row: LocationRow) -> Location:
        self._session.flush()
        self._transaction.journal.touched(ChangeKind.SERVER, row.name)
        return location_of(row)


def location_of(row: LocationRow) -> Location:
    """The row as a value."""
    return Location(
        name=row.name,
        latitude=row.latitude,
        longitude=row.longitude,
        regions=tuple(row.regions),
        created_on=row.created_on,
        modified_on=row.modified_on,
    )
