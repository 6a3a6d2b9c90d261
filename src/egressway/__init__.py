"""Egressway: dedicated egress IPs for reverse-proxy, CDN and gateway fleets."""
