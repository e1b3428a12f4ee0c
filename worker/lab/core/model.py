"""The protocol of a model: a plan of layers, built into a network that normalises inside."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from worker.contract import plan as plans
from worker.lab.core.errors import LabError
from worker.lab.core.registry import Spec
from worker.lab.core.task import Task


class Normalize(nn.Module):
    """(x − mean) / std by channel, as the first layer, so that inputs stay in [0, 1] outside."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...], dims: int) -> None:
        super().__init__()
        form = (1, -1) + (1,) * (dims - 1)
        self.register_buffer("mean", torch.tensor(mean).view(form))
        self.register_buffer("std", torch.tensor(std).view(form))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std


class Residual(nn.Module):
    """x ↦ shortcut(x) + branch(x); an empty shortcut is the identity."""

    def __init__(self, branch: nn.Sequential, shortcut: nn.Sequential) -> None:
        super().__init__()
        self.branch = branch
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.shortcut(x) + self.branch(x)
        return out


class AvgPool(nn.Module):
    """The mean of every channel: (B, C, H, W) to (B, C)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


class Model(Spec):
    """An architecture: `plan` says its layers, with parameters' names where numbers vary."""

    kind: ClassVar[str] = "model"
    plan: ClassVar[list[plans.Layer]]

    @classmethod
    def facts(cls) -> dict[str, Any]:
        return {"plan": [layer.model_dump() for layer in cls.plan]}

    def cost(self, task: Task) -> plans.Cost:
        """Of one forward pass of one example. Raises as `build` does."""
        return plans.cost(self.layers_for(task), task.shape)

    def build(self, task: Task) -> nn.Sequential:
        """The network for a task, freshly initialised from torch's global generator.

        Raises LabError(code="bad_spec") where the plan does not fit the data.
        """
        layers = self.layers_for(task)
        network = nn.Sequential(
            Normalize(task.mean, task.std, len(task.shape)), *_modules(layers, task.shape)
        )
        self.initialise(network)
        return network

    def initialise(self, network: nn.Sequential) -> None:
        """Draw the weights, where PyTorch's own first weights will not do."""

    def layers_for(self, task: Task) -> list[plans.Resolved]:
        """The plan with this model's numbers in it. Raises as `build` does."""
        layers = plans.resolve(self.plan, {**self.model_dump(), "classes": len(task.classes)})
        try:
            plans.walk(layers, task.shape)
        except plans.PlanError as error:
            raise LabError("bad_spec", f"{self.name()} on {task.name}: {error}") from error
        return layers


def _modules(layers: list[plans.Resolved], shape: tuple[int, ...]) -> list[nn.Module]:
    shapes = [shape, *plans.walk(layers, shape)]
    return [_module(layer, entering) for layer, entering in zip(layers, shapes, strict=False)]


def _module(layer: plans.Resolved, shape: tuple[int, ...]) -> nn.Module:
    """One layer of a plan as a torch module, given the shape that enters it."""
    match layer:
        case plans.Linear():
            return nn.Linear(shape[0], int(layer.out), bool(layer.bias))
        case plans.Conv():
            sizes = int(layer.kernel), int(layer.stride), int(layer.padding)
            return nn.Conv2d(shape[0], int(layer.out), *sizes, bias=bool(layer.bias))
        case plans.BatchNorm():
            return nn.BatchNorm1d(shape[0]) if len(shape) == 1 else nn.BatchNorm2d(shape[0])
        case plans.Relu():
            return nn.ReLU()
        case plans.MaxPool():
            return nn.MaxPool2d(int(layer.size))
        case plans.AvgPool():
            return AvgPool()
        case plans.Flatten():
            return nn.Flatten()
        case plans.Residual():
            branch, shortcut = (
                nn.Sequential(*_modules(plans.resolve(path, {}), shape))
                for path in (layer.branch, layer.shortcut)
            )
            return Residual(branch, shortcut)
