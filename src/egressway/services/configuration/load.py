"""File and environment to a `Configuration`, or all the problems at once.

Precedence: command line, then `EGRESSWAY_*` variables, then the file, then defaults. An unknown key
is refused with the nearest known one, because a misspelt limit that is silently ignored is no
limit.
"""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from egressway.model.errors import Invalid
from egressway.model.lease import parse_leased_address
from egressway.services.configuration.types import (
    ENTRIES,
    LIMIT_MEANINGS,
    Configuration,
    Entries,
    Limits,
    keys_of,
    limit_kind,
    sections,
)
from egressway.services.configuration.values import Kind

__all__ = [
    "CLIENT_VARIABLES",
    "PREFIX",
    "ConfigurationError",
    "load_configuration",
    "variable_name",
]

PREFIX = "EGRESSWAY_"
SHORT_NAMES: dict[tuple[str, ...], str] = {
    ("bus", "url"): "EGRESSWAY_BUS",
    ("store", "url"): "EGRESSWAY_STORE",
}
"""Variables that choose what Egressway runs on; they are said too often for a long name."""

FILE_NAME = "egressway.toml"
CLIENT_VARIABLES = frozenset(
    {
        "EGRESSWAY_ACCOUNT",
        "EGRESSWAY_JOIN_TOKEN",
        "EGRESSWAY_TOKEN",
        "EGRESSWAY_TOKEN_FILE",
        "EGRESSWAY_URL",
    }
)
"""Variables of the command line, not of the configuration."""

_MISSING = object()
S = TypeVar("S")


