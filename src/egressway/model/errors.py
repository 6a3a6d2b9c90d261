"""Of all paths: the errors, in two lists. What the control plane refuses, and what the proxy answers.

The domain errors, each with a code for programs, a public text, and where it applies a JSON pointer
into the request body:

    EgresswayError
    |-- Invalid             the request contradicts a rule; `pointer` names the field
    |-- Unauthenticated     nobody known is asking
    |-- Forbidden           known, but may not
    |-- NotFound            no such object, or none that the caller may see
    |-- Conflict            possible, but not in the present state
    `-- StoreError
        |-- StoreUnavailable    locked, unwritable, unreadable; the text says what to do
        |-- StoreUncertain      the answer to a change got lost; it may be stored
        `-- StoreTooNew         written by a newer version

They know no HTTP status: only the API turns them into problem documents. `PROXY_ERRORS` is the twin of
the list in `data-plane/core/src/error.rs`; a contract test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Literal

__all__ = [
    "PROXY_ERRORS",
    "Conflict",
    "EgresswayError",
    "Forbidden",
    "Invalid",
    "NotFound",
    "ProxyError",
    "StoreError",
    "StoreTooNew",
    "StoreUnavailable",
    "StoreUncertain",
    "Unauthenticated",
]


class EgresswayError(Exception):
    """Base of the tree; `text` may be shown to anyone, the cause (`__cause__`) is for logs."""

    default_code: ClassVar[int] = 1000
    retry: ClassVar[bool] = False
    """Whether the same request may succeed later without anybody changing anything."""

    def __init__(self, text: str, *, pointer: str | None = None, code: int | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.pointer = pointer
        self.code = self.default_code if code is None else code

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.text!r}, pointer={self.pointer!r}, code={self.code})"


class Invalid(EgresswayError):
    """The request contradicts a rule."""

    default_code = 1004

    def below(self, prefix: str) -> Invalid:
        """The same error about a field that lies below `prefix` in a larger document."""
        return Invalid(self.text, pointer=prefix + (self.pointer or ""), code=self.code)


class Unauthenticated(EgresswayError):
    """Nobody known is asking."""

    default_code = 10000


class Forbidden(EgresswayError):
    """The caller is known but may not do this."""

    default_code = 9109


class NotFound(EgresswayError):
    """No such object, or none that the caller may see."""

    default_code = 1001


class Conflict(EgresswayError):
    """The present state does not admit the change."""

    default_code = 1409


class StoreError(EgresswayError):
    """The store cannot serve; what it refused has not been kept, unless it says so."""

    default_code = 1500


class StoreUnavailable(StoreError):
    """Locked, unwritable or unreadable; the text says what to do."""

    default_code = 1503
    retry = True


class StoreUncertain(StoreError):
    """The connection broke while a change was being stored: it is there whole, or nothing of it is."""

    default_code = 1504


class StoreTooNew(StoreError):
    """The database was written by a newer version of Egressway."""

    default_code = 1505


@dataclass(frozen=True, slots=True)
class ProxyError:
    """One answer the proxy gives by itself, as in its `Egressway-Error` header."""

    code: str
    status: int
    source: Literal["client", "egress", "origin", "internal"]
    retry: Literal["never", "if_idempotent", "safe"]
    retry_after_seconds: int | None
    message: str


PROXY_ERRORS: Final[tuple[ProxyError, ...]] = (
    ProxyError("bad_request", 400, "client", "never", None, "The request is not valid HTTP."),
    ProxyError(
        "host_invalid", 400, "client", "never", None, "The request needs exactly one valid Host."
    ),
    ProxyError(
        "framing_ambiguous",
        400,
        "client",
        "never",
        None,
        "The length of the request body is ambiguous.",
    ),
    ProxyError(
        "method_not_allowed", 405, "client", "never", None, "This method is not served here."
    ),
    ProxyError(
        "request_timeout",
        408,
        "client",
        "if_idempotent",
        None,
        "The request did not arrive in time.",
    ),
    ProxyError("uri_too_long", 414, "client", "never", None, "The request target is too long."),
    ProxyError(
        "expectation_failed",
        417,
        "client",
        "never",
        None,
        "The only expectation understood is 100-continue.",
    ),
    ProxyError(
        "misdirected",
        421,
        "client",
        "never",
        None,
        "This connection's certificate does not cover the requested host.",
    ),
    ProxyError(
        "upgrade_unsupported",
        400,
        "client",
        "never",
        None,
        "Only WebSocket upgrades are passed on.",
    ),
    ProxyError("head_too_large", 431, "client", "never", None, "The request header is too large."),
    ProxyError(
        "transfer_coding_unsupported",
        501,
        "client",
        "never",
        None,
        "The only transfer coding understood is chunked.",
    ),
    ProxyError(
        "version_unsupported", 505, "client", "never", None, "This HTTP version is not served."
    ),
    ProxyError(
        "too_many_connections",
        503,
        "client",
        "safe",
        5,
        "This client has too many open connections.",
    ),
    ProxyError(
        "client_aborted",
        499,
        "client",
        "if_idempotent",
        None,
        "The client went away before the answer was complete.",
    ),
    ProxyError("zone_not_found", 404, "client", "never", None, "No zone serves this hostname."),
    ProxyError("tls_not_served", 403, "client", "never", None, "This zone is not served over TLS."),
    ProxyError("no_origin", 503, "origin", "safe", None, "The hostname has no origin address."),
    ProxyError(
        "origin_forbidden",
        403,
        "origin",
        "never",
        None,
        "The origin lies in a network that may not be reached.",
    ),
    ProxyError(
        "loop_detected", 508, "origin", "never", None, "The origin leads back to this proxy."
    ),
    ProxyError(
        "no_applicable_ip",
        503,
        "egress",
        "safe",
        None,
        "The zone's pool has no usable address of the origin's family.",
    ),
    ProxyError(
        "egress_capacity_exhausted",
        503,
        "egress",
        "safe",
        1,
        "Every connection the pool may hold to this origin is in use.",
    ),
    ProxyError(
        "egress_address_unbindable",
        503,
        "egress",
        "safe",
        5,
        "The egress address cannot be used on this server.",
    ),
    ProxyError(
        "egress_ports_busy",
        503,
        "egress",
        "safe",
        1,
        "The tried ports of the egress address are held by others.",
    ),
    ProxyError(
        "no_applicable_ip_in_region",
        503,
        "egress",
        "safe",
        None,
        "The zone's pool has no usable address inside the hostname's region.",
    ),
    ProxyError(
        "egress_server_unreachable",
        503,
        "egress",
        "safe",
        1,
        "No server that holds an address of the pool can be reached.",
    ),
    ProxyError(
        "region_unreachable",
        503,
        "egress",
        "safe",
        1,
        "No server of the hostname's region can be reached.",
    ),
    ProxyError(
        "egress_server_lost",
        502,
        "egress",
        "if_idempotent",
        None,
        "The server that the request left from was lost before its answer was complete.",
    ),
    ProxyError(
        "foreign_egress_prevented",
        503,
        "egress",
        "safe",
        1,
        "The connection did not leave from the chosen address and was closed.",
    ),
    ProxyError("origin_refused", 502, "origin", "safe", 1, "The origin refused the connection."),
    ProxyError("origin_unreachable", 502, "origin", "safe", 1, "The origin cannot be reached."),
    ProxyError(
        "origin_connect_timeout",
        504,
        "origin",
        "safe",
        1,
        "The origin did not accept the connection in time.",
    ),
    ProxyError(
        "origin_tls_failed",
        502,
        "origin",
        "safe",
        None,
        "The TLS handshake with the origin failed.",
    ),
    ProxyError(
        "origin_certificate_invalid",
        502,
        "origin",
        "never",
        None,
        "The origin's certificate is not valid for this zone's verification mode.",
    ),
    ProxyError(
        "origin_timeout", 504, "origin", "if_idempotent", 1, "The origin did not answer in time."
    ),
    ProxyError(
        "origin_closed",
        502,
        "origin",
        "if_idempotent",
        None,
        "The origin closed the connection before its answer was complete.",
    ),
    ProxyError(
        "origin_protocol",
        502,
        "origin",
        "if_idempotent",
        None,
        "The origin's answer is not valid HTTP.",
    ),
    ProxyError(
        "origin_upgrade_refused",
        502,
        "origin",
        "never",
        None,
        "The origin's upgrade answer is not valid.",
    ),
    ProxyError("draining", 503, "internal", "safe", 1, "This server is stopping."),
    ProxyError(
        "internal",
        500,
        "internal",
        "if_idempotent",
        None,
        "The proxy failed; the incident has been counted.",
    ),
)
