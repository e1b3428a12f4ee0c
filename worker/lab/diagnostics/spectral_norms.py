"""The largest singular value of each layer by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from worker.lab.core.diagnostic import Diagnostic, Reading, View
from worker.lab.core.spectrum import spectral_norms


class SpectralNorms(Diagnostic):
    """The spectral norm of every weight layer: the most by which it stretches a vector.

    `diagnostic/spectral_norms/layer1`, …: ‖W_l‖₂ of the weight matrix, or of the kernel as a
    matrix of output channels by patch entries; batch normalisation folded in. At most ‖W_l‖_F,
    equal at rank one. A convolution over the whole image can stretch by more: √(k_h k_w) times as
    much at stride 1. A shift of scale moves these and leaves their product.
    """

    title: ClassVar[str] = "Spectral norms"
    invariant: ClassVar[bool | None] = False

    def survey(self, view: View) -> Iterator[Reading]:
        norms = spectral_norms(view.layers)
        for name, norm in zip(view.layers.names, norms, strict=True):
            yield f"diagnostic/spectral_norms/{name}", norm
