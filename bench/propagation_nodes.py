"""Many nodes' ends of the bus in one process: `python -m bench.propagation_nodes URL COUNT`.

Each has a connection of its own and follows the configuration with the product's own code, reads every
message and checks it, but runs no data plane. On standard output, one JSON object a line: how many are
connected whenever that has changed, and for every revision when each of them had it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import defaultdict

from egressway.bus.bus import ALL, ConfigMessage
from egressway.bus.nats_connection import Connection, NatsUrl
from egressway.bus.nats_watches import ConfigWatch
from egressway.wire.fleet import decode

LOOK_SECONDS = 0.02


def main(url: str, count: int, after: int) -> None:
    """Run until standard input ends."""
    asyncio.run(_Nodes(NatsUrl.parse(url), count, after).run())


class _Nodes:
    def __init__(self, url: NatsUrl, count: int, after: int) -> None:
        self._count = count
        self._after = after
        self._connections = [
            Connection(url, None, name=f"node-{number}", manage=False) for number in range(count)
        ]
        self._had: defaultdict[int, list[float]] = defaultdict(list)

    async def run(self) -> None:
        """All of them at once."""
        tasks = [asyncio.create_task(each.run()) for each in self._connections]
        for connection in self._connections:
            await connection.add(ConfigWatch(connection, ALL, self._after, self._received))
        ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
        told = -1
        while not ended.done():
            connected = sum(each.is_connected for each in self._connections)
            if connected != told:
                told = connected
                _tell({"connected": connected, "at": time.time()})
            await asyncio.sleep(LOOK_SECONDS)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=10)

    def _received(self, message: ConfigMessage) -> None:
        if message.content:
            decode(message.content)
        had = self._had[message.revision]
        had.append(time.time())
        if len(had) == self._count:
            _tell({"revision": message.revision, "at": self._had.pop(message.revision)})


def _tell(what: dict[str, object]) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
