"""One request to the API: token on, envelope off, failures as typed errors, safe retries only.

Safe means that the work cannot be done twice: no connection was made, the API said so
(`x-should-retry`, 429, 503 with `retry-after`), or the request only reads. A write whose answer got
lost is never repeated here; its error says that the outcome is unknown. Redirects are not followed:
a token goes to the server it was meant for and to no other.
"""

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

import httpx
import msgspec

from egressway.client.access import API_PATH, Access
from egressway.client.errors import (
    Fault,
    InterruptedRequestError,
    NotConfiguredError,
    RefusedError,
    UnexpectedAnswerError,
    UnreachableError,
    refusal,
)

__all__ = ["Transport"]

T = TypeVar("T")
Query = Mapping[str, str | int]

ATTEMPTS = 3
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 10.0
PER_PAGE = 500
READS = frozenset({"GET", "HEAD"})
# Answers after which a read is worth another try.
PASSING_STATUSES = frozenset({408, 429, 502, 503, 504})


class PageInfo(msgspec.Struct, frozen=True):
    """The part of `result_info` that ends a loop early."""

    total_pages: int | None = None


class Envelope(msgspec.Struct, frozen=True):
    """What every answer of the API is wrapped in."""

    success: bool
    errors: list[Fault] = []
    result: msgspec.Raw = msgspec.Raw(b"null")
    result_info: PageInfo | None = None


