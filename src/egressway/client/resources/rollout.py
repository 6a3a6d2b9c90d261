"""The rollout: how far a change may go by itself. Needs the operator's token."""

from collections.abc import Sequence

from egressway.client.objects import Rollout
from egressway.client.transport import Transport

__all__ = ["Rollouts"]

_PATH = "/egressway/rollout"


class Rollouts:
    """`/egressway/rollout`"""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get(self) -> Rollout:
        return self._transport.fetch(_PATH, Rollout, "read the rollout")

    def start(self) -> Rollout:
        return self._step("start", "start a rollout")

    def advance(
        self,
        *,
        servers: Sequence[str] = (),
        data_centers: Sequence[str] = (),
        everyone: bool = False,
    ) -> Rollout:
        body = {"servers": list(servers), "data_centers": list(data_centers), "all": everyone}
        return self._step("advance", "let the rollout go on", body)

    def stop(self) -> Rollout:
        return self._step("stop", "stop the rollout")

    def resume(self) -> Rollout:
        return self._step("resume", "resume the rollout")

    def back(self) -> Rollout:
        return self._step("back", "take the rollout back")

    def finish(self) -> Rollout:
        return self._step("finish", "finish the rollout")

    def _step(self, action: str, what: str, more: dict[str, object] | None = None) -> Rollout:
        return self._transport.send(
            "POST", _PATH, Rollout, what, {"action": action, **(more or {})}
        )
