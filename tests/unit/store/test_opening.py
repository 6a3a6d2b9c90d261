"""Opening: files, migrations, and everything that can be wrong with a database."""

from __future__ import annotations

import sqlite3
import stat
import threading
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, text

from egressway.model.errors import StoreTooNew, StoreUnavailable
from egressway.store import Store
from egressway.store.migrate import newest_version
from egressway.store.schema import Base
from tests.unit.store.world import ALL, account_of, open_store, url_of


def shape_of(url: str) -> dict[str, object]:
    """Everything about the tables that a database tells."""
    engine = create_engine(url)
    look = inspect(engine)
    shape: dict[str, object] = {
        table: (
            [
                (each["name"], str(each["type"]), each["nullable"])
                for each in look.get_columns(table)
            ],
            look.get_pk_constraint(table),
            sorted(map(str, look.get_foreign_keys(table))),
            sorted(map(str, look.get_unique_constraints(table))),
            sorted(map(str, look.get_check_constraints(table))),
            sorted(map(str, look.get_indexes(table))),
        )
        for table in look.get_table_names()
        if table != "alembic_version"
    }
    engine.dispose()
    return shape


def test_the_steps_lead_to_the_schema(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    direct = f"sqlite:///{tmp_path}/direct.db"
    engine = create_engine(direct)
    Base.metadata.create_all(engine)
    engine.dispose()
    migrated = shape_of(url_of(tmp_path))
    assert migrated == shape_of(direct)
    assert set(migrated) == set(Base.metadata.tables)


def test_opening_again_keeps_everything(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        account = account_of(store, "kept")
    with open_store(tmp_path) as store, store.read() as read:
        assert read.accounts.get(account.id) == account


def test_only_the_owner_can_read_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    with open_store(folder) as store:
        account_of(store, "a")
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert set(modes.values()) == {0o600}
    assert {"egressway.db", "egressway.db-wal"} <= set(modes)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_file_that_others_can_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "egressway.db"
    open_store(tmp_path).close()
    path.chmod(0o644)
    open_store(tmp_path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_every_connection_is_durable_and_checks_references(tmp_path: Path) -> None:
    with open_store(tmp_path) as store, store.read() as read:
        said = {
            name: read._session.connection().exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert said == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_a_newer_database_is_refused_with_both_versions(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    path = tmp_path / "egressway.db"
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(StoreTooNew) as caught:
        open_store(tmp_path)
    assert "9999" in caught.value.text
    assert newest_version() in caught.value.text


@pytest.mark.parametrize("folder", ["file/inside", "/proc/egressway"])
def test_an_unwritable_place_is_named_with_what_to_do(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").write_text("not a folder")
    place = tmp_path / folder
    with pytest.raises(StoreUnavailable) as caught:
        open_store(place)
    assert str(place) in caught.value.text
    assert "writable" in caught.value.text


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "egressway.db"
    path.write_text("a letter to a friend, which nobody wants to lose. " * 100)
    with pytest.raises(StoreUnavailable, match="not a database"):
        open_store(tmp_path)
    assert path.read_text().startswith("a letter")


@pytest.mark.parametrize(
    "url", ["", "nonsense", "sqlite://", "sqlite:///:memory:", "oracle://user:secret@host/db"]
)
def test_other_urls_are_refused_without_repeating_secrets(url: str) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        Store.open(url)
    assert "secret" not in caught.value.text


def test_a_path_that_the_url_would_cut_short_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="choose another directory"):
        open_store(tmp_path / "what?")
    assert list(tmp_path.iterdir()) == []


def test_a_database_locked_by_another_process_is_said_and_recovered_from(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        holder = sqlite3.connect(tmp_path / "egressway.db", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked") as caught:
            account_of(store, "late")
        assert caught.value.retry
        with store.read() as read:
            assert read.accounts.list(ALL) == ([], 0)
        holder.close()
        account_of(store, "in time")


def test_errors_of_the_database_do_not_repeat_what_was_to_be_stored(store: Store) -> None:
    with pytest.raises(StoreUnavailable) as caught, store.read() as read:
        read._session.execute(text("SELECT * FROM nowhere WHERE key = :key"), {"key": "secret"})
    assert "nowhere" in str(caught.value.__cause__)
    assert "secret" not in str(caught.value.__cause__)


def test_many_can_open_a_new_database_at_once(tmp_path: Path) -> None:
    stores: list[Store] = []
    threads = [
        threading.Thread(target=lambda: stores.append(open_store(tmp_path))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stores) == 4
    for store in stores:
        account_of(store, "a")
        store.close()
