"""One attack of a job: what it found so far, and how that outlives a lost worker."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from worker.lab.core.attack import Attack
from worker.lab.core.errors import LabError
from worker.lab.core.gallery import Gallery
from worker.lab.core.tally import Tally


@dataclass
class Bout:
    """`gallery` is None where there is nothing to see: points, or inputs that stay."""

    tally: Tally
    gallery: Gallery | None

    @property
    def attack(self) -> Attack:
        return self.tally.attack

    @property
    def name(self) -> str:
        return self.attack.name()

    @property
    def done(self) -> int:
        """Examples times budgets that are known."""
        return int(self.tally.known.sum())

    @property
    def over(self) -> bool:
        return bool(self.tally.known.all())

    def pictures(self, eps: float) -> Gallery | None:
        """Where pictures at this budget belong."""
        return self.gallery if self.gallery and self.gallery.eps == eps else None


def pack(bouts: Sequence[Bout], spec: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """All that is known, and the spec it is known for."""
    tensors = {f"{b.name}/{n}": t for b in bouts for n, t in b.tally.tensors().items()}
    for bout in bouts:
        if bout.gallery:
            found = bout.gallery.tensors().items()
            tensors |= {f"{bout.name}/pictures/{name}": tensor for name, tensor in found}
    numbers = {bout.name: bout.tally.numbers() for bout in bouts}
    return tensors, {"spec": spec, "numbers": json.dumps(numbers)}


def unpack(
    bouts: Sequence[Bout], spec: str, tensors: Mapping[str, Tensor], text: Mapping[str, str]
) -> None:
    """Put fresh bouts of the same spec where `pack` was called.

    Raises LabError(code="bad_checkpoint") for what another spec left.
    """
    if text.get("spec") != spec:
        raise LabError("bad_checkpoint", "the state to resume from was left by another spec")
    try:
        numbers = json.loads(text["numbers"])
        for bout in bouts:
            bout.tally.load(_under(tensors, f"{bout.name}/"), numbers[bout.name])
            if bout.gallery:
                bout.gallery.load(_under(tensors, f"{bout.name}/pictures/"))
    except (KeyError, ValueError, RuntimeError) as error:
        raise LabError("bad_checkpoint", f"cannot resume from the state: {error}") from error


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
