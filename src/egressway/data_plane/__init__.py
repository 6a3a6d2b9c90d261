"""CONFIG 5 of 5, and MEASUREMENT 1: the handle of the data plane, which carries the requests.

`handle` is the protocol with its verbs, `native` the Rust data plane behind it, `fake` an
in-memory twin that takes and refuses the same snapshots. It is driven and never asks: no file here
knows the store or the node. Only `egressway.services` chooses an implementation.
"""
