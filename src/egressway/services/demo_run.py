"""The demo while it runs: its origin, what was made for it, and the lines to copy."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from egressway.client import ClientError
from egressway.services.all_in_one import AllInOne
from egressway.services.configuration import Configuration
from egressway.services.demo import Demo, curl_lines, set_up_demo
from egressway.services.demo_origin import DemoOrigin
from egressway.services.start_error import StartError

__all__ = ["DemoRun"]


class DemoRun:
    """Around a running Egressway; the origin ends with the block, what was made stays."""

    def __init__(self, egressway: AllInOne, configuration: Configuration) -> None:
        self._egressway = egressway
        self._data = configuration.data
        self._origin = DemoOrigin()
        try:
            self._demo = self._set_up()
        except BaseException:
            self._origin.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._origin.stop()

    def lines(self) -> list[str]:
        """What to print."""
        plain = self._egressway.ingress(tls=False)
        secure = self._egressway.ingress(tls=True)
        return curl_lines(self._demo, self._egressway.api_url, plain, secure)

    def _set_up(self) -> Demo:
        path = self._data / "admin-token"
        try:
            token = path.read_text(encoding="ascii").strip()
            return set_up_demo(self._egressway.api_url, token, self._origin.port, self._data)
        except OSError as failure:
            raise StartError(
                f"the operator's token `{path}` cannot be read: {failure.strerror}. Make a new one "
                "with `--new-operator-token`."
            ) from failure
        except ClientError as failure:
            raise StartError(f"the demo cannot be set up: {failure}") from failure
