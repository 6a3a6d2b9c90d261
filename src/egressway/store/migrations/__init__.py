"""Beside CONFIG 2: the steps from one schema to the next; each works while older processes still run."""
