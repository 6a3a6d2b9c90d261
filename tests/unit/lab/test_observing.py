"""What is made of captures, answers and kills."""

from __future__ import annotations

import struct
from ipaddress import ip_address
from pathlib import Path

from egressway.lab.scenario.capture import sources_in
from egressway.lab.scenario.observe import outage
from egressway.lab.scenario.record import Answered, Record

PCAP_HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 96, 1)


def packet(source: str) -> bytes:
    """An Ethernet frame, with as much of an IP header as has the source in it."""
    address = ip_address(source)
    if address.version == 4:
        frame = bytes(12) + b"\x08\x00" + bytes(12) + address.packed + bytes(24)
    else:
        frame = bytes(12) + b"\x86\xdd" + bytes(8) + address.packed + bytes(36)
    return struct.pack("<IIII", 1, 2, len(frame), len(frame)) + frame


def test_sources_are_read_from_a_capture_of_both_families(tmp_path: Path) -> None:
    file = tmp_path / "connections.pcap"
    sources = ["192.0.2.1", "192.0.2.1", "2001:db8:e::3"]
    # The last packet is still being written.
    file.write_bytes(PCAP_HEADER + b"".join(map(packet, sources)) + packet("192.0.2.9")[:20])
    assert dict(sources_in(file)) == {ip_address("192.0.2.1"): 2, ip_address("2001:db8:e::3"): 1}


def answered(began: float, ended: float, status: str = "200") -> Answered:
    asked = Record().ask("lisbon", "lisbon-1a", "a.example.com")
    return Answered(asked, "/echo/m0/1", status, None, None, None, began, ended)


def test_an_outage_lasts_until_the_last_request_that_failed_or_waited() -> None:
    answers = [
        answered(10.1, 10.2, "502"),
        answered(10.2, 10.6, "503"),
        answered(10.3, 10.9),
        answered(10.7, 10.8),
    ]
    assert round(outage(10.0, answers), 3) == 0.6
    assert round(outage(10.0, [answered(10.2, 11.5)]), 3) == 1.5


def test_without_a_bad_request_there_was_no_outage() -> None:
    assert outage(10.0, [answered(10.1, 10.2)]) == 0.0


def test_answers_are_known_by_the_mark_in_their_path() -> None:
    record = Record()
    asked = record.ask("lisbon", "lisbon-1a", "a.example.com")
    told = {
        "path": f"/echo/{asked.mark}/7",
        "status": "200",
        "error": None,
        "seen_ip": "192.0.2.1",
        "seen_port": 20_000,
        "began": 1.0,
        "ended": 1.1,
    }
    record.answers([told])
    assert record.block[0].asked is asked
