"""What may end in a log or a traceback shows no secret."""

from __future__ import annotations

from egressway.api.body import Body
from egressway.api.envelope import answer
from egressway.api.rest.token_shapes import IssuedToken


def test_neither_bodies_nor_answers_show_a_secret() -> None:
    body: Body[object] = Body({"private_key": "secret"})
    issued = IssuedToken(
        id="1",
        name="ci",
        status="active",
        policies=[],
        issued_on="2026-01-01T00:00:00.000000Z",
        modified_on="2026-01-01T00:00:00.000000Z",
        value="secret",
    )
    assert "secret" not in repr(body) + repr(answer(issued))
    assert "ci" in repr(issued)
