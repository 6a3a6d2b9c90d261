"""What really arrives at an origin: `tcpdump` in front of it, and the sources of all connections in it."""

from __future__ import annotations

import re
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from egressway.lab.errors import LabError
from egressway.lab.plan import Host
from egressway.lab.process import LabProcess, wait_until
from egressway.lab.run_directory import RunDirectory
from egressway.model.address import IPAddress

__all__ = ["CONNECTIONS", "EVERYTHING", "Capture", "sources_in"]

CONNECTIONS: Final = (
    *("-Q", "in", "-s", "96"),
    "(tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn) or (ip6 proto 6 and ip6[53] & 0x12 == 2)",
)
"""What asks to be let in, as far as its addresses."""

EVERYTHING: Final = ("-s", "65535", "tcp")
"""In and out, to the last byte."""

_STILL: Final = 4
_LOOK_SECONDS: Final = 0.05
_STILL_SECONDS: Final = 2.0
"""Where servers speak with each other something always comes."""
_FILE_HEADER, _PACKET_HEADER, _ETHERNET = 24, 16, 14
_IPV4, _IPV6 = 0x0800, 0x86DD


class Capture:
    """From its construction until `end`, at the one interface of a host."""

    def __init__(
        self, host: Host, directory: RunDirectory, what: Sequence[str] = CONNECTIONS
    ) -> None:
        name = f"capture-{host.name}"
        self.file = directory.of(name) / "packets.pcap"
        self.file.unlink(missing_ok=True)
        self._process = LabProcess(
            name,
            host.namespace,
            (
                # Each packet is handed over at once: one that waits in a block is lost at the end.
                *("tcpdump", "--immediate-mode", "-i", "eth0", "-nn", "-U", "-B", "32768"),
                *("-Z", "root", "-w", str(self.file), *what),
            ),
            directory,
        )
        self._process.start()
        wait_until(self._is_listening, 20, f"tcpdump listens at `{host.name}`")

    def end(self) -> Path:
        """The file, complete; raises when the kernel had to drop packets."""
        with suppress(LabError):
            wait_until(self._is_still(), _STILL_SECONDS, "nothing more comes", _LOOK_SECONDS)
        self._process.stop()
        told = re.findall(r"(\d+) packets? dropped by kernel", self._process.last_words())
        if not told or int(told[-1]):
            raise LabError(f"the capture `{self._process.name}` is not complete.")
        return self.file

    def _is_still(self) -> Callable[[], bool]:
        """Nothing has been written for a moment: what was on its way has arrived."""
        sizes = [self.file.stat().st_size]

        def look() -> bool:
            sizes.append(self.file.stat().st_size)
            return len(sizes) > _STILL and len(set(sizes[-_STILL:])) == 1

        return look

    def _is_listening(self) -> bool:
        self._process.must_run()
        # The header of the file is written when the filter is in place.
        return self.file.exists() and self.file.stat().st_size >= _FILE_HEADER


def sources_in(file: Path) -> Counter[IPAddress]:
    """Source addresses of all packets in a capture file."""
    return Counter(_sources(file.read_bytes()))


def _sources(data: bytes) -> Iterator[IPAddress]:
    at = _FILE_HEADER
    while at + _PACKET_HEADER <= len(data):
        (length,) = struct.unpack_from("<I", data, at + 8)
        packet = data[at + _PACKET_HEADER : at + _PACKET_HEADER + length]
        at += _PACKET_HEADER + length
        kind = int.from_bytes(packet[12:_ETHERNET])
        if kind == _IPV4:
            yield ip_address(packet[_ETHERNET + 12 : _ETHERNET + 16])
        elif kind == _IPV6:
            yield ip_address(packet[_ETHERNET + 8 : _ETHERNET + 24])
