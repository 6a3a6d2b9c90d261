"""What a NATS server of the fleet needs: a certificate of the built-in authority, and who may say what.

A server of the fleet may tell what is its own (acknowledgement, report, held connections) and read the
configuration of its class, with no keys in it that are confined to regions it does not lie in. Only
control planes publish that: a server that falls into other hands cannot lead the
others astray. A revoked server is not in the list; after a reload NATS ends its connections.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

from egressway.bus import nats_names
from egressway.distribution.compile import compile_topology
from egressway.identity.authority import Authority
from egressway.identity.names import BUS_NAME, CONTROL_NAME, node_name
from egressway.identity.node_key import NodeKey
from egressway.identity.private_file import write_private
from egressway.model.address import IPAddress
from egressway.model.errors import StoreError
from egressway.services.bus_start import node_client
from egressway.services.configuration import (
    Configuration,
    ConfigurationError,
    load_configuration,
)
from egressway.services.enrolment import shared_authority
from egressway.services.start_error import StartError
from egressway.services.store_start import open_store
from egressway.store import Store
from egressway.wire.fleet import Topology
from egressway.wire.region_class import class_of, classes, may_read
from egressway.wire.snapshot import Settings

__all__ = ["PID_FILE", "USERS_FILE", "bus_topology", "prepare_bus", "users_text", "write_bus_files"]

CERTIFICATE_DAYS: Final = 365
USERS_FILE: Final = "users.conf"
PID_FILE: Final = "nats.pid"


def prepare_bus(
    config: Path | None, data: Path | None, to: Path, hosts: Sequence[str], port: int
) -> Sequence[str]:
    """Write the files; or everything that speaks against it, one line each."""
    try:
        configuration = load_configuration(config, data, os.environ)
        write_bus_files(configuration, to, hosts, port)
    except ConfigurationError as refused:
        return refused.problems
    except StartError as failure:
        return [str(failure)]
    except StoreError as failure:
        return [failure.text]
    except OSError as failure:
        return [f"`{to}` cannot be written: {failure.strerror}. Give another with `--to`."]
    return []


def write_bus_files(
    configuration: Configuration, to: Path, hosts: Sequence[str], port: int
) -> None:
    """A certificate and `users.conf`, replaced where they are there; and `nats.conf`, which is not: it
    is the operator's to change.
    """
    store = open_store(configuration)
    try:
        to.mkdir(mode=0o700, parents=True, exist_ok=True)
        authority = shared_authority(store)
        _write_certificate(authority, to, hosts)
        write_private(to / USERS_FILE, users_text(bus_topology(store)))
        if not (to / "nats.conf").exists():
            write_private(to / "nats.conf", _configuration(to, port))
    finally:
        store.close()


def _write_certificate(authority: Authority, to: Path, hosts: Sequence[str]) -> None:
    names, addresses = _split(hosts)
    key = NodeKey.generate()
    issued = authority.issue_service(
        BUS_NAME,
        names,
        addresses,
        key.public,
        datetime.now(UTC),
        timedelta(days=CERTIFICATE_DAYS),
    )
    write_private(to / "bus.key", key.pem.decode("ascii"))
    write_private(to / "bus.pem", issued.chain.decode("ascii"))
    write_private(to / "authority.pem", authority.certificate_pem.decode("ascii"))


def _split(hosts: Sequence[str]) -> tuple[list[str], list[IPAddress]]:
    names: list[str] = []
    addresses: list[IPAddress] = []
    for host in hosts:
        try:
            addresses.append(ip_address(host))
        except ValueError:
            names.append(host)
    return names, addresses


def _configuration(to: Path, port: int) -> str:
    """NATS reads JSON, but for `include`."""
    settings = {
        "port": port,
        "pid_file": str(to / PID_FILE),
        "jetstream": {"store_dir": str(to / "streams")},
        "tls": {
            "cert_file": str(to / "bus.pem"),
            "key_file": str(to / "bus.key"),
            "ca_file": str(to / "authority.pem"),
            "verify_and_map": True,
        },
    }
    lines = [f"{key}: {json.dumps(value)}" for key, value in settings.items()]
    return "\n".join([*lines, f"include {USERS_FILE}"])


def bus_topology(store: Store) -> Topology:
    """What decides who may say and hear what."""
    with store.read() as read:
        return compile_topology(read, Settings())


def users_text(topology: Topology, before: Collection[str] = ()) -> str:
    """Who may connect, and what each may say and hear.

    A server that has come into a region hears of it in its class of `before`, so it may read on there:
    of all classes that exist or did, those without a key that it must not have.
    """
    known = sorted({*classes(topology), *before})
    users: list[dict[str, Any]] = [{"user": CONTROL_NAME}]
    for server in topology.servers:
        if server.state != "revoked":
            own = class_of(server, topology)
            users.append(_node(server.name, [each for each in known if may_read(own, each)]))
    return f"authorization: {json.dumps({'users': users}, indent=1)}"


def _node(server: str, readable: Sequence[str]) -> dict[str, Any]:
    return {
        "user": node_name(server),
        "permissions": {
            "publish": list(nats_names.said_by(server, readable)),
            "subscribe": list(nats_names.heard_by(node_client(server), readable)),
        },
    }
