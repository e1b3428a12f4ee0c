"""What readings are called on a page."""

from __future__ import annotations

import pytest

from frontend import readings


@pytest.mark.parametrize(
    ("path", "diagnostic", "said"),
    [
        ("diagnostic/widths/ece", "widths", "expected calibration error"),
        ("diagnostic/pac_bayes/isotropic/sigma", "pac_bayes", "isotropic · σ"),
        ("diagnostic/rank_truncation/layer2", "rank_truncation", "layer 2"),
        ("diagnostic/spectral_bound/tightness", "spectral_bound", "mean measured / mean bound"),
        ("gradient/input_max", "input_gradient", "largest ‖∇ₓ CE‖₂ (nats / input unit)"),
        ("norm/layer/layer3", "", "‖W‖ of layer 3 (Frobenius)"),
        ("train/loss/weissi", "", "training loss, its part weissi (nats)"),
        ("diagnostic/of_tomorrow/new_thing", "of_tomorrow", "new thing"),
    ],
)
def test_a_path_is_said_in_the_field_s_words(path: str, diagnostic: str, said: str) -> None:
    assert readings.words(path, diagnostic) == said
