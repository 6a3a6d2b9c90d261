"""What really happened, as rows for the tables: each view asks clients, nodes, origins or the kernel."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from egressway.lab.errors import LabError
from egressway.lab.lab import Lab
from egressway.lab.nodes import Node
from egressway.lab.scenario.clients import Clients
from egressway.lab.scenario.compare import Value
from egressway.lab.scenario.logs import AccessLogs
from egressway.lab.scenario.record import Answered, Event, Record
from egressway.lab.scenario.routes import routes_of
from egressway.lab.scenario.secrets import SecretsWatch, key_number

__all__ = ["FROM_LOGS", "Observer", "Row"]

Row = dict[str, Value]
FROM_LOGS: Final = frozenset(("rung", "ingress_server", "egress_server", "egress_ip"))
"""Columns of `requests` that only access logs can fill."""
SLOW_SECONDS: Final = 1.0


class Observer:
    """One scenario's eyes."""

    def __init__(self, lab: Lab, clients: Clients, record: Record) -> None:
        self._lab = lab
        self._clients = clients
        self._record = record
        self.logs = AccessLogs(lab.nodes.values())
        self._secrets_watch: SecretsWatch | None = None
        self._errors_before = {name: _errors(node) for name, node in lab.nodes.items()}

    def rows(self, view: str, columns: Sequence[str]) -> list[Row]:
        """What a view shows now."""
        views: Mapping[str, Callable[[], Iterator[Row]]] = {
            "requests": lambda: self._requests(needs_logs=bool(FROM_LOGS & set(columns))),
            "held": self._held,
            "connections": self._connections,
            "origins": self._origins,
            "transfers": self._transfers,
            "outages": self._outages,
            "servers": self._servers,
            "routes": self._routes,
            "secrets": self._secrets,
            "errors": self._errors,
        }
        return list(views[view]())

    def _requests(self, *, needs_logs: bool) -> Iterator[Row]:
        if needs_logs:
            self.logs.read()
        for each in self._record.block:
            line = self.logs.of(each.path) if needs_logs else None
            yield {
                "client": each.asked.client,
                "server": each.asked.server,
                "host": each.asked.host,
                "status": each.status,
                "error": each.error,
                "seen_ip": each.seen_ip,
                "rung": line.rung if line else None,
                "ingress_server": line.ingress_server if line else None,
                "egress_server": line.egress_server if line else None,
                "egress_ip": line.egress_ip if line else None,
            }

    def is_logged(self) -> bool:
        """Every request of the block that a server answered is in an access log."""
        self.logs.read()
        return all(
            self.logs.of(each.path) is not None
            for each in self._record.block
            if each.status.isdigit()
        )

    def disagreements(self) -> list[Answered]:
        """Requests that an origin saw from elsewhere than the access log says."""
        self.logs.read()
        return [
            each
            for each in self._record.all
            if each.seen_ip is not None
            and (line := self.logs.of(each.path)) is not None
            and (line.egress_ip, line.egress_port) != (each.seen_ip, each.seen_port)
        ]

    def _held(self) -> Iterator[Row]:
        for name, location in sorted(self._record.holds):
            outcomes = self._clients.at(location).ask("held", name=name)
            for outcome, count in outcomes.items():
                yield {"hold": name, "outcome": outcome, "count": count}

    def _connections(self) -> Iterator[Row]:
        for name, node in self._lab.nodes.items():
            for (metric, labels), value in node.metrics().items():
                if metric == "egressway_egress_connections" and value:
                    told = dict(re.findall(r'(\w+)="([^"]*)"', labels))
                    yield {
                        "server": name,
                        "egress_ip": told["egress_ip"],
                        "origin": self._origin_named(told["origin"]),
                        "count": int(value),
                    }

    def _origin_named(self, endpoint: str) -> str:
        address, _, port = endpoint.rpartition(":")
        for name, host in self._lab.plan.origins.items():
            if address.strip("[]") in (str(host.address), str(host.address6)):
                return f"{name}:{port}"
        return endpoint

    def _origins(self) -> Iterator[Row]:
        for name, origin in self._lab.origins.items():
            for ip, port, count, most in origin.peers():
                if count or most:
                    yield {"origin": f"{name}:{port}", "from": ip, "count": count, "most": most}

    def _transfers(self) -> Iterator[Row]:
        for kind, states in self._record.transfers.items():
            yield {
                "kind": kind,
                **{state: states.get(state, 0) for state in ("open", "whole", "broken")},
            }

    def _outages(self) -> Iterator[Row]:
        by_text: dict[str, list[tuple[float, float]]] = {}
        for event in self._record.events:
            until = self._next_event(event)
            served = [
                # What the next event catches on its way is not this one's doing.
                each
                for each in self._record.block
                if event.at <= each.began and each.ended < until
            ]
            if not served:
                raise LabError(f"no request was under way after `{event.text}`.")
            slowest = max(each.ended - each.began for each in served)
            by_text.setdefault(event.text, []).append((outage(event.at, served), slowest))
        for text, found in by_text.items():
            outages, slowest_of_all = [each for each, _ in found], max(each for _, each in found)
            yield {
                "after": text,
                "runs": len(outages),
                "p99": percentile_99(outages),
                "worst": max(outages),
                "slowest": slowest_of_all,
            }

    def _next_event(self, event: Event) -> float:
        later = (each.at for each in self._record.events if each.at > event.at)
        return min(later, default=float("inf"))

    def _servers(self) -> Iterator[Row]:
        for name, node in self._lab.nodes.items():
            metrics = node.metrics()
            refused = metrics.get(("egressway_snapshots_refused_total", ""))
            panics = metrics.get(("egressway_panics_total", ""))
            yield {
                "server": name,
                "running": "no" if node.process.pid is None else "yes",
                "ready": "yes" if node.is_ready() else "no",
                "panics": None if panics is None else int(panics),
                "refused_snapshots": None if refused is None else int(refused),
            }

    def _routes(self) -> Iterator[Row]:
        for route in routes_of(self._lab):
            yield {"address": route.address, "at": route.at, "via": route.via}

    def watch_secrets(self) -> None:
        """Look at the wires of all servers from now on."""
        self._secrets_watch = SecretsWatch(self._lab.nodes, self._lab.directory)

    def _secrets(self) -> Iterator[Row]:
        assert self._secrets_watch is not None, "watch first"
        keys = [key_number(pem) for pem in self._lab.api.private_keys.values()]
        for name, is_plain, has_key in self._secrets_watch.found(keys):
            yield {
                "server": name,
                "plaintext": "yes" if is_plain else "no",
                "key": "yes" if has_key else "no",
            }

    def _errors(self) -> Iterator[Row]:
        for name, node in self._lab.nodes.items():
            before = self._errors_before[name]
            for code, count in _errors(node).items():
                more = count - before.get(code, 0) if count >= before.get(code, 0) else count
                if more:
                    yield {"server": name, "code": code, "count": more}


def outage(since: float, answers: Sequence[Answered]) -> float:
    """Seconds from an event to the end of the last request begun after it that failed, or waited long.

    Long is more than a second. Everybody who asks later than the end of an outage is served.
    """
    bad = [
        each.ended
        for each in answers
        if each.status != "200" or each.ended - each.began > SLOW_SECONDS
    ]
    return max(bad, default=since) - since


def percentile_99(values: Sequence[float]) -> float:
    """Of few values it is the greatest."""
    return max(values) if len(values) < 100 else statistics.quantiles(values, n=100)[98]


def _errors(node: Node) -> dict[str, int]:
    return {
        labels.partition('code="')[2].rstrip('"'): int(value)
        for (metric, labels), value in node.metrics().items()
        if metric == "egressway_errors_total"
    }