class Transport:
    """A connection to one API. `http` is the seam for tests; `sleep` the one for pauses."""

    def __init__(
        self,
        access: Access,
        *,
        timeout_seconds: float = 30.0,
        http: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.access = access
        self._sleep = sleep
        self._http = httpx.Client(
            base_url=access.url,
            timeout=timeout_seconds,
            transport=http,
            headers={"User-Agent": "egressway-client", "Accept": "application/json"},
            # An API on this machine is never behind the environment's proxy.
            trust_env=not access.is_loopback,
            # Reading the trust roots takes longer than most calls; without TLS nobody needs them.
            verify=access.url.startswith("https:"),
        )

    def close(self) -> None:
        self._http.close()

    def fetch(self, path: str, kind: type[T], doing: str, query: Query | None = None) -> T:
        """Read one result."""
        return _decode(self._call("GET", path, doing, query=query).result, kind, doing)

    def fetch_public(self, path: str, kind: type[T], doing: str) -> T:
        """Read one result that everybody may see; no token is needed, and none is sent."""
        return _decode(self._call("GET", path, doing, is_public=True).result, kind, doing)

    def fetch_all(
        self, path: str, kind: type[T], doing: str, query: Query | None = None
    ) -> list[T]:
        """Read every page of a collection; an empty page ends it, whatever the totals say."""
        found: list[T] = []
        page = 1
        while True:
            asked = {**(query or {}), "page": page, "per_page": PER_PAGE}
            envelope = self._call("GET", path, doing, query=asked)
            items = _decode(envelope.result, list[kind], doing)  # type: ignore[valid-type]
            found += items
            pages = envelope.result_info.total_pages if envelope.result_info else 1
            if not items or (pages is not None and page >= pages):
                return found
            page += 1

    def send(
        self, method: str, path: str, kind: type[T], doing: str, body: object = msgspec.UNSET
    ) -> T:
        """Write, and read the result of it."""
        return _decode(self._call(method, path, doing, body=body).result, kind, doing)

    def probe(self, path: str) -> httpx.Response:
        """Ask a path outside the API: any answer counts, no token is sent."""
        try:
            return self._http.get(path)
        except httpx.HTTPError as cause:
            raise _unreachable("ask whether Egressway is ready", self.access, cause) from cause

    def _call(
        self,
        method: str,
        path: str,
        doing: str,
        *,
        query: Query | None = None,
        body: object = msgspec.UNSET,
        is_public: bool = False,
    ) -> Envelope:
        headers = {} if is_public else self._credentials(doing)
        request = self._request(method, path, query, body, headers)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._once(request, doing)
            except (UnreachableError, InterruptedRequestError, RefusedError) as error:
                pause = _pause_before_next(error, attempt)
                if pause is None:
                    raise
                self._sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    def _credentials(self, doing: str) -> dict[str, str]:
        if self.access.token is None:
            raise NotConfiguredError(
                f"Could not {doing}.",
                [self.access.why_missing],
                "Set `EGRESSWAY_TOKEN`, or `EGRESSWAY_TOKEN_FILE` to the file that holds it.",
            )
        return {"Authorization": f"Bearer {self.access.token}"}

    def _request(
        self, method: str, path: str, query: Query | None, body: object, headers: dict[str, str]
    ) -> httpx.Request:
        content = None
        if body is not msgspec.UNSET:
            content = msgspec.json.encode(body)
            headers["Content-Type"] = "application/json"
        return self._http.build_request(
            method, API_PATH + path, params=query, content=content, headers=headers
        )

    def _once(self, request: httpx.Request, doing: str) -> Envelope:
        try:
            response = self._http.send(request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as cause:
            raise _unreachable(doing, self.access, cause) from cause
        except httpx.HTTPError as cause:
            raise _interrupted(doing, self.access, request.method, cause) from cause
        return _unwrap(response, doing, self.access)


def _pause_before_next(error: Exception, attempt: int) -> float | None:
    """How long to wait before the same request may be sent again, or None when it may not."""
    if attempt >= ATTEMPTS:
        return None
    if isinstance(error, RefusedError):
        if not error.is_retry_safe:
            return None
        if error.retry_after_seconds is not None:
            is_bearable = error.retry_after_seconds <= LONGEST_PAUSE_SECONDS
            return error.retry_after_seconds if is_bearable else None
    elif not getattr(error, "is_retry_safe", False):
        return None
    return FIRST_PAUSE_SECONDS * 2.0 ** (attempt - 1)


def _unwrap(response: httpx.Response, doing: str, access: Access) -> Envelope:
    try:
        envelope = msgspec.json.decode(response.content, type=Envelope)
    except (msgspec.ValidationError, msgspec.DecodeError) as cause:
        raise _unexpected(doing, response, access) from cause
    if response.is_success and envelope.success:
        return envelope
    raise refusal(response.status_code)(
        f"Could not {doing}.",
        response.status_code,
        envelope.errors,
        request_id=response.headers.get("x-request-id"),
        retry_after_seconds=_seconds(response.headers.get("retry-after")),
        is_retry_safe=_may_be_repeated(response),
    )


def _may_be_repeated(response: httpx.Response) -> bool:
    verdict = response.headers.get("x-should-retry")
    if verdict is not None:
        return bool(verdict == "true")
    if response.status_code == 429:
        return True
    if response.status_code == 503 and "retry-after" in response.headers:
        return True
    return response.request.method in READS and response.status_code in PASSING_STATUSES


def _seconds(text: str | None) -> float | None:
    try:
        return max(0.0, float(text)) if text else None
    except ValueError:
        return None


def _decode(result: msgspec.Raw, kind: type[T], doing: str) -> T:
    try:
        return msgspec.json.decode(result, type=kind)
    except msgspec.ValidationError as cause:
        raise UnexpectedAnswerError(
            f"Could not {doing}.",
            [f"The answer has another shape than this client knows: {cause}."],
            "Use a client of the same version as the server.",
        ) from cause


def _unreachable(doing: str, access: Access, cause: Exception) -> UnreachableError:
    return UnreachableError(
        f"Could not {doing}.",
        [f"Nothing answers at `{access.url}`: {cause or type(cause).__name__}."],
        "Start Egressway with `egressway up`, or set `EGRESSWAY_URL` to where it runs.",
    )


def _interrupted(
    doing: str, access: Access, method: str, cause: Exception
) -> InterruptedRequestError:
    is_read = method in READS
    return InterruptedRequestError(
        f"Could not {doing}." if is_read else f"It is unknown whether this worked: {doing}.",
        [f"`{access.url}` did not finish its answer: {str(cause) or type(cause).__name__}."],
        "Send the request again."
        if is_read
        else "See whether it took effect before sending it again.",
        is_retry_safe=is_read,
    )


def _unexpected(doing: str, response: httpx.Response, access: Access) -> UnexpectedAnswerError:
    kind = response.headers.get("content-type", "no content type")
    return UnexpectedAnswerError(
        f"Could not {doing}.",
        [f"`{access.url}` answered {response.status_code} with {kind}, not with this API's JSON."],
        "Check `EGRESSWAY_URL`: it names the API (port 8600 by default), not the proxy.",
    )
