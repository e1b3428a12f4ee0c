"""One piece answers wherever the API refuses."""

from __future__ import annotations

from typing import Any

import pytest

from frontend.api import ApiError
from frontend.refusals import or_else, tried

BAD, AWAY = ApiError(422, "Bad"), ApiError(503, "Away")


async def asked(error: Exception | None) -> str:
    if error:
        raise error
    return "answer"


@pytest.mark.anyio
async def test_a_callback_answers_with_what_is_told_instead() -> None:
    @or_else(lambda error, *given: (error.title, *given))
    async def callback(error: Exception | None, more: int) -> Any:
        return await asked(error), more

    assert await callback(None, 1) == ("answer", 1)
    assert await callback(BAD, 2) == ("Bad", BAD, 2)
    with pytest.raises(ValueError, match="mine"):
        await callback(ValueError("mine"), 3)


@pytest.mark.anyio
async def test_a_refusal_is_a_value_and_an_api_that_is_away_is_not() -> None:
    assert await tried(asked(None)) == ("answer", None)
    assert await tried(asked(BAD)) == (None, BAD)
    with pytest.raises(ApiError):
        await tried(asked(AWAY))
