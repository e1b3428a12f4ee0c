"""All that a training run remembers, as tensors and text: what a resumed run starts from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from worker.lab.core.errors import LabError
from worker.lab.core.run import Run

MODEL, OPTIMIZER, DICE = "model/", "optimizer/", "dice/"


def pack(run: Run) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The weights and buffers, the optimizer's memory, the state of every source of randomness;
    and as text the count of steps, the spec and the optimizer's plain numbers."""
    tensors = {MODEL + name: value for name, value in run.model.state_dict().items()}
    numbers: dict[str, Any] = {}
    for index, memory in run.optimizer.state_dict()["state"].items():
        for name, value in memory.items():
            key = f"{index}/{name}"
            if isinstance(value, Tensor):
                tensors[OPTIMIZER + key] = value
            else:
                numbers[key] = value
    tensors[DICE + "torch"] = torch.get_rng_state()
    tensors[DICE + "run"] = run.generator.get_state()
    if run.device.type == "cuda":
        tensors[DICE + "cuda"] = torch.cuda.get_rng_state(run.device)
    text = {"step": str(run.step), "spec": run.spec.model_dump_json()}
    return tensors, {**text, "optimizer": json.dumps(numbers)}


def unpack(run: Run, tensors: Mapping[str, Tensor], text: Mapping[str, str]) -> None:
    """Put a run of the same spec where `pack` was called.

    Raises LabError(code="bad_checkpoint") for what another spec left.
    """
    if text.get("spec") != run.spec.model_dump_json():
        raise LabError("bad_checkpoint", "the state to resume from was left by another spec")
    try:
        _restore(run, tensors, json.loads(text["optimizer"]))
        run.step = int(text["step"])
    except (KeyError, ValueError, RuntimeError) as error:
        raise LabError("bad_checkpoint", f"cannot resume from the state: {error}") from error


def _restore(run: Run, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
    run.model.load_state_dict(_under(tensors, MODEL))
    memory: dict[int, dict[str, Any]] = {}
    for key, value in {**_under(tensors, OPTIMIZER), **numbers}.items():
        index, name = key.split("/", 1)
        memory.setdefault(int(index), {})[name] = value
    groups = run.optimizer.state_dict()["param_groups"]
    run.optimizer.load_state_dict({"state": memory, "param_groups": groups})
    torch.set_rng_state(tensors[DICE + "torch"])
    run.generator.set_state(tensors[DICE + "run"])
    if run.device.type == "cuda" and DICE + "cuda" in tensors:
        torch.cuda.set_rng_state(tensors[DICE + "cuda"], run.device)


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
