"""Where the API is and which token opens it: found once, from arguments and environment.

The URL: argument, `EGRESSWAY_URL`, `http://127.0.0.1:8600`. The token: argument, `EGRESSWAY_TOKEN`,
the file named by `EGRESSWAY_TOKEN_FILE`, `admin-token` in the data directory (`EGRESSWAY_DATA`, or
`~/.local/share/egressway`). A token never appears in a `repr` or a message.
"""

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from egressway.client.errors import NotConfiguredError

__all__ = ["DEFAULT_URL", "Access", "find_access"]

DEFAULT_URL = "http://127.0.0.1:8600"
API_PATH = "/client/v4"


@dataclass(frozen=True, slots=True)
class Access:
    """The root URL of one Egressway (without `/client/v4`) and the token for it.

    A missing token is not an error yet, since health can be asked without one; `why_missing` says
    where it was looked for.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    why_missing: str = "None was given."

    @property
    def is_loopback(self) -> bool:
        """True when the API runs on this machine."""
        host = urlsplit(self.url).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"


def find_access(
    url: str | None = None,
    token: str | None = None,
    token_file: Path | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Access:
    """Resolve URL and token; raises NotConfiguredError for a value that is there but unusable."""
    root = _root_url(url or environment.get("EGRESSWAY_URL") or DEFAULT_URL)
    if token is None and token_file is None:
        token = environment.get("EGRESSWAY_TOKEN")
    if token:
        return Access(root, _clean(token, "the given token"))
    return _from_file(root, token_file, environment)


def _root_url(text: str) -> str:
    root = text.strip().rstrip("/").removesuffix(API_PATH)
    try:
        parts = urlsplit(root)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        is_usable = is_usable and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable:
        raise NotConfiguredError(
            "The API's address is not usable.",
            [f"`{text}` is not an `http://` or `https://` URL."],
            f"Set `EGRESSWAY_URL`, for example to `{DEFAULT_URL}`.",
        )
    return root


def _from_file(root: str, named: Path | None, environment: Mapping[str, str]) -> Access:
    if named is None and environment.get("EGRESSWAY_TOKEN_FILE"):
        named = Path(environment["EGRESSWAY_TOKEN_FILE"])
    path = named or _data_directory(environment) / "admin-token"
    try:
        return Access(root, _clean(path.read_text(encoding="utf-8"), f"`{path}`"))
    except FileNotFoundError as missing:
        if named is not None:
            raise _unreadable(path, "It does not exist.") from missing
        return Access(
            root, why_missing=f"`EGRESSWAY_TOKEN` is not set and `{path}` does not exist."
        )
    except (OSError, UnicodeDecodeError) as cause:
        if named is not None:
            raise _unreadable(path, f"{cause}.") from cause
        return Access(root, why_missing=f"`{path}` cannot be read: {cause}.")


def _data_directory(environment: Mapping[str, str]) -> Path:
    given = environment.get("EGRESSWAY_DATA")
    return Path(given) if given else Path.home() / ".local" / "share" / "egressway"


def _clean(token: str, where: str) -> str:
    cleaned = token.strip()
    # A token travels in a header: what does not fit there would fail far from here, and unclearly.
    if not cleaned or not all("!" <= character <= "~" for character in cleaned):
        raise NotConfiguredError(
            "The token is not usable.",
            [f"{where} is empty or holds characters that no token has."],
            "Give the token alone, on one line.",
        )
    return cleaned


def _unreadable(path: Path, why: str) -> NotConfiguredError:
    return NotConfiguredError(
        f"The token file `{path}` cannot be read.",
        [why],
        "Name another file with `EGRESSWAY_TOKEN_FILE` or `--token-file`, "
        "or run as the user who may read it.",
    )