class ConfigurationError(ValueError):
    """What is wrong, one sentence per key, each with the next step."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def load_configuration(
    config: Path | None = None,
    data: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Configuration:
    """Read everything; `config` and `data` are the command line's.

    Without `config`, `egressway.toml` in the data directory is read if it is there.
    """
    reader = _Reader(environment or {})
    if config is None:
        directory = data or reader.data_directory()
        config = directory / FILE_NAME if (directory / FILE_NAME).is_file() else None
    values = _read_file(config) if config else {}
    configuration = reader.configuration(values)
    if reader.problems:
        raise ConfigurationError(reader.problems)
    return configuration.with_data(data) if data else configuration


def variable_name(*path: str) -> str:
    """`api.port` is `EGRESSWAY_API_PORT`."""
    return SHORT_NAMES.get(path) or PREFIX + "_".join(path).upper()


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as failure:
        raise ConfigurationError(
            [f"`{path}` cannot be read: {failure.strerror}. Give another file with `--config`."]
        ) from failure
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as failure:
        raise ConfigurationError(
            [f"`{path}` is not TOML: {failure}. Correct the file at that place."]
        ) from failure


class _Reader:
    """Collects problems while it builds, so that one start tells all of them."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._unread = {
            name: text
            for name, text in environment.items()
            if name.startswith(PREFIX) and name not in CLIENT_VARIABLES
        }
        self.problems: list[str] = []

    def data_directory(self) -> Path:
        """The data directory before the file is known, because the file may lie in it."""
        text = self._unread.get(variable_name("data"))
        return Path(text).expanduser() if text else Configuration().data

    def configuration(self, values: dict[str, Any]) -> Configuration:
        """The whole tree."""
        known = [each.name for each in dataclasses.fields(Configuration)]
        self._refuse_unknown(values, known, "")
        read = self._read(Configuration, "", values)
        for name, section in sections().items():
            read[name] = self._section(section, name, self._table(values.get(name, {}), name))
        read["limits"] = self._limits(self._table(values.get("limits", {}), "limits"))
        self._refuse_unread_variables()
        configuration = Configuration(**read)
        self._check_egress(configuration)
        self._check_listeners(configuration)
        self._check_announce(configuration)
        return configuration

    def _section(self, section: type[S], name: str, table: dict[str, Any]) -> S:
        known = list(keys_of(section))
        more = {}
        if (entries := ENTRIES.get(section)) is not None:
            known.append(entries.key)
            more[entries.key] = self._entries(name, entries, table.get(entries.key, []))
        self._refuse_unknown(table, known, name)
        return section(**self._read(section, name, table), **more)

    def _read(self, section: type[Any], name: str, table: dict[str, Any]) -> dict[str, Any]:
        """The keys that were given, parsed; the others keep their defaults."""
        read = {
            key: self._value(f"{name}.{key}" if name else key, about.kind, table)
            for key, about in keys_of(section).items()
        }
        return {key: value for key, value in read.items() if value is not _MISSING}

    def _limits(self, table: dict[str, Any]) -> Limits:
        self._refuse_unknown(table, list(LIMIT_MEANINGS), "limits")
        read = {key: self._value(f"limits.{key}", limit_kind(key), table) for key in LIMIT_MEANINGS}
        given = {key: value for key, value in read.items() if value is not _MISSING}
        return msgspec.structs.replace(Limits(), **given)

    def _entries(self, section: str, entries: Entries, given: object) -> tuple[Any, ...]:
        path = f"{section}.{entries.key}"
        if not isinstance(given, list):
            self._problem(path, given, f"a list of `[[{path}]]` tables")
            return ()
        return tuple(
            self._entry(f"{path}[{index}]", entries, self._table(entry, path))
            for index, entry in enumerate(given)
        )

    def _entry(self, place: str, entries: Entries, table: dict[str, Any]) -> Any:  # noqa: ANN401
        keys = keys_of(entries.entry)
        self._refuse_unknown(table, list(keys), place)
        for key, advice in entries.required.items():
            if key not in table:
                self.problems.append(f"`{place}.{key}` is missing: {advice}.")
        read = {
            key: self._parsed(f"{place}.{key}", about.kind, table[key])
            for key, about in keys.items()
            if key in table
        }
        return entries.entry(**{k: value for k, value in read.items() if value is not _MISSING})

    def _table(self, value: object, name: str) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        self._problem(name, value, f"a table: begin a section with `[{name}]`")
        return {}

    def _value(self, path: str, kind: Kind[Any], table: dict[str, Any]) -> Any:  # noqa: ANN401
        variable = variable_name(*path.split("."))
        if (text := self._unread.pop(variable, None)) is not None:
            try:
                return kind.parse(kind.from_text(text))
            except (ValueError, TypeError):
                self._problem(variable, text, kind.expects)
                return _MISSING
        key = path.rpartition(".")[2]
        return self._parsed(path, kind, table[key]) if key in table else _MISSING

    def _parsed(self, path: str, kind: Kind[Any], value: object) -> Any:  # noqa: ANN401
        try:
            return kind.parse(value)
        except (ValueError, TypeError):
            self._problem(path, value, kind.expects)
            return _MISSING

    def _problem(self, key: str, value: object, expects: str) -> None:
        self.problems.append(f"`{key}` is `{_shown(value)}`, but it must be {expects}.")

    def _refuse_unknown(self, table: Mapping[str, object], known: list[str], place: str) -> None:
        for key in table:
            if key not in known:
                name = f"{place}.{key}" if place else key
                self.problems.append(f"`{name}` is not a setting{_nearest(key, known)}")

    def _refuse_unread_variables(self) -> None:
        known = list(_all_variables())
        for name in self._unread:
            self.problems.append(f"`{name}` is not a setting{_nearest(name, known)}")

    def _check_egress(self, configuration: Configuration) -> None:
        egress = configuration.egress
        if egress.first_port > egress.last_port:
            self.problems.append(
                f"`egress.first_port` is `{egress.first_port}`, above `egress.last_port` "
                f"`{egress.last_port}`: exchange them."
            )
        elif not egress.shared_ips:
            self.problems.append(
                "`egress.shared_ips` is `[]`: give at least one address of this machine."
            )
        for ip in egress.shared_ips:
            try:
                parse_leased_address(str(ip))
            except Invalid as unusable:
                self.problems.append(
                    f"`egress.shared_ips` holds `{ip}`: {unusable.text} Give an address of this "
                    "machine."
                )

    def _check_listeners(self, configuration: Configuration) -> None:
        given = configuration.ingress.listeners
        keys = "`ingress.listeners`" if given else "`ingress.http_port` and `ingress.https_port`"
        places = [(each.address, each.port) for each in configuration.listeners if each.port]
        for address, port in {place for place in places if places.count(place) > 1}:
            self.problems.append(
                f"{keys} name the port `{port}` of {address} twice: give each listener its own."
            )

    def _check_announce(self, configuration: Configuration) -> None:
        announce = configuration.announce
        if announce.asn == 0:
            return
        if announce.router_id is None or announce.router_id.version != 4:
            self.problems.append(
                f"`announce.router_id` is `{announce.router_id or ''}`, and `announce.asn` is set: "
                "give an IPv4 address of this server."
            )
        if not announce.peers:
            self.problems.append(
                "`announce.asn` is set, and nobody is told: add the routers as `[[announce.peers]]`."
            )


def _all_variables() -> Iterator[str]:
    yield from (variable_name(key) for key in keys_of(Configuration))
    for name, section in sections().items():
        yield from (variable_name(name, key) for key in keys_of(section))
    yield from (variable_name("limits", key) for key in LIMIT_MEANINGS)


def _nearest(key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    return (
        f": did you mean `{close[0]}`?" if close else ": remove it, or see `reference/settings.md`."
    )


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else str(value)
