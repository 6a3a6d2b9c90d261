"""One file per process, wiring only: what is started, with what, in which order.

The only package that knows all the others, and that no other may import.
"""
