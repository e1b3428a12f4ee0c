"""What a callback shows where the API refuses: said once, beside the callback."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, TypeVar

from frontend.api import ApiError

T = TypeVar("T")
Callback = Callable[..., Awaitable[Any]]


def or_else(told: Callable[..., Any]) -> Callable[[Callback], Callback]:
    """Where the API refuses, the callback answers with `told(error, *its arguments)`."""

    def decorate(callback: Callback) -> Callback:
        @wraps(callback)
        async def answering(*given: Any) -> Any:
            try:
                return await callback(*given)
            except ApiError as error:
                return told(error, *given)

        return answering

    return decorate


async def tried(call: Awaitable[T]) -> tuple[T | None, ApiError | None]:
    """The API's answer, or why it refused what was asked; raises where it is away."""
    try:
        return await call, None
    except ApiError as error:
        if error.status == 503:
            raise
        return None, error
