"""All nouns in one place, in the order a person meets them."""

import typer

from egressway.cli import (
    account,
    certificate,
    data_center,
    fleet,
    lease,
    location,
    placement,
    pool,
    record,
    regional_hostname,
    rollout,
    server,
    setting,
    status,
    token,
    usage,
    zone,
)

__all__ = ["mount"]


def mount(app: typer.Typer) -> None:
    """Add every noun to the root command."""
    status.mount(app)
    account.mount(app)
    lease.mount(app)
    pool.mount(app)
    zone.mount(app)
    record.mount(app)
    regional_hostname.mount(app)
    setting.mount(app)
    certificate.mount(app)
    usage.mount(app)
    token.mount(app)
    fleet.mount(app)
    location.mount(app)
    data_center.mount(app)
    server.mount(app)
    placement.mount(app)
    rollout.mount(app)
