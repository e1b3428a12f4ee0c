"""The norm of each layer by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from worker.lab.core.diagnostic import Diagnostic, Reading, View


class LayerNorms(Diagnostic):
    """The Frobenius norm of every weight layer.

    `norm/layer/layer1`, … from the input on: ‖W_l‖_F of the weight matrix, or of the kernel over
    all its entries. A shift of scale moves these and leaves their product, the intrinsic norm.
    """

    title: ClassVar[str] = "Layer norms"
    invariant: ClassVar[bool | None] = False

    def measure(self, view: View) -> Iterator[Reading]:
        for name, norm in zip(view.layers.names, view.norms, strict=True):
            yield f"norm/layer/{name}", norm
