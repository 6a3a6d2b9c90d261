"""A fleet of real processes on loopback: what must go on when a part of it is gone, and who is let in."""
