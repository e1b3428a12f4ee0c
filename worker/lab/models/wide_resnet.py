"""Few residual blocks, many channels."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field
from torch import nn

from worker.contract import plan as plans
from worker.lab.core.blocks import BIAS, NORM, preact_stage
from worker.lab.core.initialise import he
from worker.lab.core.model import Model


class WideResnet(Model):
    """A wide residual network: two blocks a stage, four times as wide, make WRN-16-4.

    normalise → 3×3 convolution to 16 channels → three stages of `blocks` pre-activation blocks with
    1, 2 and 4 times 16 · `widen` channels → norm → ReLU → mean over pixels → linear. A block is
    x ↦ x + (norm, ReLU, convolution, norm, ReLU, convolution), without dropout; the first of each
    stage has a 1×1 convolution as shortcut, and halves the sides in stages two and three. Depth is
    6 · `blocks` + 4: WRN-28-10 has 4 blocks and `widen` 10.

    Convolutions start as He et al. (2015) have them. Without batch normalisation the last
    convolution of each branch is divided by √(number of blocks) at the start (derived here), and
    convolutions have biases.
    """

    title: ClassVar[str] = "Wide ResNet"
    paper: ClassVar[str] = "Zagoruyko & Komodakis (2016), arXiv:1605.07146"
    plan: ClassVar[list[plans.Layer]] = [
        plans.Conv(out=16, bias=BIAS),
        *preact_stage("widen*16", 1, "blocks"),
        *preact_stage("widen*32", 2, "blocks"),
        *preact_stage("widen*64", 2, "blocks"),
        *(NORM, plans.Relu(), plans.AvgPool(), plans.Linear(out="classes", bias="bias")),
    ]

    blocks: Annotated[int, Field(ge=1, le=64)] = Field(2, description="in each of three stages")
    widen: Annotated[int, Field(ge=2, le=32)] = Field(
        4, description="channels of every stage, as a multiple of the narrow network's 16, 32, 64"
    )
    batch_norm: bool = Field(True, description="batch normalisation before every ReLU")
    bias: bool = Field(
        True, description="of the last layer, and of convolutions without batch normalisation"
    )

    def initialise(self, network: nn.Sequential) -> None:
        he(network)
