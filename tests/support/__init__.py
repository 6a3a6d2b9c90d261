"""What tests of the data plane are made of: a world to serve, a plane that serves it, origins and clients.

- `world`: desired state in a few words, encoded as a snapshot; `plane`: the native data plane around it.
- `origins`: origins that obey a script byte by byte (HTTP/1) or stream by stream (HTTP/2).
- `h1_client`, `h2_client`: clients that may break every rule.
- `http_message`: a reader of HTTP/1 messages that shares no code with the product.
- `certificates`, `addresses`, `waiting`, `nginx`, `processes`: what the others stand on.

Everything speaks over real sockets of this host. Nothing here knows a test.
"""
