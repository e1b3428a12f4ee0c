"""Images as measurements: the bytes that a page draws."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from worker.contract.measurement import Images


def levels(image: Tensor) -> list[int]:
    """(C, H, W) in [0, 1] as 0 to 255, row by row, channels last."""
    whole = (image.permute(1, 2, 0) * 255).round().clamp(0, 255).int()
    flat: list[int] = whole.flatten().tolist()
    return flat


def picture(x: Tensor, name: str = "clean", captions: list[str] | None = None) -> Images:
    """Images (B, C, H, W) in [0, 1] as one group called `name`."""
    _, channels, height, width = x.shape
    return Images(
        height=height,
        width=width,
        channels=channels,
        groups={name: [levels(image) for image in x.cpu()]},
        scale={},
        captions={name: captions or [""] * len(x)},
    )


def moved(clean: Tensor, changes: Sequence[Tensor]) -> Images:
    """One image (channels, height, width in [0, 1]), and for change n "perturbation n" (centred,
    of its own scale) and "attacked n"."""
    groups, scales = {"clean": [levels(clean)]}, {}
    for place, change in enumerate(changes):
        scales[f"perturbation {place}"] = scale = float(change.abs().max()) or 1.0
        groups[f"perturbation {place}"] = [levels(0.5 + change / (2 * scale))]
        groups[f"attacked {place}"] = [levels(clean + change)]
    channels, height, width = clean.shape
    return Images(
        height=height,
        width=width,
        channels=channels,
        groups=groups,
        scale=scales,
        captions={name: [""] for name in groups},
    )
