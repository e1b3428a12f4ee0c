"""What goes wrong in a lab: each error has a code for programs and a sentence for people."""

from __future__ import annotations


class LabError(Exception):
    """A job cannot go on. `step` is where it stopped, if it had begun."""

    def __init__(self, code: str, message: str, step: int | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.step = code, message, step


class Diverged(LabError):
    """A term of the loss stopped being finite."""

    def __init__(self, term: str, step: int, value: float) -> None:
        super().__init__(
            "diverged",
            f"{term} became {value} at step {step}; try a smaller learning rate or strength",
            step,
        )
        self.term = term
