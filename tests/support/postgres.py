"""A PostgreSQL server of our own, in a directory that vanishes with it; no service of the host is touched.

It listens on a port of loopback, and ends with the process that started it. Databases come from a
template that was migrated once, which is faster than taking all steps for every test.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from egressway.store import Store
from tests.support.addresses import listening_port
from tests.support.waiting import eventually

_USER = "egressway"
_TEMPLATE = "template_of_tests"
_START_SECONDS = 60.0
# What is kept matters to no one after the run: the disk need not confirm it.
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_connections": "400",
    "log_min_messages": "warning",
}


def _programs() -> Path:
    """The newest of Debian's versions, which are not in the path; or wherever `initdb` is."""
    versions = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name)
    )
    found = shutil.which("initdb")
    assert versions or found, "PostgreSQL is missing: scripts/install_test_tools test"
    return versions[-1] if versions else Path(str(found)).parent


def _unprivileged() -> list[str]:
    """The server refuses to run as root, and must not outlive a test run that was killed."""
    command = ["setpriv", "--pdeathsig=QUIT"]
    if os.geteuid() == 0:
        command += ["--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    return command


class Postgres:
    """Runs for as long as its block lasts."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="egressway-postgres-"))
        self.port = listening_port()
        self._numbers = itertools.count()
        self._process: subprocess.Popen[bytes] | None = None
        self._has_template = False

    def __enter__(self) -> Self:
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self._folder, nobody.pw_uid, nobody.pw_gid)
        self._run(
            *("initdb", "--pgdata", str(self._data), "--username", _USER, "--auth", "trust"),
            *("--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"),
        )
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        shutil.rmtree(self._folder)

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text(encoding="utf-8")

    def start(self) -> None:
        """Starts it, on the same port and the same data as before."""
        settings = {
            **_SETTINGS,
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*_unprivileged(), _programs() / "postgres", "-D", self._data, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
            )
        eventually(self._is_up, within=_START_SECONDS, why="PostgreSQL answers")

    def stop(self) -> None:
        """Ends every connection, and then the server."""
        assert self._process is not None
        self._run("pg_ctl", "stop", "--pgdata", str(self._data), "--mode", "fast", "--silent")
        self._process.wait(_START_SECONDS)

    def new_url(self) -> str:
        """The URL of a new database, with all steps taken already."""
        if not self._has_template:
            Store.open(self.url_of(self.create(_TEMPLATE))).close()
            self._has_template = True
        return self.url_of(self.create(self._new_name(), f"TEMPLATE {_TEMPLATE}"))

    def empty_url(self, options: str = "") -> str:
        """The URL of a new database with nothing in it."""
        return self.url_of(self.create(self._new_name(), options))

    def url_of(self, database: str) -> str:
        return f"postgresql://{_USER}@127.0.0.1:{self.port}/{database}"

    def create(self, database: str, options: str = "") -> str:
        """A database; its name."""
        self.tell(f'CREATE DATABASE "{database}" {options}')
        return database

    def drop(self, url: str) -> None:
        """Removes a database, even if somebody is connected to it."""
        self.tell(f'DROP DATABASE "{url.rpartition("/")[2]}" WITH (FORCE)')

    def tell(self, statement: str) -> None:
        """A statement outside every database of the tests."""
        with psycopg.connect(self.url_of("postgres"), autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[call-overload]

    def _new_name(self) -> str:
        return f"test_{next(self._numbers)}"

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [*_unprivileged(), _programs() / program, *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=self._folder,
        )
        assert done.returncode == 0, done.stderr

    def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log
        try:
            psycopg.connect(self.url_of("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True
