"""Of all paths: an origin, the customer's server that requests go to, and how a record describes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from egressway.model.address import IPAddress
from egressway.model.errors import Invalid
from egressway.model.hostname import Hostname, parse_hostname
from egressway.model.members import as_bool, as_choice, as_int, refuse_unknown
from egressway.model.setting import SslMode

__all__ = ["Origin", "OriginDetails", "OriginScheme", "OriginVerify", "resolve_origin"]

_Choice = TypeVar("_Choice", bound=StrEnum)


class OriginScheme(StrEnum):
    """What is spoken to the origin; h2c is HTTP/2 over TCP with prior knowledge."""

    HTTP = "http"
    HTTPS = "https"
    H2C = "h2c"


class OriginVerify(StrEnum):
    """What must be true of an origin's certificate: nothing; in date; trusted and for the name."""

    OFF = "off"
    FULL = "full"
    STRICT = "strict"


@dataclass(frozen=True, slots=True)
class OriginDetails:
    """`settings` of a record: how to speak to its address. None is the default of the zone."""

    port: int | None = None
    scheme: OriginScheme | None = None
    sni: Hostname | None = None
    host: Hostname | None = None
    http2: bool | None = None
    verify: OriginVerify | None = None
    ipv4_only: bool | None = None
    ipv6_only: bool | None = None

    @property
    def is_default(self) -> bool:
        """Whether nothing about the origin has been said."""
        return self in (
            OriginDetails(ipv4_only=self.ipv4_only, ipv6_only=self.ipv6_only),
            OriginDetails(),
        )

    def members(self) -> dict[str, object]:
        """As the API writes them, without those that are not set."""
        every: dict[str, object] = {
            "origin_port": self.port,
            "origin_scheme": None if self.scheme is None else self.scheme.value,
            "origin_sni": self.sni,
            "origin_host": self.host,
            "origin_http2": self.http2,
            "origin_verify": None if self.verify is None else self.verify.value,
            "ipv4_only": self.ipv4_only,
            "ipv6_only": self.ipv6_only,
        }
        return {name: value for name, value in every.items() if value is not None}

    @classmethod
    def parse(cls, members: Mapping[str, object], prefix: str = "/settings") -> OriginDetails:
        """From the member `settings`; null is the same as absent."""
        refuse_unknown(members, _MEMBERS, prefix)
        given = {name: value for name, value in members.items() if value is not None}
        details = cls(
            port=_port(given, prefix),
            scheme=_one_of(OriginScheme, given, "origin_scheme", prefix),
            sni=_name(given, "origin_sni", prefix),
            host=_name(given, "origin_host", prefix),
            http2=_flag(given, "origin_http2", prefix),
            verify=_one_of(OriginVerify, given, "origin_verify", prefix),
            ipv4_only=_flag(given, "ipv4_only", prefix),
            ipv6_only=_flag(given, "ipv6_only", prefix),
        )
        if details.scheme is OriginScheme.H2C and details.http2 is False:
            raise Invalid(
                "h2c is HTTP/2; it cannot be switched off.", pointer=prefix + "/origin_http2"
            )
        return details


@dataclass(frozen=True, slots=True)
class Origin:
    """Where one hostname's requests go, nothing left open but the request's own host."""

    address: IPAddress
    port: int
    scheme: OriginScheme
    verify: OriginVerify
    sni: Hostname | None
    host: Hostname | None
    http2: bool
    h2_max_streams: int


def resolve_origin(
    address: IPAddress,
    details: OriginDetails,
    *,
    ssl: SslMode,
    max_http_version: str,
    h2_max_streams: int,
) -> Origin:
    """What a record and the settings of its zone say together; the record wins."""
    scheme = details.scheme or _default_scheme(ssl)
    return Origin(
        address=address,
        port=details.port or (443 if scheme is OriginScheme.HTTPS else 80),
        scheme=scheme,
        verify=details.verify or _default_verify(ssl),
        sni=details.sni,
        host=details.host,
        http2=details.http2 is not False
        and (max_http_version == "2" or details.http2 is True or scheme is OriginScheme.H2C),
        h2_max_streams=h2_max_streams,
    )


def _default_scheme(ssl: SslMode) -> OriginScheme:
    plain = ssl in (SslMode.OFF, SslMode.FLEXIBLE)
    return OriginScheme.HTTP if plain else OriginScheme.HTTPS


def _default_verify(ssl: SslMode) -> OriginVerify:
    """Off and flexible speak TLS only where a record asks for it; then like full."""
    strict = ssl in (SslMode.STRICT, SslMode.ORIGIN_PULL)
    return OriginVerify.STRICT if strict else OriginVerify.FULL


_MEMBERS = frozenset(
    {
        "origin_port",
        "origin_scheme",
        "origin_sni",
        "origin_host",
        "origin_http2",
        "origin_verify",
        "ipv4_only",
        "ipv6_only",
    }
)


def _port(given: Mapping[str, object], prefix: str) -> int | None:
    if "origin_port" not in given:
        return None
    return as_int(given["origin_port"], f"{prefix}/origin_port", 1, 65535)


def _flag(given: Mapping[str, object], name: str, prefix: str) -> bool | None:
    return as_bool(given[name], f"{prefix}/{name}") if name in given else None


def _name(given: Mapping[str, object], name: str, prefix: str) -> Hostname | None:
    return parse_hostname(given[name], f"{prefix}/{name}") if name in given else None


def _one_of(
    kind: type[_Choice], given: Mapping[str, object], name: str, prefix: str
) -> _Choice | None:
    return as_choice(kind, given[name], f"{prefix}/{name}") if name in given else None
