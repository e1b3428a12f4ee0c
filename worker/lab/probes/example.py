"""One example, and what the network makes of it."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field

from worker.contract.measurement import Table, Value, number
from worker.lab.core.picture import picture
from worker.lab.core.probe import Probe, Subject


class Example(Probe):
    """An example of the data and the probability the network gives each class.

    `probabilities` is a table of classes with softmax(f(x)) for the network and for each peer,
    and `label` the true class's number; `picture` shows x where it is an image.
    """

    title: ClassVar[str] = "Example"

    split: Literal["test", "train"] = Field("test", description="where to take it from")
    index: Annotated[int, Field(ge=0, le=10_000_000)] = Field(0, description="its place there")

    def answer(self, subject: Subject, generator: torch.Generator) -> dict[str, Value]:
        one = subject.example(self.split, self.index)
        columns: dict[str, list[float | str | bool | None]] = {"class": list(subject.task.classes)}
        with torch.no_grad():
            for place, model in enumerate([subject.model, *subject.peers]):
                name = f"peer {place}" if place else "probability"
                chances = model(one.x)[0].softmax(0).tolist()
                columns[name] = [number(chance) for chance in chances]
        found: dict[str, Value] = {
            "probabilities": Table(columns=columns),
            "label": float(one.y[0]),
        }
        if subject.task.layout == "image":
            found["picture"] = picture(one.x)
        return found
