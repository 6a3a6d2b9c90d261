"""All nouns in one place, in the order a person meets them."""

import typer

from egressway.cli import (
    account,
    certificate,
    lease,
    pool,
    record,
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
    setting.mount(app)
    certificate.mount(app)
    usage.mount(app)
    token.mount(app)
