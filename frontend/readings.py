"""What a reading's path is called: its terms written out, with their units.

A term that is not here is its own name, so that a new diagnostic needs nothing of this file.
"""

from __future__ import annotations

import re

WHOLE = {
    "test/accuracy": "test accuracy",
    "test/loss": "test loss (nats)",
    "train/accuracy": "training accuracy, by batch until the end",
    "train/loss": "training loss with penalties (nats)",
    "train/loss/cross_entropy": "cross-entropy of a training batch (nats)",
    "learning_rate": "learning rate",
    "norm/intrinsic": "∏‖W‖ (Frobenius)",
    "norm/intrinsic_spectral": "∏‖W‖₂ (spectral)",
    "norm/layer": "‖W‖ (Frobenius)",
    "gradient/input": "mean ‖∇ₓ CE‖₂ (nats / input unit)",
    "gradient/input_max": "largest ‖∇ₓ CE‖₂ (nats / input unit)",
    "gradient/bound": "mean bound on ‖∇ₓ CE‖₂ (nats / input unit)",
    "gradient/bound_max": "largest bound on ‖∇ₓ CE‖₂ (nats / input unit)",
    "gradient/tightness": "mean measured / mean bound",
    "fisher_rao/norm": "‖θ‖ (Fisher–Rao)",
    "spectral_bound/bound": "mean bound on ‖∇ₓ CE‖₂ (nats / input unit)",
    "spectral_bound/tightness": "mean measured / mean bound",
    "spectral_complexity/initial": "R, from the weights at the start",
    "spectral_complexity/origin": "R, from zero",
    "spectral_complexity/product": "∏‖W‖₂ (spectral)",
    "stable_rank/total": "sum over layers",
    "reinit_probe/initial": "accuracy, layer back at its start",
    "reinit_probe/fresh": "accuracy, layer drawn anew",
    "reinit_probe/trained": "accuracy, all layers trained",
    "layer_distance/absolute": "‖W − W₀‖ (Frobenius)",
    "layer_distance/relative": "‖W − W₀‖ / ‖W₀‖",
    "weight_noise_span/length": "length outside the span",
    "weight_noise_span/share": "share outside the span",
    "weight_noise_span/isotropic": "share of a random direction",
    "boundary_distance/margin_over_gradient": "mean margin / mean gradient (input units)",
}
"""Where the whole path says more than its parts."""

WITHIN = {
    "train/loss/": "training loss, its part {} (nats)",
    "norm/layer/": "‖W‖ of {} (Frobenius)",
}
"""Where the last part alone says which of several it is."""

TERMS = {
    "ece": "expected calibration error",
    "nll": "negative log-likelihood (nats)",
    "brier": "Brier score",
    "confidence": "mean confidence",
    "auroc": "AUROC",
    "aupr": "area under precision–recall",
    "aupr_own": "the same, own data as what is found",
    "macs": "multiply-adds an example",
    "std": "standard deviation",
    "p10": "10th percentile",
    "quartile1": "lower quartile",
    "quartile3": "upper quartile",
    "sam": "SAM’s step (nats)",
    "asam": "ASAM’s step (nats)",
    "worst": "worst found (nats)",
    "worst_adaptive": "worst found, adaptive (nats)",
    "average": "mean over directions (nats)",
    "average_adaptive": "mean over directions, adaptive (nats)",
    "top_eigenvalue": "largest eigenvalue",
    "lowest_eigenvalue": "smallest eigenvalue",
    "trace_error": "standard error of the trace",
    "sigma": "σ",
    "inverse_variance": "1 / σ²",
    "l1": "ℓ₁",
    "l2": "ℓ₂",
    "squared": "squared error",
    "cross_entropy": "cross-entropy (nats)",
    "needed": "rank needed",
    "I": "by intervals",
    "V": "in one pass",
    "P": "in closed form",
}


def words(path: str, diagnostic: str = "") -> str:
    """`diagnostic/widths/ece` → expected calibration error; without what the title says already."""
    known = path.removeprefix("diagnostic/")
    if known in WHOLE:
        return WHOLE[known]
    for beginning, said in WITHIN.items():
        if known.startswith(beginning):
            return said.format(term(known.removeprefix(beginning).replace("/", ", ")))
    parts = known.removeprefix(f"{diagnostic}/").split("/")
    return " · ".join(term(part) for part in parts)


def term(name: str) -> str:
    """`quartile1` → lower quartile, `layer2` → layer 2, `decision_regions` → decision regions."""
    layer = re.fullmatch(r"layer(\d+)", name)
    return f"layer {layer[1]}" if layer else TERMS.get(name, name.replace("_", " "))
