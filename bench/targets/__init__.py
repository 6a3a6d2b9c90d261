"""The proxies under measurement, in the order in which tables show them."""

from __future__ import annotations

from bench.targets import chains, direct, egressway, envoy, haproxy, nginx
from bench.targets.target import Target

REFERENCE = haproxy.HTTP
"""Ratios are to this target in the same round."""

TARGETS: tuple[Target, ...] = (
    egressway.LOGGING,
    haproxy.HTTP,
    haproxy.HTTP_LOGGING,
    haproxy.TCP,
    nginx.PLAIN,
    nginx.LOGGING,
    envoy.PLAIN,
    envoy.LOGGING,
    chains.EGRESSWAY,
    chains.HAPROXY,
    chains.NGINX,
    direct.DIRECT,
)
