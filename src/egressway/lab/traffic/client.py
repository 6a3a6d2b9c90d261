"""Somebody's browser, many times: `python -m egressway.lab.traffic.client`, told what to do line by line.

A line is `[command, details]` in JSON, and so is the answer; commands are handled one after the other
while holds, transfers and loads go on in the background.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final

from egressway.lab.traffic.exchange import Answer, Target, ask
from egressway.lab.traffic.held import Held
from egressway.lab.traffic.transfers import Transfers

__all__ = ["Client"]

_WITHIN: Final = 15.0


class Client:
    """What one process does; each public method is a command."""

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}
        self._transfers = Transfers()
        self._load: list[Answer] = []
        self._loading: list[asyncio.Task[None]] = []

    async def request(
        self, target: dict[str, Any], path: str, n: int, at_once: int
    ) -> list[dict[str, Any]]:
        """`n` requests, each on a connection of its own."""
        to, gate = Target(**target), asyncio.Semaphore(at_once)

        async def one(number: int) -> Answer:
            async with gate:
                return await ask(to, f"{path}/{number}", _WITHIN)

        return [answer.told() for answer in await asyncio.gather(*map(one, range(n)))]

    async def hold(self, name: str, target: dict[str, Any], path: str, n: int) -> None:
        """Requests that wait for their answer."""
        to = Target(**target)
        held = self._held.setdefault(name, Held())
        await held.open(to.address, to.port, to.host, [f"{path}/{each}" for each in range(n)])

    async def held(self, name: str) -> dict[str, int]:
        """What has become of them."""
        return self._held[name].outcomes() if name in self._held else {}

    async def leave(self) -> None:
        """Close what is held."""
        for held in self._held.values():
            held.leave()
        self._held.clear()

    async def transfer(
        self, kind: str, target: dict[str, Any], path: str, n: int
    ) -> dict[str, Any]:
        """Begin downloads or WebSockets."""
        await self._transfers.open(kind, Target(**target), (f"{path}/{each}" for each in range(n)))
        return self._transfers.counts()

    async def finish(self) -> dict[str, Any]:
        """Bring transfers to their end and count them."""
        await self._transfers.finish()
        told, self._transfers = self._transfers.counts(), Transfers()
        return told

    async def load(self, target: dict[str, Any], path: str, clients: int, pause: float) -> None:
        """So many clients, each with one request after the other until `end_load`."""
        to = Target(**target)

        async def endless(number: int) -> None:
            await asyncio.sleep(pause * number / clients)
            at = 0
            while True:
                self._load.append(await ask(to, f"{path}/{number}-{at}", _WITHIN))
                at += 1
                await asyncio.sleep(pause)

        self._loading += [asyncio.create_task(endless(number)) for number in range(clients)]

    async def load_so_far(self) -> list[dict[str, Any]]:
        """Answers of the load, each told once."""
        answers, self._load = self._load, []
        return [answer.told() for answer in answers]

    async def end_load(self) -> list[dict[str, Any]]:
        """No more; the rest of the answers. Requests on their way are taken back."""
        for task in self._loading:
            task.cancel()
        await asyncio.gather(*self._loading, return_exceptions=True)
        self._loading.clear()
        return await self.load_so_far()


async def _serve() -> None:
    client = Client()
    commands: dict[str, Callable[..., Awaitable[Any]]] = {
        each.__name__: each
        for each in (
            *(client.request, client.hold, client.held, client.leave),
            *(client.transfer, client.finish),
            *(client.load, client.load_so_far, client.end_load),
        )
    }
    reader = asyncio.StreamReader(limit=1 << 24)
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    print("null", flush=True)
    while line := await reader.readline():
        command, details = json.loads(line)
        print(json.dumps(await commands[command](**details)), flush=True)


def main() -> None:
    """From the command line."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(_serve())


if __name__ == "__main__":
    main()
