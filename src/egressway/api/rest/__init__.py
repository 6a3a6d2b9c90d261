"""CONFIG 1 of 5: the resources of the API, one file each.

A file has, in this order: what the answer looks like, what the bodies look like (documentation of
what `model` parses), the handlers, how a stored object is shown. Each handler names what it needs
in `opt`; one without is refused by the gate.
"""
