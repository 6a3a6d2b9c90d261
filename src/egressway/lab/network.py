"""Makes the network of a plan: namespaces, bridges, cables, routes. What a person would type, in order."""

from __future__ import annotations

from typing import Final

from egressway.lab.namespaces import connect, existing
from egressway.lab.plan import BRIDGE, Host, Plan, Router

__all__ = ["build_network", "remove_network"]

_EVERYWHERE: Final[dict[str, int | str]] = {
    # Paths may differ there and back: that is what the lab is about.
    "net.ipv4.conf.all.rp_filter": 0,
    "net.ipv4.conf.default.rp_filter": 0,
    # Thousands of connections begin within a second.
    "net.core.somaxconn": 65_535,
    "net.ipv4.tcp_max_syn_backlog": 65_535,
}
_ON_ROUTERS: Final[dict[str, int | str]] = {
    **_EVERYWHERE,
    "net.ipv4.ip_forward": 1,
    "net.ipv6.conf.all.forwarding": 1,
    # Equal paths are chosen by addresses and ports, so a connection keeps its path.
    "net.ipv4.fib_multipath_hash_policy": 1,
    "net.ipv6.fib_multipath_hash_policy": 1,
    "net.ipv4.conf.all.send_redirects": 0,
    "net.ipv4.conf.default.send_redirects": 0,
}
_ON_HOSTS: Final[dict[str, int | str]] = {
    **_EVERYWHERE,
    "net.ipv4.ip_local_port_range": "10000 65000",
    "net.ipv6.conf.all.accept_ra": 0,
}


def build_network(plan: Plan) -> None:
    """Everything but the processes."""
    for namespace in plan.namespaces():
        namespace.create()
    for router in plan.routers:
        _prepare_router(router)
    for host in plan.hosts():
        host.namespace.sysctl(_ON_HOSTS)
    for one, other in plan.cables:
        connect(one, other)
    for host in plan.hosts():
        _route(host)


def remove_network(prefix: str) -> None:
    """End every process in the lab's namespaces, and the namespaces with all that is in them."""
    found = existing(prefix)
    # All first, so that nobody starts again what has just been ended.
    for namespace in found:
        namespace.kill_all()
    for namespace in found:
        namespace.remove()


def _prepare_router(router: Router) -> None:
    router.namespace.sysctl(_ON_ROUTERS)
    if router.bridge:
        router.namespace.ip(
            [
                f"link add {BRIDGE} type bridge",
                f"link set {BRIDGE} up",
                *(f"address add {address} dev {BRIDGE}" for address in router.bridge),
            ]
        )


def _route(host: Host) -> None:
    host.namespace.ip(
        f"route add default via {gateway}" for gateway in (host.gateway, host.gateway6)
    )
