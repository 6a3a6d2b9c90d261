"""Why the lab cannot do what it was asked, as a sentence with the next step."""

from __future__ import annotations

__all__ = ["LabError"]


class LabError(Exception):
    """Ends a `lab` command with exit code 1; its text names the thing and what to do."""
