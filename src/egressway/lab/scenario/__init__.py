"""Scenario files: what happens in the lab and what must come of it, as people read it.

In order: `script` (what a file says, as types), `steps` and `parse` (from text to these), `observe` (what
really happened: clients, access logs, metrics, captures), `compare` (expected against got), `run` (one
file from its beginning to its end), `report` (the printed tables).
"""
