"""Assembly of the API application; every part that was written elsewhere meets here.

CONFIG 1 of 5. One line per resource; the gate, the body reader, the error handler and the header
hook are the same for all of them, so that no handler can forget one.
"""

from __future__ import annotations

from typing import Final

from litestar import Litestar, Router
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler
from prometheus_client import REGISTRY, CollectorRegistry

from egressway.api import operate
from egressway.api.access import Gate, caller_of, zone_of
from egressway.api.body import StrictBody
from egressway.api.headers import complete_headers
from egressway.api.operate import HealthSource
from egressway.api.problems import respond
from egressway.api.provide import constants, provided
from egressway.api.rest import (
    account_tokens,
    accounts,
    certificates,
    data_centers,
    dns_record_batches,
    dns_record_files,
    dns_records,
    fleet,
    ips,
    join_tokens,
    leased_ips,
    locations,
    placements,
    pools,
    regional_hostnames,
    rollout,
    servers,
    user_tokens,
    zone_settings,
    zones,
)
from egressway.api.rest import (
    usage as usage_rows,
)
from egressway.api.rest.fleet import FleetSource, NoFleet
from egressway.api.rest.rollout import NoRollouts, RolloutControl
from egressway.api.rest.usage import UsageSource
from egressway.api.settings import ApiSettings
from egressway.store import Store

__all__ = ["BASE_PATH", "create_app", "dependencies", "routes"]

BASE_PATH: Final = "/client/v4"

RESOURCES: Final[tuple[HTTPRouteHandler, ...]] = (
    *accounts.HANDLERS,
    *account_tokens.HANDLERS,
    *user_tokens.HANDLERS,
    *zones.HANDLERS,
    *dns_records.HANDLERS,
    *dns_record_batches.HANDLERS,
    *dns_record_files.HANDLERS,
    *regional_hostnames.HANDLERS,
    *zone_settings.HANDLERS,
    *certificates.HANDLERS,
    *leased_ips.HANDLERS,
    *pools.HANDLERS,
    *usage_rows.HANDLERS,
    *ips.HANDLERS,
    *locations.HANDLERS,
    *data_centers.HANDLERS,
    *servers.HANDLERS,
    *join_tokens.HANDLERS,
    *fleet.HANDLERS,
    *placements.HANDLERS,
    *rollout.HANDLERS,
    *operate.HANDLERS,
)


def create_app(
    store: Store,
    *,
    usage: UsageSource,
    health: HealthSource,
    settings: ApiSettings | None = None,
    registry: CollectorRegistry = REGISTRY,
    servers: FleetSource | None = None,
    rollouts: RolloutControl | None = None,
) -> Litestar:
    """The application over an open store."""
    chosen = settings or ApiSettings()
    return Litestar(
        route_handlers=routes(),
        dependencies=dependencies(
            store=store,
            usage=usage,
            health=health,
            settings=chosen,
            registry=registry,
            fleet=servers or NoFleet(),
            rollouts=rollouts or NoRollouts(),
        ),
        guards=[Gate(store, chosen)],
        dto=StrictBody,
        exception_handlers={Exception: respond},
        before_send=[complete_headers],
        request_max_body_size=chosen.max_body_bytes,
        openapi_config=None,
        logging_config=None,
        debug=False,
    )


def routes() -> list[Router | HTTPRouteHandler]:
    """Everything that is served."""
    return [Router(path=BASE_PATH, route_handlers=RESOURCES), *operate.PLAIN_HANDLERS]


def dependencies(**values: object) -> dict[str, Provide]:
    """What handlers may ask for by name: these values, who is calling, and the zone of the path."""
    return {**constants(**values), "caller": provided(caller_of), "zone": provided(zone_of)}
