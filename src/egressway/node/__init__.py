"""CONFIG 4 of 5 and MEASUREMENT 1: the agent beside each data plane.

`apply` brings the data plane to the desired state and remembers what it refused, `report` drains
what it counted, `health` says whether this server is ready, and why not. It knows a
data plane by its four verbs and the control plane by the wire: no store, no API.
"""
