"""Beside CONFIG: who is who in a fleet. The built-in certificate authority and what it signs.

`names` are the names that certificates bear, `authority` signs them, `node_key` is the other side: the
key that never leaves its server and what it asks for, `join_token` what a server shows the first time,
and `tls` turns all of it into contexts for both ends of a connection. Pure but for randomness and the
clock that callers pass: no files, no store, no network.
"""
