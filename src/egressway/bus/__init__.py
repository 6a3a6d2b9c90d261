"""Between CONFIG 3 and 4, and between MEASUREMENT 1 and 2: what carries messages through the fleet.

`bus` is the contract, `in_process` keeps it inside one process, `nats` over NATS JetStream; one
conformance suite runs on both. It carries bytes and knows what follows what, never what is in them.
"""
