"""How strongly the loss reacts to the inputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from worker.lab.core.diagnostic import Diagnostic, Reading, View


class InputGradient(Diagnostic):
    """Length of the loss's gradient at the inputs, over the training batch.

    `gradient/input` is the mean over examples of ‖∇ₓ CE‖₂ and `gradient/input_max` the largest,
    with x in [0, 1]: nats per unit of input. Where cross-entropy at the clean inputs is all that
    looks at the data, it comes from the training pass itself.
    """

    title: ClassVar[str] = "Input gradient"
    invariant: ClassVar[bool | None] = True
    needs_input_gradient: ClassVar[bool] = True

    def measure(self, view: View) -> Iterator[Reading]:
        yield "gradient/input", view.mean_gradient
        yield "gradient/input_max", view.gradient_norms.max()
