"""Snapshots for the data plane under measurement; layout: `data-plane/snapshot/src/wire.rs`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from bench import origin
from bench.certificates import CertificatePair

WIRE = 2
SHARED_POOL = "shared"


@dataclass(frozen=True, slots=True)
class Slice:
    """Egress ports of one address, inclusive; the cap is all of them."""

    first: int = 20_000
    last: int = 59_999

    @property
    def ports(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Listener:
    """A port of 127.0.0.1; 0 lets the kernel choose."""

    port: int
    tls: bool = False


def snapshot(
    zones: Iterable[dict[str, Any]],
    pools: list[dict[str, Any]],
    listeners: list[Listener],
    settings: dict[str, Any] | None = None,
    fleet: dict[str, Any] | None = None,
) -> bytes:
    """A whole snapshot, encoded; `pools` must hold one named `SHARED_POOL`."""
    limits = {
        "allowed_origins": ["127.0.0.0/8"],
        # One load generator stands for all the world's clients.
        "max_connections_per_client": 1_000_000,
        "max_requests_per_connection": 1_000_000_000,
        **(settings or {}),
    }
    return msgspec.msgpack.encode(
        {
            "wire": WIRE,
            "revision": 1,
            "settings": limits,
            "listeners": [
                {"address": "127.0.0.1", "port": each.port, "tls": each.tls} for each in listeners
            ],
            "pools": pools,
            "shared_pool": SHARED_POOL,
            "zones": list(zones),
            **({"fleet": fleet} if fleet else {}),
        }
    )


def pool(name: str, address: str, ports: Slice) -> dict[str, Any]:
    """A pool of one address with one slice."""
    entry = {"ip": address, "slices": [(ports.first, ports.last)], "cap": ports.ports}
    return {"id": name, "addresses": [entry]}


def zone(
    name: str,
    pool_id: str | None = None,
    certificate: CertificatePair | None = None,
    origin_port: int = origin.PORT,
) -> dict[str, Any]:
    """A zone with one hostname and the benchmark's origin."""
    home = {"address": origin.ADDRESS, "port": origin_port, "scheme": "http"}
    entry: dict[str, Any] = {
        "id": f"zone-{name}",
        "account": "bench",
        "name": name,
        "pool": pool_id,
        "hosts": [{"name": name, "origins": [home]}],
    }
    if certificate is not None:
        entry["certificates"] = [
            {
                "id": f"certificate-{name}",
                "hosts": [name],
                "chain": [certificate.certificate_der],
                "key": certificate.key_pkcs8_der,
            }
        ]
    return entry
