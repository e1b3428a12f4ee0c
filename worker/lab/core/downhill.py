"""Ordered gates z_1 ≥ z_2 ≥ … ≥ z_K in [0, 1], relaxed so that gradients reach their chances.

A chain: gate i stays open with chance β_i if gate i − 1 is open, and is closed otherwise. The last
open one has the distribution q over 0 … K: q_i = (1 − β_{i+1}) Π_{j≤i} β_j and q_K = Π_j β_j; gate
i is open with chance Π_{j≤i} β_j. β = sigmoid(b), b clamped to ±5.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

CLAMP = 5.0


def log_open(b: Tensor) -> Tensor:
    """log Π_{j≤i} β_j of every gate, (K,)."""
    return F.logsigmoid(b.clamp(-CLAMP, CLAMP)).cumsum(0)


def log_tail(b: Tensor) -> Tensor:
    """log q, (K + 1,)."""
    zero = b.new_zeros(1)
    closing = F.logsigmoid(-b.clamp(-CLAMP, CLAMP))
    return torch.cat([zero, log_open(b)]) + torch.cat([closing, zero])


def sample(logits: Tensor, tau: float, hard: bool) -> Tensor:
    """Downhill sampling, (K,): e by Gumbel-softmax at temperature tau over K + 1 outcomes, then
    z_i = 1 − Σ_{j<i} e_j; hard rounds e to one-hot and keeps its gradient. With log q for logits
    the hard tail index has the distribution q. Draws from torch's global generator."""
    e = F.gumbel_softmax(logits, tau, hard, dim=0)
    return 1 - e[:-1].cumsum(0)


def log_density(z: Tensor, log_q: Tensor, tau: float) -> Tensor:
    """log p(z) of soft samples z (…, K), derived here: that of the Concrete distribution at
    e_i = z_i − z_{i+1}, for the map from e to z keeps volumes.

    p(z) = Γ(n) τ^{n−1} (Σ_i q_i e_i^{−τ})^{−n} Π_i q_i e_i^{−(τ+1)}, n = K + 1, z_0 = 1, z_n = 0.
    """
    ends = F.pad(F.pad(z, (1, 0), value=1.0), (0, 1), value=0.0)
    log_e = (ends[..., :-1] - ends[..., 1:]).log()
    n = log_q.shape[0]
    constant = torch.lgamma(torch.tensor(float(n))) + (n - 1) * torch.tensor(tau).log()
    spread = torch.logsumexp(log_q - tau * log_e, -1)
    return constant - n * spread + (log_q - (tau + 1) * log_e).sum(-1)


def divergence(b: Tensor, prior: float) -> Tensor:
    """KL(q ‖ p) = Σ_i q_i log(q_i / p_i), p the same chain with the constant chance `prior`."""
    constant = torch.full_like(b, prior).logit()
    log_q, log_p = log_tail(b), log_tail(constant)
    return (log_q.exp() * (log_q - log_p)).sum()
