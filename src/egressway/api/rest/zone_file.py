"""Zone files (RFC 1035 master format): text in, address records out, and back.

CONFIG 1 of 5. Pure: no request, no store. Only A and AAAA records name origins; the others of a
file are counted and left out. `; cf_tags=cf-proxied:true` after a record says that it is proxied,
on the way in and on the way out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from egressway.model.errors import Invalid

__all__ = ["FileRecord", "ZoneFile", "read_zone_file", "write_zone_file"]

_TAGS: Final = re.compile(r"cf_tags=(?P<tags>\S+)")
_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_TTL: Final = re.compile(r"^(?:\d+[smhdw]?)+$", re.IGNORECASE)
_TTL_PART: Final = re.compile(r"(\d+)([smhdw]?)", re.IGNORECASE)
_CLASSES: Final = frozenset({"IN", "CH", "HS"})
_ADDRESS_TYPES: Final = frozenset({"A", "AAAA"})


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One address record of a zone file; `proxied` is None when the file does not say."""

    name: str
    type: str
    content: str
    ttl: int
    proxied: bool | None = None


@dataclass(frozen=True, slots=True)
class ZoneFile:
    """What was found in a file."""

    records: tuple[FileRecord, ...]
    others: int
    """Records of types that name no address."""


@dataclass(slots=True)
class _Reader:
    """What earlier lines mean for later ones."""

    origin: str
    ttl: int = 1
    owner: str | None = None


def read_zone_file(text: str, zone_name: str) -> ZoneFile:
    """Reads a file; names are relative to `zone_name`. Raises `Invalid` naming the line."""
    reader = _Reader(origin=zone_name)
    records: list[FileRecord] = []
    others = 0
    for number, line, comment in _logical_lines(text):
        words = line.split()
        if words[0].startswith("$"):
            _direct(reader, words, number)
            continue
        record = _record(reader, line, words, comment, number)
        if record is None:
            others += 1
        else:
            records.append(record)
    return ZoneFile(tuple(records), others)


def write_zone_file(zone_name: str, records: Iterable[FileRecord]) -> str:
    """A file that `read_zone_file` reads back to the same records."""
    lines = [f"$ORIGIN {zone_name}.", "", ";; Address records"]
    lines += [
        f"{record.name}.\t{record.ttl}\tIN\t{record.type}\t{record.content}"
        f" ; cf_tags=cf-proxied:{'true' if record.proxied else 'false'}"
        for record in records
    ]
    return "\n".join([*lines, ""])


# --- lines -------------------------------------------------------------------------------------


def _logical_lines(text: str) -> Iterator[tuple[int, str, str]]:
    """Lines with content: number, text without comment, comment. Parentheses join lines."""
    pending, comments, first, depth = "", "", 0, 0
    for number, raw in enumerate(text.splitlines(), 1):
        line, comment = _split_comment(raw)
        first = first if depth else number
        pending = f"{pending} {line}" if depth else line
        comments = f"{comments} {comment}" if depth else comment
        depth += _balance(line)
        if depth > 0:
            continue
        joined = re.sub(r"[()](?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", " ", pending)
        if joined.strip():
            yield first, joined.rstrip(), comments
    if depth > 0:
        raise _invalid(first, "a parenthesis is never closed")


def _split_comment(line: str) -> tuple[str, str]:
    is_quoted = False
    for at, character in enumerate(line):
        if character == '"':
            is_quoted = not is_quoted
        elif character == ";" and not is_quoted:
            return line[:at], line[at + 1 :]
    return line, ""


def _balance(line: str) -> int:
    bare = re.sub(r'"[^"]*"', "", line)
    return bare.count("(") - bare.count(")")


# --- records -----------------------------------------------------------------------------------


def _direct(reader: _Reader, words: list[str], number: int) -> None:
    match words:
        case ["$ORIGIN" | "$origin", name]:
            reader.origin = _absolute(name, reader.origin)
        case ["$TTL" | "$ttl", ttl] if _TTL.match(ttl):
            reader.ttl = _seconds(ttl)
        case _:
            raise _invalid(number, f"the directive `{words[0]}` is not understood here")


def _record(
    reader: _Reader, line: str, words: list[str], comment: str, number: int
) -> FileRecord | None:
    if not line[0].isspace():
        reader.owner = _absolute(words.pop(0), reader.origin)
    if reader.owner is None:
        raise _invalid(number, "the first record has no name")
    ttl = reader.ttl
    while words and (words[0].upper() in _CLASSES or _TTL.match(words[0])):
        word = words.pop(0)
        ttl = ttl if word.upper() in _CLASSES else _seconds(word)
    if not words:
        raise _invalid(number, "the record has no type")
    kind = words[0].upper()
    if kind not in _ADDRESS_TYPES:
        return None
    if len(words) != 2:
        raise _invalid(number, f"`{kind}` needs exactly one address")
    return FileRecord(reader.owner, kind, words[1], ttl, _proxied(comment))


def _absolute(name: str, origin: str) -> str:
    if name == "@":
        return origin
    return name[:-1] if name.endswith(".") else f"{name}.{origin}"


def _seconds(ttl: str) -> int:
    return sum(int(number) * _UNITS[unit.lower()] for number, unit in _TTL_PART.findall(ttl))


def _proxied(comment: str) -> bool | None:
    tags = _TAGS.search(comment)
    if tags is None or "cf-proxied:" not in tags["tags"]:
        return None
    return "cf-proxied:true" in tags["tags"].split(",")


def _invalid(number: int, why: str) -> Invalid:
    return Invalid(f"Line {number} of the file: {why}.", pointer="/file")
