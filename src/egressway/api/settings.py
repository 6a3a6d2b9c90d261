"""What the operator may set about the API.

CONFIG 1 of 5. Built by `services` from the configuration file; every field has a value that is
right for one machine.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

__all__ = ["ApiSettings", "Quota"]


@dataclass(frozen=True, slots=True)
class Quota:
    """At most `requests` in `window_seconds`; past it all calls wait `penalty_seconds`."""

    requests: int
    window_seconds: float
    penalty_seconds: float

    def __post_init__(self) -> None:
        if self.requests < 1 or self.window_seconds <= 0 or self.penalty_seconds <= 0:
            raise ValueError(f"a quota needs positive numbers, not {self!r}")


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """Immutable; a change of settings is a new application."""

    token_quota: Quota = field(default=Quota(1200, 300.0, 300.0))
    """Per token; exceeding it blocks the token for the next five minutes."""

    ip_quota: Quota = field(default=Quota(200, 1.0, 1.0))
    """Per client address; failed authentication counts too."""

    operator_is_limited: bool = False
    """Whether the operator token is held to both quotas."""

    max_body_bytes: int = 1024 * 1024
    """A larger request body answers 413."""

    shared_ipv4_cidrs: tuple[IPv4Network, ...] = ()
    shared_ipv6_cidrs: tuple[IPv6Network, ...] = ()
    """The shared pool, published by `GET /client/v4/ips`."""
