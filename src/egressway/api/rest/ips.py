"""`/ips`: the shared pool, for origins that admit everybody's egress.

CONFIG 1 of 5. Public, like the pool itself; dedicated addresses are never listed here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from ipaddress import ip_network
from typing import Annotated, Final

from litestar import get
from litestar.handlers import HTTPRouteHandler
from msgspec import Meta, Struct

from egressway.api.access import PUBLIC
from egressway.api.envelope import Answer, answer
from egressway.api.parameters import Given, GivenStore
from egressway.api.settings import ApiSettings
from egressway.model.address import IPNetwork

__all__ = ["HANDLERS"]


class SharedRanges(Struct, frozen=True):
    """The ranges of the shared pool."""

    etag: Annotated[str, Meta(description="A digest; equal exactly when the ranges are equal")]
    ipv4_cidrs: list[str]
    ipv6_cidrs: list[str]


@get("/ips", operation_id="ips.list", tags=["ips"], opt=PUBLIC, sync_to_thread=True)
def list_ips(store: GivenStore, settings: Given[ApiSettings]) -> Answer[SharedRanges]:
    """Where requests of zones without dedicated egress leave from."""
    with store.read() as read:
        dedicated = {ip_network(ip) for pool in read.pools_for_snapshot() for ip in pool.ips}
    v4 = _texts(settings.shared_ipv4_cidrs, dedicated)
    v6 = _texts(settings.shared_ipv6_cidrs, dedicated)
    digest = hashlib.sha256("\n".join([*v4, *v6]).encode()).hexdigest()
    return answer(SharedRanges(etag=digest[:32], ipv4_cidrs=v4, ipv6_cidrs=v6))


HANDLERS: Final[list[HTTPRouteHandler]] = [list_ips]


def _texts(networks: Sequence[IPNetwork], dedicated: Collection[IPNetwork]) -> list[str]:
    """An address of the shared pool that is put into another pool leaves the shared one."""
    ranges = [each for each in dedicated if each.version == 6 and each.num_addresses > 1]
    return sorted(
        str(network)
        for network in networks
        if network not in dedicated and not any(network.overlaps(each) for each in ranges)
    )
