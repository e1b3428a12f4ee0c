"""The norm that shifts of scale between layers leave alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from worker.lab.core.diagnostic import Diagnostic, Reading, View


class IntrinsicNorms(Diagnostic):
    """The intrinsic norm: the product of all layers' norms.

    `norm/intrinsic` is ν = Π_l ‖W_l‖_F over weight matrices and kernels, biases left out (derived
    here). A residual block counts as the product of its branch plus that of its shortcut, 1 for
    the identity; batch normalisation is folded into the layer before it, by running variance.
    W_l → aW_l, W_{l+1} → W_{l+1}/a on a path leaves it as it is. See `spectral_bound` for the
    product of spectral norms.
    """

    title: ClassVar[str] = "Intrinsic norm"
    paper: ClassVar[str] = "arXiv:2008.02965"
    invariant: ClassVar[bool | None] = True

    def measure(self, view: View) -> Iterator[Reading]:
        yield "norm/intrinsic", view.intrinsic_norm
