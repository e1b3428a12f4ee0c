"""Convolutions and pooling."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from worker.contract import plan as plans
from worker.lab.core.model import Model

NORM = plans.When(of="batch_norm", layers=[plans.BatchNorm()])


class Cnn(Model):
    """A small convolutional network, with or without batch normalisation.

    normalise → (3×3 convolution, padding 1 → [batch norm] → ReLU → 2×2 max-pool) for every number
    of channels → flatten → (linear → [batch norm] → ReLU) for every hidden width → linear.
    """

    title: ClassVar[str] = "CNN"
    plan: ClassVar[list[plans.Layer]] = [
        plans.Each(
            of="channels",
            layers=[plans.Conv(out="item", bias="bias"), NORM, plans.Relu(), plans.MaxPool()],
        ),
        plans.Flatten(),
        plans.Each(of="hidden", layers=[plans.Linear(out="item", bias="bias"), NORM, plans.Relu()]),
        plans.Linear(out="classes", bias="bias"),
    ]

    channels: list[Annotated[int, Field(ge=1, le=2048)]] = Field(
        [16, 32],
        min_length=1,
        max_length=16,
        description="of each convolution; every one halves the sides",
    )
    hidden: list[Annotated[int, Field(ge=1, le=8192)]] = Field(
        [64], max_length=16, description="width of each linear layer before the last"
    )
    bias: bool = Field(True, description="whether layers have biases")
    batch_norm: bool = Field(False, description="batch normalisation after each hidden layer")
