"""Why the process cannot start, as one line for the operator."""

from __future__ import annotations

__all__ = ["StartError"]


class StartError(Exception):
    """Ends the start with exit code 1; its text names the thing and the next step."""
