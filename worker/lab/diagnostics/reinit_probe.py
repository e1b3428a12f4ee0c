"""Which layers could as well not have been trained."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from worker.contract.measurement import Table
from worker.lab.core.diagnostic import Diagnostic, Reading, View
from worker.lab.core.outputs import accuracy
from worker.lab.core.reestimate import reestimate


class ReinitProbe(Diagnostic):
    """Test accuracy after one layer alone is put back to its initial weights, or to a fresh draw.

    Weight and bias of layer l return to their values at step 0 (`initial`), or are drawn anew
    (`fresh`), everything else staying trained; the statistics of batch normalisation are then
    measured again on training examples. Readings under `diagnostic/reinit_probe`: `trained`, the
    whole network's accuracy, `initial/layer1`, …, `fresh/layer1`, …, and the table `layers`. Layers
    that withstand it hardly needed training. Without biases accuracy does not change with shifts of
    scale; with biases it does, since the layer that returns comes back at its old scale.

    Takes about 1 s of one core on the default CNN for MNIST (106,000 parameters).
    """

    title: ClassVar[str] = "Re-initialisation probe"
    paper: ClassVar[str] = "Zhang, Bengio, Singer, arXiv:1902.01996; after arXiv:2201.11939"
    invariant: ClassVar[bool | None] = False
    unmoved: ClassVar[tuple[str, ...]] = ("diagnostic/reinit_probe/trained",)

    examples: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        1000, description="test examples that accuracy is taken over"
    )
    statistics: Annotated[int, Field(ge=2, le=100_000)] = Field(
        1000, description="training examples that batch normalisation is measured on"
    )

    def study(self, view: View) -> Iterator[Reading]:
        split = view.task.test.head(self.examples)
        whole = accuracy(view.model, split)
        yield "diagnostic/reinit_probe/trained", whole
        seed = int(torch.randint(2**31, (), generator=view.generator))
        rows: list[dict[str, Any]] = []
        for place, name in enumerate(view.layers.names):
            row: dict[str, Any] = {"layer": name, "trained": whole}
            starts = {"initial": _initial(view, place), "fresh": _fresh(view, place, seed)}
            for kind, start in starts.items():
                row[kind] = self._accuracy(view, start)
                yield f"diagnostic/reinit_probe/{kind}/{name}", row[kind]
            rows.append(row)
            columns = {key: [row[key] for row in rows] for key in row}
            yield "diagnostic/reinit_probe/layers", Table(columns=columns)

    def _accuracy(self, view: View, start: Mapping[str, Tensor]) -> float:
        """With some parameters at other values, in a copy."""
        probe = copy.deepcopy(view.model)
        probe.load_state_dict(start, strict=False)
        reestimate(probe, view.task.train.x[: self.statistics])
        return accuracy(probe, view.task.test.head(self.examples))


def _initial(view: View, place: int) -> dict[str, Tensor]:
    return {name: view.initial[name] for name in _parameters(view, place)}


def _fresh(view: View, place: int, seed: int) -> dict[str, Tensor]:
    """The layer as its own initialisation draws it, on the CPU, with a seed of its own."""
    layer: nn.Module = copy.deepcopy(view.layers.modules[place]).cpu()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed + place)
        layer.reset_parameters()  # type: ignore[operator]
    found = dict(layer.named_parameters())
    names = _parameters(view, place)
    return {name: found[name.rsplit(".", 1)[-1]].detach() for name in names}


def _parameters(view: View, place: int) -> list[str]:
    """The names of a weight layer's own parameters."""
    own = {id(parameter) for parameter in view.layers.modules[place].parameters()}
    return [name for name, found in view.model.named_parameters() if id(found) in own]
