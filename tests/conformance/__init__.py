"""Conformance: what others decided is right, and whether the data plane agrees.

h2spec for HTTP/2 on ingress; a corpus of smuggling attempts judged against a real nginx; ordinary requests
whose answers through the data plane and through nginx must be the same.
"""
