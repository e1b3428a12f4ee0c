"""The intrinsic norm and its bound, with spectral norms in the place of Frobenius norms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
from torch.nn import functional as F

from worker.lab.core.diagnostic import Diagnostic, Reading, View
from worker.lab.core.spectrum import spectral_norms
from worker.lab.core.watch import input_gradient


class SpectralBound(Diagnostic):
    """The product of spectral norms, its bound on the input gradient, and how much is used.

    `norm/intrinsic_spectral` is Π_l ‖W_l‖₂, at most `norm/intrinsic`; shortcuts add to branches and
    batch normalisation is folded in as there. With the constants C of core/layers.py (derived
    here), ‖∇ₓ CE‖₂ ≤ ‖p − e_y‖₂ · C · Π_l ‖W_l‖₂: `diagnostic/spectral_bound/bound` is the right
    side's mean over a batch, `diagnostic/spectral_bound/tightness` the measured mean over it. That
    is at most 1, and at least `gradient/tightness`, the same of WEISSI's bound.
    """

    title: ClassVar[str] = "Spectral bound"
    invariant: ClassVar[bool | None] = True

    def survey(self, view: View) -> Iterator[Reading]:
        norms = spectral_norms(view.layers)
        logits = view.model(view.x)
        residual = logits.softmax(1) - F.one_hot(view.y, logits.shape[1])
        bound = view.layers.bound(norms) * torch.linalg.vector_norm(residual, dim=1).mean()
        gradient = input_gradient(view.model, view.x, view.y).flatten(1)
        yield "norm/intrinsic_spectral", view.layers.intrinsic(norms)
        yield "diagnostic/spectral_bound/bound", bound
        tightness = torch.linalg.vector_norm(gradient, dim=1).mean() / bound
        yield "diagnostic/spectral_bound/tightness", tightness
