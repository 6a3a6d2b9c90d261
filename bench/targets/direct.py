"""No proxy: the load generator on the origin itself, to show that neither is the limit."""

from __future__ import annotations

from bench import origin
from bench.cases import Protocol
from bench.targets.target import Place, Ports, Target


def _configure(_target: Target, _place: Place) -> list[str]:
    return []


DIRECT = Target(
    name="direct",
    title="no proxy",
    source=None,
    ports=Ports(origin.PORT, origin.PORT, origin.PORT),
    logs=False,
    protocols=frozenset({Protocol.HTTP1}),
    configure=_configure,
)
