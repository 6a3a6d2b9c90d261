"""What only PostgreSQL can do: be shared by processes, be gone, come back, and speak another language."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, insert, text, update

from egressway.model.account import Account, AccountDraft
from egressway.model.errors import (
    Conflict,
    Invalid,
    NotFound,
    StoreTooNew,
    StoreUnavailable,
    StoreUncertain,
)
from egressway.model.ids import ZoneId
from egressway.model.paging import Paging
from egressway.model.zone import Zone
from egressway.store import Store
from egressway.store.byte_order import order_by_bytes
from egressway.store.engine import open_engine
from egressway.store.schema import AccountRow, Base, HostRow, LeaseRow
from tests.support.postgres import Postgres
from tests.support.waiting import eventually
from tests.unit.store.test_opening import shape_of
from tests.unit.store.world import ALL, account_of, lease_of, record_of, zone_of


@pytest.fixture
def url(postgres: Postgres) -> Iterator[str]:
    made = postgres.new_url()
    yield made
    postgres.drop(made)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store.open(url) as opened:
        yield opened


@pytest.fixture
def own_server() -> Iterator[Postgres]:
    """For tests that stop it."""
    with Postgres() as server:
        yield server


def end_connections(postgres: Postgres, url: str) -> None:
    """What a restart or a firewall does to everybody who is connected to the database."""
    name = url.rpartition("/")[2]
    postgres.tell(
        f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{name}'"
    )


def test_the_steps_lead_to_the_schema(postgres: Postgres, url: str) -> None:
    direct = postgres.empty_url()
    engine = create_engine(direct.replace("postgresql", "postgresql+psycopg"))
    with engine.begin() as connection:
        Base.metadata.create_all(connection)
        order_by_bytes(connection)
    engine.dispose()
    with postgres_of(url) as guarded:  # a guard over several rows, which only the step can make
        guarded.execute("ALTER TABLE port_slice DROP CONSTRAINT port_slice_overlap")
    migrated = shape_of(url.replace("postgresql", "postgresql+psycopg"))
    assert migrated == shape_of(direct.replace("postgresql", "postgresql+psycopg"))
    assert set(migrated) == set(Base.metadata.tables)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_the_usual_spellings_of_the_url_mean_the_same(url: str, scheme: str) -> None:
    with Store.open(url.replace("postgresql:", f"{scheme}:")) as store:
        account_of(store, "a")


def test_replicas_can_start_on_an_empty_database_at_once(postgres: Postgres) -> None:
    url = postgres.empty_url()
    stores: list[Store] = []
    threads = [threading.Thread(target=lambda: stores.append(Store.open(url))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stores) == 4
    for number, store in enumerate(stores):
        account_of(store, f"a{number}")
    with stores[0].read() as read:
        assert read.accounts.list(ALL)[1] == 4
    for store in stores:
        store.close()


def test_text_is_sorted_by_bytes_in_a_database_of_any_language(postgres: Postgres) -> None:
    url = postgres.empty_url("TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'")
    with Store.open(url) as store:
        for name in ("a", "B", "c"):
            account_of(store, name)
        with store.read() as read:
            accounts, _ = read.accounts.list(Paging(order="name", per_page=50))
    assert [account.name for account in accounts] == ["B", "a", "c"]
    with postgres_of(url) as connection:
        found = connection.execute('SELECT name FROM account ORDER BY name COLLATE "default"')
        assert [name for (name,) in found] == ["a", "B", "c"]


def postgres_of(url: str) -> closing[psycopg.Connection[tuple[object, ...]]]:
    return closing(psycopg.connect(url, autocommit=True))


def test_a_database_that_cannot_keep_every_letter_is_refused(postgres: Postgres) -> None:
    url = postgres.empty_url("TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    with pytest.raises(StoreUnavailable, match=r"LATIN1.*createdb"):
        Store.open(url)


def test_a_newer_database_is_refused(url: str) -> None:
    with postgres_of(url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreTooNew, match="9999"):
        Store.open(url)


def test_what_is_wrong_with_the_url_is_said_without_its_password(postgres: Postgres) -> None:
    port = postgres.port
    for url, said in (
        ("postgresql://egressway:secret@127.0.0.1/", "names no database"),
        (f"postgresql://egressway:secret@127.0.0.1:{port}/nowhere", "nowhere.* does not exist"),
        (f"postgresql://nobody:secret@127.0.0.1:{port}/postgres", "does not let this user in"),
        ("postgresql://egressway:secret@127.0.0.1:1/db", "db on 127.0.0.1:1 cannot be reached"),
    ):
        with pytest.raises(StoreUnavailable, match=said) as caught:
            Store.open(url)
        assert "secret" not in caught.value.text
        assert "secret" not in str(caught.value.__cause__)


def test_a_reader_cannot_write(store: Store) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be written"), store.read() as read:
        read._session.execute(text("DELETE FROM account"))


def test_acknowledged_means_on_disk_whatever_the_database_is_set_to(
    postgres: Postgres, url: str
) -> None:
    name = url.rpartition("/")[2]
    postgres.tell(f"ALTER DATABASE {name} SET synchronous_commit = off")
    with Store.open(url) as store, store.write("test") as write:
        said = write._session.scalar(text("SHOW synchronous_commit"))
    assert said == "on"
    postgres.tell(f"ALTER DATABASE {name} SET synchronous_commit = remote_apply")
    with Store.open(url) as store, store.write("test") as write:
        said = write._session.scalar(text("SHOW synchronous_commit"))
    assert said == "remote_apply", "more than is needed is left alone"


def test_guards_of_the_database_say_what_the_writers_would(
    store: Store, account: Account, zone: Zone
) -> None:
    lease = lease_of(store, account, "192.0.2.1")
    record_of(store, zone, "www")
    below = zone_of(store, account, "www.example.com")
    times = {"created_on": lease.created_on, "modified_on": lease.created_on}
    for statement, said, pointer in (
        (
            insert(LeaseRow).values(id="0" * 32, account_id=account.id, ip=lease.ip, **times),
            "already leased",
            "/ip",
        ),
        (insert(HostRow).values(name="www.example.com", zone_id=below.id), "another zone", "/name"),
        (text(f"UPDATE zone SET name = '{zone.name}'"), "already exists", "/name"),
        (text("UPDATE port_slice SET server = 'nobody'"), "contradicts", None),
    ):
        with pytest.raises(Conflict, match=said) as caught, store.write("test") as write:
            write._session.execute(statement)
        assert caught.value.pointer == pointer


def test_errors_do_not_repeat_rows(store: Store, account: Account) -> None:
    statement = update(AccountRow).values(abuse_contact_email="secret@example.com", type=None)
    with pytest.raises(Conflict) as caught, store.write("test") as write:
        write._session.execute(statement)
    cause = caught.value.__cause__
    assert cause is not None
    assert "null value" in str(cause)
    assert "secret" not in str(cause)
    assert "secret" not in str(cause.__cause__)


def test_what_no_column_can_hold_is_the_callers_fault(store: Store) -> None:
    for name in ("a\0b", "x" * 200):
        with pytest.raises(Invalid, match="cannot be stored"), store.write("test") as write:
            write._session.execute(update(AccountRow).values(name=name))
        account_of(store, "the next one works")
    with pytest.raises(NotFound), store.read() as read:
        read.zones.get(ZoneId("a\0b"))


def test_a_broken_connection_is_replaced_before_anybody_notices(
    postgres: Postgres, url: str, store: Store
) -> None:
    account = account_of(store, "a")
    end_connections(postgres, url)
    with store.read() as read:
        assert read.accounts.get(account.id) == account
    end_connections(postgres, url)
    account_of(store, "b")


def test_a_connection_that_breaks_in_between_undoes_the_change(
    postgres: Postgres, url: str, store: Store
) -> None:
    account = account_of(store, "a")
    before = store.latest_revision()

    def fail() -> None:
        with store.write("test") as write:
            write.accounts.delete(account.id)
            end_connections(postgres, url)

    with pytest.raises(StoreUnavailable) as caught:
        fail()
    assert caught.value.retry
    assert store.latest_revision() == before
    with store.read() as read:
        assert read.accounts.get(account.id) == account


def test_a_connection_that_breaks_while_storing_leaves_no_false_promise(
    postgres: Postgres, url: str, store: Store
) -> None:
    account = account_of(store, "a")

    def fail() -> None:
        with store.write("test") as write:
            write.accounts.delete(account.id)
            write._session.flush()
            write._session.connection()
            commit = write._session.commit

            def broken() -> None:
                end_connections(postgres, url)
                commit()

            write._session.commit = broken  # type: ignore[method-assign]

    with pytest.raises(StoreUncertain, match="read again before you repeat it") as caught:
        fail()
    assert not caught.value.retry
    with store.read() as read:
        assert read.accounts.get(account.id) == account


def test_a_server_that_is_gone_is_said_and_recovered_from(own_server: Postgres) -> None:
    with Store.open(own_server.new_url()) as store:
        account = account_of(store, "a")
        own_server.stop()
        with pytest.raises(StoreUnavailable) as caught:
            account_of(store, "late")
        assert caught.value.retry
        with pytest.raises(StoreUnavailable, match="cannot be reached"), store.read():
            raise AssertionError("nothing can be read")
        own_server.start()
        with store.read() as read:
            assert read.accounts.list(ALL) == ([account], 1)
        account_of(store, "in time")


def test_a_former_primary_is_left_for_the_present_one(postgres: Postgres, url: str) -> None:
    name = url.rpartition("/")[2]
    with Store.open(url) as store:
        postgres.tell(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        end_connections(postgres, url)
        with pytest.raises(StoreUnavailable, match="standby") as caught:
            account_of(store, "late")
        assert caught.value.retry
        postgres.tell(f"ALTER DATABASE {name} SET default_transaction_read_only = off")
        account_of(store, "over a new connection")


def test_a_writer_that_hangs_loses_its_turn(url: str, store: Store) -> None:
    def hang() -> None:
        with Store.open(url) as hanging, hanging.write("hanging") as write:
            write.accounts.create(AccountDraft("of the hanging one"))
            soon = "SET LOCAL idle_in_transaction_session_timeout = '100ms'"
            write._session.execute(text(soon))
            account_of(store, "of the next one")

    with pytest.raises(StoreUnavailable, match="waited too long"):
        hang()
    with store.read() as read:
        assert [each.name for each in read.accounts.list(ALL)[0]] == ["of the next one"]


def test_changes_of_another_process_wake_the_listeners(url: str, store: Store) -> None:
    heard: list[int] = []
    own: list[int] = []
    with Store.open(url) as other:
        leave = store.on_change(heard.append)
        other.on_change(own.append)
        account_of(other, "a")
        newest = other.latest_revision()
        assert own.count(newest) == 1, "told once, by the writer itself"
        eventually(lambda: newest in heard)
        leave()
        account_of(other, "b")
        eventually(lambda: other.latest_revision() in own)
        assert other.latest_revision() not in heard


def test_a_listener_hears_what_happened_while_its_connection_was_broken(
    postgres: Postgres, url: str, store: Store
) -> None:
    heard: list[int] = []
    store.on_change(heard.append)
    with Store.open(url) as other:
        account_of(other, "a")
        eventually(lambda: other.latest_revision() in heard)
        end_connections(postgres, url)
        account_of(other, "b")
        eventually(lambda: other.latest_revision() in heard)


def test_an_engine_alone_connects_to_nobody() -> None:
    open_engine("postgresql://egressway@127.0.0.1:1/db").dispose()


def test_the_newest_revision_is_the_same_for_all(url: str, store: Store, tmp_path: Path) -> None:
    assert store.latest_revision() == 0
    with Store.open(url) as other:
        account_of(other, "a")
        assert store.latest_revision() == other.latest_revision() > 0
