"""One file per step, numbered in the order they are taken."""
