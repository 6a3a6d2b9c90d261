"""The data plane over real sockets: real clients, the native module, origins that follow scripts.

One module per promise. A test starts the planes and origins it needs; nothing is shared between tests.
"""
