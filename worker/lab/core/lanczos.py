"""What can be known of a large symmetric matrix from products with it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Product = Callable[[Tensor], Tensor]
"""v (n,) ↦ A v (n,), A symmetric."""

TINY = 1e-6
"""Relative to A v: less than that is rounding, and the directions found span all that v reaches."""


def lanczos(product: Product, start: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Ritz values (k,), rising, and their weights (k,), which add up to 1, with k ≤ steps.

    They are the nodes and weights of the Gauss quadrature of A's spectrum as seen from `start`:
    Σ_i weight_i g(value_i) ≈ vᵀ g(A) v, v = start/‖start‖, exact for polynomials g up to degree
    2k − 1 (Golub & Meurant). The outermost values converge first, from inside. Every new
    direction is made orthogonal to all earlier ones twice: rounding would else repeat values.
    """
    steps = min(steps, len(start))
    basis = start.new_empty(steps, len(start))
    diagonal, beside = start.new_zeros(steps), start.new_zeros(steps)
    new = start / start.norm()
    for k in range(steps):
        basis[k] = new
        found = product(new)
        diagonal[k], scale = found @ new, found.norm()
        for _ in range(2):
            found = found - basis[: k + 1].mT @ (basis[: k + 1] @ found)
        beside[k] = found.norm()
        if beside[k] <= TINY * scale:
            steps = k + 1
            break
        new = found / beside[k]
    off = torch.diag(beside[: steps - 1], 1)
    small = torch.diag(diagonal[:steps]) + off + off.mT
    values, vectors = torch.linalg.eigh(small.double().cpu())
    return values, vectors[0].square()
