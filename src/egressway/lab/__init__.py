"""The lab: a small internet on one machine, to see the fleet work and to test it.

Beside the paths, not on one of them. It builds locations, data centers, servers, origins and clients out
of network namespaces, starts the product's own processes in them, and runs scenario files. Nothing of it
is needed to run Egressway, and nothing of the product imports it but the command line.
"""
