"""ExaBGP's time of day goes on whatever happens to the machine's."""

from __future__ import annotations

from egressway.node.announce.steady_clock import steady


def test_the_time_of_day_goes_on_as_the_monotonic_clock_does() -> None:
    ticks = iter([100.0, 100.0, 103.5])
    now = steady(1_000.0, lambda: next(ticks))
    assert now() == 1_000.0
    assert now() == 1_003.5
