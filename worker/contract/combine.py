"""Which choices make sense together, decided from the catalogue's facts and the model's layers.

An entry's facts say what it `needs` of a model, by the names below, and what it `excludes`: a
name of its own kind, or "kind/name" of another, each with the reason. A method that `learns` is a
loss to learn by itself: a run has exactly one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from worker.contract.plan import (
    BatchNorm,
    Conv,
    Leaf,
    Linear,
    Resolved,
    leaves,
    normalises_numbers,
    paths,
)
from worker.contract.spec import AttackSpec, TrainSpec

Refusal = tuple[str, str]
"""A field of the spec, such as `methods.1`, and why it cannot be."""


class Part(NamedTuple):
    """One choice of a spec."""

    kind: str
    name: str
    facts: Mapping[str, Any]


class Need(NamedTuple):
    """What a model may have to offer."""

    told: str
    met: Callable[[Sequence[Resolved]], bool]


def chosen(spec: TrainSpec, facts: Callable[[str, str], Mapping[str, Any]]) -> dict[str, Part]:
    """The choices of a spec by field, with the facts that a kind and a name have."""
    fields = {"dataset": ("dataset", spec.dataset), "model": ("model", spec.model)}
    fields["optimizer"] = ("optimizer", spec.optimizer)
    for kind, several in (("method", spec.methods), ("diagnostic", spec.diagnostics)):
        fields |= {f"{kind}s.{index}": (kind, choice) for index, choice in enumerate(several)}
    return {
        field: Part(kind, choice.name, facts(kind, choice.name))
        for field, (kind, choice) in fields.items()
    }


def refusals(chosen: Mapping[str, Part], layers: Sequence[Resolved]) -> list[Refusal]:
    """Everything that cannot make sense, by field; none where all does. `layers` is the model."""
    methods = {field: part for field, part in chosen.items() if part.kind == "method"}
    found = [*_lacking(chosen, layers), *_clashing(chosen)]
    return found + _learning(methods) if methods else found


def sharing_refusals(
    spec: TrainSpec, chosen: Mapping[str, Part], layers: Sequence[Resolved]
) -> list[Refusal]:
    """What keeps processes from sharing each batch; none where one process trains alone."""
    if spec.processes == 1:
        return []
    why = "looks at its batch as a whole, or draws for it: processes cannot share one"
    whole = [
        (field, f"{part.name} {why}")
        for field, part in chosen.items()
        if part.kind == "method" and not part.facts.get("parts")
    ]
    if any(isinstance(layer, BatchNorm) for layer in leaves(layers)):
        told = "batch normalisation looks at its batch as a whole: processes cannot share one"
        whole.append(("processes", told))
    return whole


def batch_refusals(
    spec: TrainSpec, layers: Sequence[Resolved], shape: tuple[int, ...], examples: int
) -> list[Refusal]:
    """A last batch of one example, where batch normalisation has nothing to take a variance of."""
    if (examples - 1) % spec.batch_size or not normalises_numbers(layers, shape):
        return []
    told = f"of {examples} examples the last batch has one; batch normalisation needs two"
    return [("batch_size", told)]


def attack_refusals(spec: AttackSpec, facts: Callable[[str], Mapping[str, Any]]) -> list[Refusal]:
    """What attacks cannot be measured together, or at such budgets; `facts` are by name."""
    told = [facts(choice.name) for choice in spec.attacks]
    return [*_other_units(spec, told), *_beyond(spec, told), *_without_other(spec, told)]


def _other_units(spec: AttackSpec, told: Sequence[Mapping[str, Any]]) -> Iterator[Refusal]:
    first, name = told[0]["unit"], spec.attacks[0].name
    for index, facts in enumerate(told):
        if facts["unit"] != first:
            why = f"its budget is in {facts['unit']}, that of {name} in {first}; ask for two jobs"
            yield f"attacks.{index}", why


def _beyond(spec: AttackSpec, told: Sequence[Mapping[str, Any]]) -> Iterator[Refusal]:
    most = min(float(facts["most"]) for facts in told)
    for index, eps in enumerate(spec.eps_grid):
        if eps > most:
            yield f"eps_grid.{index}", f"{told[0]['unit']} end at {most:g}"


def _without_other(spec: AttackSpec, told: Sequence[Mapping[str, Any]]) -> Iterator[Refusal]:
    wanted = [c.name for c, facts in zip(spec.attacks, told, strict=True) if facts["transfers"]]
    if wanted and spec.transfer_from is None:
        yield "transfer_from", f"{wanted[0]} needs the job whose network it is made on"
    if spec.transfer_from is not None and not wanted:
        yield "transfer_from", "none of these attacks is made on another network"


def _lacking(chosen: Mapping[str, Part], layers: Sequence[Resolved]) -> Iterator[Refusal]:
    model = next((part.name for part in chosen.values() if part.kind == "model"), "the model")
    for field, part in chosen.items():
        for need in (NEEDS[name] for name in part.facts.get("needs", ())):
            if not need.met(layers):
                yield field, f"{part.name} needs {need.told}; {model} has none as it is asked for"


def _clashing(chosen: Mapping[str, Part]) -> Iterator[Refusal]:
    """Each pair once, at the later of the two."""
    parts = list(chosen.items())
    for later, (field, part) in enumerate(parts):
        for _, other in parts[:later]:
            reason = _excluded(part, other) or _excluded(other, part)
            if reason:
                yield field, f"{part.name} and {other.name} exclude each other: {reason}"


def _excluded(part: Part, other: Part) -> str | None:
    excludes: Mapping[str, str] = part.facts.get("excludes", {})
    own = excludes.get(other.name) if other.kind == part.kind else None
    return own or excludes.get(f"{other.kind}/{other.name}")


def _learning(methods: Mapping[str, Part]) -> list[Refusal]:
    losses = [(field, part.name) for field, part in methods.items() if part.facts.get("learns")]
    if not losses:
        return [("methods", "none of these is a loss to learn by; add cross_entropy")]
    (_, first), *others = losses
    return [
        (field, f"{first} and {name} each are the loss to learn by; choose one of them")
        for field, name in others
    ]


def _normalised(layers: Sequence[Resolved]) -> bool:
    return any(
        isinstance(layer, Linear | Conv) and isinstance(after, BatchNorm)
        for path in paths(layers)
        for layer, after in pairwise(path)
    )


def _count(layers: Sequence[Resolved], kind: type[Leaf] | tuple[type[Leaf], ...]) -> int:
    return sum(isinstance(layer, kind) for layer in leaves(layers))


NEEDS: dict[str, Need] = {
    "batch_norm": Need("batch normalisation right after a weight layer", _normalised),
    "hidden": Need("a hidden layer", lambda layers: _count(layers, (Linear, Conv)) > 1),
    "convolutions": Need("convolutions", lambda layers: _count(layers, Conv) > 0),
}
