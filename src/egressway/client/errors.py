"""What can go wrong between a script and the API, as exceptions that say what to do next.

Every error answers three questions a person has: `what` happened, `why`, and `what_to_do`; and one
that a program has: `is_retry_safe`, true when sending the request again cannot do its work twice.

    ClientError
    |-- NotConfiguredError      no usable URL or token here; nothing was sent
    |-- UnknownNameError        no object has that name or id
    |-- AmbiguousNameError      several objects have that name
    |-- UnreachableError        no connection; nothing was sent
    |-- InterruptedRequestError the connection broke after sending; a write may have happened
    |-- UnexpectedAnswerError   something answered that does not speak our envelope
    `-- RefusedError            the API answered with a failure
        |-- InvalidRequestError    400, 413, 422
        |-- NotAuthenticatedError  401
        |-- NotPermittedError      403
        |-- NotFoundError          404
        |-- ConflictError          409
        |-- RateLimitedError       429
        `-- ServerFailedError      5xx
"""

from collections.abc import Sequence

import msgspec

__all__ = [
    "AmbiguousNameError",
    "ClientError",
    "ConflictError",
    "Fault",
    "InterruptedRequestError",
    "InvalidRequestError",
    "NotAuthenticatedError",
    "NotConfiguredError",
    "NotFoundError",
    "NotPermittedError",
    "RateLimitedError",
    "RefusedError",
    "ServerFailedError",
    "UnexpectedAnswerError",
    "UnknownNameError",
    "UnreachableError",
    "refusal",
]


class FaultSource(msgspec.Struct, frozen=True):
    """Where in the request body the fault lies."""

    pointer: str | None = None


class Fault(msgspec.Struct, frozen=True):
    """One item of the envelope's `errors`."""

    code: int
    message: str
    documentation_url: str | None = None
    source: FaultSource | None = None

    @property
    def pointer(self) -> str | None:
        """JSON pointer into the request body, when the fault is about one field."""
        return self.source.pointer if self.source else None

    def __str__(self) -> str:
        place = f", at `{self.pointer}`" if self.pointer else ""
        return f"{self.message} ({self.code}{place})"


class ClientError(Exception):
    """Base of everything this package raises on purpose."""

    is_retry_safe = False

    def __init__(self, what: str, why: Sequence[str], what_to_do: str) -> None:
        super().__init__(" ".join([what, *why, what_to_do]))
        self.what = what
        self.why = tuple(why)
        self.what_to_do = what_to_do


class NotConfiguredError(ClientError):
    """No usable URL or token was found; nothing was sent."""


class UnknownNameError(ClientError):
    """No object has the given name or id."""


class AmbiguousNameError(ClientError):
    """Several objects have the given name; only an id can tell them apart."""


class UnreachableError(ClientError):
    """No connection could be made; nothing was sent, so every request may be sent again."""

    is_retry_safe = True


class InterruptedRequestError(ClientError):
    """The connection broke after the request was sent."""

    def __init__(
        self, what: str, why: Sequence[str], what_to_do: str, *, is_retry_safe: bool
    ) -> None:
        super().__init__(what, why, what_to_do)
        self.is_retry_safe = is_retry_safe


class UnexpectedAnswerError(ClientError):
    """The answer is not one of this API: another server, or a proxy on the way."""


class RefusedError(ClientError):
    """The API answered with a failure envelope."""

    advice = "Correct the request and send it again."

    def __init__(
        self,
        what: str,
        status: int,
        faults: Sequence[Fault],
        *,
        request_id: str | None = None,
        retry_after_seconds: float | None = None,
        is_retry_safe: bool = False,
    ) -> None:
        self.status = status
        self.faults = tuple(faults)
        self.request_id = request_id
        self.retry_after_seconds = retry_after_seconds
        self.is_retry_safe = is_retry_safe
        super().__init__(what, self._reasons(), self._next_step())

    @property
    def pointer(self) -> str | None:
        """The first field the API points at."""
        return next((fault.pointer for fault in self.faults if fault.pointer), None)

    def _reasons(self) -> list[str]:
        if not self.faults:
            return [f"The API answered {self.status} and gave no reason."]
        return [str(fault) for fault in self.faults]

    def _next_step(self) -> str:
        links = [fault.documentation_url for fault in self.faults if fault.documentation_url]
        return " ".join([self.advice, *(f"See {link}." for link in links)])


class InvalidRequestError(RefusedError):
    """400, 413 or 422: the request cannot be carried out as written."""


class NotAuthenticatedError(RefusedError):
    """401: no token, or one the API does not know."""

    advice = (
        "Check which token is sent: `EGRESSWAY_TOKEN`, `EGRESSWAY_TOKEN_FILE`, "
        "or `admin-token` in the data directory."
    )


class NotPermittedError(RefusedError):
    """403: the token is known and may not do this."""

    advice = "Use a token that may do this, or ask the operator to allow it."


class NotFoundError(RefusedError):
    """404: the object does not exist, or the token may not see it."""

    advice = "List the objects of this kind to see which ones exist."


class ConflictError(RefusedError):
    """409: the request is fine, but something else is in its way."""

    advice = "Look at the object in the way, change one of the two, and send the request again."


class RateLimitedError(RefusedError):
    """429: too many requests; nothing was done."""

    def _next_step(self) -> str:
        if self.retry_after_seconds is None:
            return "Wait a moment and send the request again."
        return f"Send the request again in {self.retry_after_seconds:g} s."


class ServerFailedError(RefusedError):
    """5xx: the API could not do it, through no fault of the request."""

    def _next_step(self) -> str:
        again = (
            "Send the request again."
            if self.is_retry_safe
            else "See whether it took effect before sending it again."
        )
        is_told = any(str(self.request_id) in fault.message for fault in self.faults)
        if self.request_id is None or is_told:
            return again
        return f"{again} The server's log has it as request `{self.request_id}`."


BY_STATUS: dict[int, type[RefusedError]] = {
    401: NotAuthenticatedError,
    403: NotPermittedError,
    404: NotFoundError,
    409: ConflictError,
    429: RateLimitedError,
}


def refusal(status: int) -> type[RefusedError]:
    """The class that stands for an HTTP status."""
    if status >= 500:
        return ServerFailedError
    return BY_STATUS.get(status, InvalidRequestError)
