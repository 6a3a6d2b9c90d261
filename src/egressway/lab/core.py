"""The core: PostgreSQL, NATS and `egressway control` in a namespace of their own.

Everything of it can be stopped and started again alone, as a scenario asks. The engines are Debian's;
the directory says which paths they are looked for in.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Final

from egressway.lab.errors import LabError
from egressway.lab.namespaces import run
from egressway.lab.plan import Plan
from egressway.lab.process import LabProcess, wait_until
from egressway.lab.requirements import postgres_programs
from egressway.lab.run_directory import RunDirectory

__all__ = ["API_PORT", "ENROLMENT_PORT", "Core"]

API_PORT: Final = 8600
ENROLMENT_PORT: Final = 8601
_NATS_PORT: Final = 4222
_DATABASE_USER: Final = "postgres"
_START_SECONDS: Final = 60.0


class Core:
    """Three processes."""

    def __init__(self, plan: Plan, directory: RunDirectory) -> None:
        self._host = plan.core
        self._directory = directory
        self._postgres_home = directory.path / "postgres"
        self.postgres = self._process("postgres", *self._postgres_command())
        self.bus = self._process("nats", "nats-server", "-c", str(self._nats_config))
        self.control = self._process(
            "control",
            *(sys.executable, "-m", "egressway.services.main", "control"),
            *("--data", str(self._control_data), "--config", str(self._control_config)),
        )

    @property
    def operator_token(self) -> Path:
        """The file with the operator's token, once control has run."""
        return self._control_data / "admin-token"

    @property
    def bus_url(self) -> str:
        """Where nodes find the bus."""
        return f"tls://{self._host.address}:{_NATS_PORT}"

    @property
    def enrolment_url(self) -> str:
        """Where nodes join."""
        return f"https://{self._host.address}:{ENROLMENT_PORT}"

    def start(self) -> None:
        """All three, in their order, until control answers."""
        self._make_database()
        self._write_configuration()
        self.postgres.start()
        wait_until(self._is_database_ready, _START_SECONDS, "PostgreSQL takes connections", 0.1)
        self._prepare_bus()
        self.start_bus()
        self.start_control()

    def start_bus(self) -> None:
        """NATS alone, until it listens."""
        self.bus.start()
        self._wait_for(self.bus, _NATS_PORT)

    def start_control(self) -> None:
        """Control alone, until its API listens."""
        self.control.start()
        self._wait_for(self.control, API_PORT)
        self._wait_for(self.control, ENROLMENT_PORT)

    @property
    def _nats_config(self) -> Path:
        return self._directory.path / "nats" / "nats.conf"

    @property
    def _control_config(self) -> Path:
        return self._directory.path / "control" / "egressway.toml"

    @property
    def _control_data(self) -> Path:
        return self._directory.path / "control" / "data"

    def _process(self, name: str, *command: str) -> LabProcess:
        return LabProcess(name, self._host.namespace, command, self._directory)

    def _write_configuration(self) -> None:
        address = str(self._host.address)
        self._directory.of("control")
        self._control_config.write_text(
            f"""
            [store]
            url = "postgresql://{_DATABASE_USER}@{address}/{_DATABASE_USER}"
            [bus]
            url = "{self.bus_url}"
            files = "{self._nats_config.parent}"
            [api]
            address = "{address}"
            port = {API_PORT}
            [fleet]
            enrolment_address = "{address}"
            enrolment_port = {ENROLMENT_PORT}
            [limits]
            # Scenarios hold requests unanswered for as long as they need.
            first_byte_ms = 600000
            """,
            "ascii",
        )

    def _prepare_bus(self) -> None:
        """Certificate, users and settings, by the product's own command."""
        self._host.namespace.run(
            *(sys.executable, "-m", "egressway.services.main", "prepare-bus"),
            *("--to", str(self._nats_config.parent), "--host", str(self._host.address)),
            *("--data", str(self._control_data), "--config", str(self._control_config)),
        )

    def _make_database(self) -> None:
        home = self._directory.of("postgres")
        shutil.chown(home, _DATABASE_USER, _DATABASE_USER)
        run(
            *_as_database_user(),
            *(str(_postgres_program("initdb")), "--no-sync", "--auth=trust"),
            *("--encoding=UTF8", "--locale=C", "-D", str(home / "data")),
        )
        with (home / "data" / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {self._host.address}/32 trust\n")

    def _postgres_command(self) -> list[str]:
        settings = {
            "listen_addresses": str(self._host.address),
            "unix_socket_directories": str(self._postgres_home),
            # A lab's data may be lost with the machine; it goes with the lab anyway.
            "fsync": "off",
            "synchronous_commit": "off",
            "shared_buffers": "32MB",
        }
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        data = str(self._postgres_home / "data")
        return [*_as_database_user(), str(_postgres_program("postgres")), "-D", data, *options]

    def _is_database_ready(self) -> bool:
        self.postgres.must_run()
        try:
            run(
                *(str(_postgres_program("pg_isready")), "-q"),
                *("-h", str(self._postgres_home), "-U", _DATABASE_USER),
            )
        except LabError:
            return False
        return True

    def _wait_for(self, process: LabProcess, port: int) -> None:
        def is_listening() -> bool:
            process.must_run()
            return self._host.namespace.is_listening(str(self._host.address), port)

        wait_until(is_listening, _START_SECONDS, f"`{process.name}` listens on port {port}", 0.05)


def _as_database_user() -> list[str]:
    # PostgreSQL refuses to run as root.
    user = f"--reuid={_DATABASE_USER}"
    return ["setpriv", user, f"--regid={_DATABASE_USER}", "--clear-groups"]


def _postgres_program(name: str) -> Path:
    programs = postgres_programs()
    if programs is None:
        raise LabError("PostgreSQL is not installed. Install it: `apt-get install postgresql`.")
    return programs / name
