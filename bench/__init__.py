"""Whole-system benchmark: Egressway beside HAProxy, nginx and Envoy, one origin, one load.

Run it with `make bench` or `python -m bench.run`; `bench/README.md` says what is measured and how.
"""
