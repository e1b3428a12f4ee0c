"""Fully connected layers."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from worker.contract import plan as plans
from worker.lab.core.model import Model


class Mlp(Model):
    """A multilayer perceptron with ReLU.

    normalise → flatten → (linear → [batch norm] → ReLU) for every hidden width → linear. Without
    biases it is positively homogeneous of degree one in each layer, as the theory of WEISSI wants
    it.
    """

    title: ClassVar[str] = "MLP"
    plan: ClassVar[list[plans.Layer]] = [
        plans.Flatten(),
        plans.Each(
            of="hidden",
            layers=[
                plans.Linear(out="item", bias="bias"),
                plans.When(of="batch_norm", layers=[plans.BatchNorm()]),
                plans.Relu(),
            ],
        ),
        plans.Linear(out="classes", bias="bias"),
    ]

    hidden: list[Annotated[int, Field(ge=1, le=8192)]] = Field(
        [128, 128], max_length=64, description="width of each hidden layer"
    )
    bias: bool = Field(True, description="whether layers have biases")
    batch_norm: bool = Field(False, description="batch normalisation after each hidden layer")
