"""CONFIG 1 of 5: the HTTP API below `/client/v4`; accepts a change, answers a question.

In the order of a request: `rate_limit` and `access` (who may; `token_use` notes it), `body` and
`paging` (what is asked), `rest` (one file per resource), `problems` and `envelope` (what is
answered), `operate` (health and metrics, outside the envelope), `app` (assembly), `reference` (the
OpenAPI document).

A change is durable in the store before it is answered. This package never talks to a data plane.
"""
