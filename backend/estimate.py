"""What a job will cost, from the catalogue's facts alone: parameters, FLOPs, memory, seconds.

One multiply-add is two FLOPs. A training step goes forward once and backward at twice the price;
a step of an attack needs only the inputs' gradient and costs two forward passes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from backend.errors import Problem, bad_field
from worker.contract import plan as plans
from worker.contract.catalog import Catalog
from worker.contract.spec import AttackSpec, Choice, DiagnoseSpec, TrainSpec
from worker.contract.wire import WorkerCard

START_S = 0.3
"""What a job costs beside its steps."""
STEP_S = 0.0005
"""What a step costs beside its arithmetic."""
DEFAULT_FLOPS_PER_S = 2e10
"""Of one modest CPU core, where no worker has measured its own."""
FLOAT_BYTES = 4
COPIES = 4
"""Of each parameter: itself, its gradient, two moments of an optimizer."""
AUTO_POINTS = 2_000
SERIES_EACH = 3
"""Series that a method or diagnostic stores, about, beside one for each layer."""
PASSES = 10
"""Over the test data, of a diagnostic that does not tell."""
BATCH = 250
"""Examples that a diagnostic sends through at once, about."""
READINGS = 50
MOST_POINTS = 50_000_000
MOST_BYTES = 256 * 2**30
MOST_COUNT = 2**53


@dataclass(frozen=True)
class Estimate:
    """A job's cost. `points` is about how many numbers it will store."""

    parameters: int
    steps: int
    flops: float
    memory_bytes: int
    seconds: float
    points: int
    flops_per_s: float
    measured: bool

    def document(self) -> dict[str, Any]:
        """As JSON, whose counts stay within what every reader of JSON can hold."""
        return {
            name: min(value, MOST_COUNT) if type(value) is int else value
            for name, value in asdict(self).items()
        }


@dataclass(frozen=True)
class Speed:
    """Of the fastest worker alive, or the stated default; and whether a GPU computes at it."""

    flops_per_s: float = DEFAULT_FLOPS_PER_S
    measured: bool = False
    cuda: bool = False

    @classmethod
    def of(cls, cards: Iterable[WorkerCard]) -> Speed:
        told = [(card.flops_per_s, card.kind == "cuda") for card in cards if card.flops_per_s]
        if not told:
            return cls()
        fastest, cuda = max(told)
        return cls(fastest, True, cuda)

    def shared(self, spec: TrainSpec) -> float:
        """Of all processes of a training: each has a GPU of its own, or its share of the cores
        whose rate this is."""
        each = spec.processes if self.cuda and spec.device != "cpu" else 1
        return self.flops_per_s * each


def of_train(catalog: Catalog, spec: TrainSpec, speed: Speed) -> Estimate:
    """Of a training run; 422 where the model does not fit the data."""
    shape, examples = example_shape(catalog, spec.dataset), split_size(catalog, spec, "train")
    layers, cost = network(catalog, spec)
    steps = math.ceil(examples / spec.batch_size) * spec.epochs
    passes = 1 + sum(_passes(catalog, "method", choice) for choice in spec.methods)
    flops = 3.0 * 2 * cost.macs * examples * spec.epochs * passes
    batch = min(spec.batch_size, examples)
    beside = split_size(catalog, spec, "test") + split_size(catalog, spec, "validation")
    each = COPIES * cost.parameters + (examples + beside) * math.prod(shape)
    numbers = spec.processes * each + 2 * batch * cost.activations  # they share the batch
    return Estimate(
        parameters=cost.parameters,
        steps=steps,
        flops=flops,
        memory_bytes=FLOAT_BYTES * numbers,
        seconds=START_S + steps * passes * STEP_S + flops / speed.shared(spec),
        points=_measured_steps(spec, steps) * _series(spec, layers),
        flops_per_s=speed.flops_per_s,
        measured=speed.measured,
    )


def of_attack(catalog: Catalog, spec: AttackSpec, source: TrainSpec, speed: Speed) -> Estimate:
    """Of attacks on what `source` trained. `steps` counts as progress does: inputs attacked,
    each example once at each budget under each attack."""
    _, cost = network(catalog, source)
    examples = min(spec.limit, split_size(catalog, source, spec.split))
    if not examples:
        raise bad_field("spec.split", "the source held no validation data out")
    budgets = len(set(spec.eps_grid))
    passes = sum(_passes(catalog, "attack", choice) for choice in spec.attacks) * budgets
    flops = 2.0 * 2 * cost.macs * examples * passes
    shape = example_shape(catalog, source.dataset)
    numbers = cost.parameters + 2 * examples * (cost.activations + math.prod(shape))
    return Estimate(
        parameters=cost.parameters,
        steps=examples * budgets * len(spec.attacks),
        flops=flops,
        memory_bytes=FLOAT_BYTES * numbers,
        seconds=START_S + passes * STEP_S + flops / speed.flops_per_s,
        points=2 * passes,
        flops_per_s=speed.flops_per_s,
        measured=speed.measured,
    )


def of_diagnosis(catalog: Catalog, spec: DiagnoseSpec, source: TrainSpec, speed: Speed) -> Estimate:
    """Of diagnostics of what `source` trained: as rough as the looks that their cards tell."""
    _, cost = network(catalog, source)
    examples = split_size(catalog, source, "test")
    looks = sum(_looks(catalog, choice, examples) for choice in spec.diagnostics)
    flops = 2.0 * cost.macs * looks
    numbers = (2 + len(spec.peers)) * cost.parameters
    numbers += 2 * spec.batch_size * cost.activations
    numbers += (examples + split_size(catalog, source, "train")) * math.prod(
        example_shape(catalog, source.dataset)
    )
    return Estimate(
        parameters=cost.parameters,
        steps=len(spec.diagnostics),
        flops=flops,
        memory_bytes=FLOAT_BYTES * numbers,
        seconds=START_S + looks / BATCH * STEP_S + flops / speed.flops_per_s,
        points=READINGS * len(spec.diagnostics),
        flops_per_s=speed.flops_per_s,
        measured=speed.measured,
    )


def require_affordable(estimate: Estimate, limit_s: float) -> None:
    """422 with the estimate where the job would cost too much."""
    excess = {
        f"about {estimate.seconds:.3g} s expected, {limit_s:.3g} s allowed": estimate.seconds
        > limit_s,
        f"about {estimate.memory_bytes:.3g} bytes of memory": estimate.memory_bytes > MOST_BYTES,
        f"about {estimate.points:.3g} points to store": estimate.points > MOST_POINTS,
    }
    reasons = [reason for reason, over in excess.items() if over]
    if reasons:
        message = f"too costly: {'; '.join(reasons)}"
        raise Problem(422, message, [("spec", message)], estimate=estimate.document())


def network(catalog: Catalog, spec: TrainSpec) -> tuple[list[plans.Resolved], plans.Cost]:
    """The layers and the cost of one forward pass; 422 naming `spec.model`."""
    facts = catalog.find("dataset", spec.dataset.name).facts
    plan = plans.parse(catalog.find("model", spec.model.name).facts["plan"])
    values = {**_params(spec.model), "classes": len(facts["classes"])}
    layers = plans.resolve(plan, values)
    try:
        return layers, plans.cost(layers, example_shape(catalog, spec.dataset))
    except plans.PlanError as error:
        raise bad_field("spec.model", str(error)) from error


def example_shape(catalog: Catalog, dataset: Choice) -> tuple[int, ...]:
    return tuple(catalog.find("dataset", dataset.name).facts["shape"])


def classes(catalog: Catalog, dataset: Choice) -> list[str]:
    return list(catalog.find("dataset", dataset.name).facts["classes"])


def split_size(catalog: Catalog, spec: TrainSpec, split: str) -> int:
    """How many examples. A fact may name the parameter that says it; what is held out for
    validation is a share of the training data."""
    facts, params = catalog.find("dataset", spec.dataset.name).facts, _params(spec.dataset)
    size = facts["test" if split == "test" else "train"]
    count = int(params[size] if isinstance(size, str) else size)
    held = round(float(params.get(facts.get("validation", ""), 0)) * count)
    return {"train": count - held, "validation": held, "test": count}[split]


def _params(choice: Any) -> Mapping[str, Any]:
    return {name: value for name, value in choice.model_dump().items() if name != "name"}


def _passes(catalog: Catalog, kind: str, choice: Choice) -> int:
    """Looks at the network: its card's products of parameters, added up."""
    values = {name: _times(catalog, value) for name, value in _params(choice).items()}
    products = catalog.find(kind, choice.name).facts.get("passes", [])
    return sum(int(plans.evaluate(product, values)) for product in products)


def _times(catalog: Catalog, value: Any) -> Any:
    """How often a parameter has its method look: a list as often as it is long."""
    if isinstance(value, dict):
        return _passes(catalog, "attack", Choice.model_validate(value))
    return len(value) if isinstance(value, list) else value


def _looks(catalog: Catalog, diagnostic: Choice, examples: int) -> int:
    """Examples sent forward through the network; a way back counts as two."""
    products = catalog.find("diagnostic", diagnostic.name).facts.get("looks")
    if not products:
        return PASSES * examples
    return sum(int(plans.evaluate(product, _params(diagnostic))) for product in products)


def _measured_steps(spec: TrainSpec, steps: int) -> int:
    if spec.log_every == "auto":
        return min(steps, AUTO_POINTS)
    return math.ceil(steps / spec.log_every)


def _series(spec: TrainSpec, layers: Iterable[plans.Resolved]) -> int:
    weights = sum(isinstance(layer, plans.Linear | plans.Conv) for layer in plans.leaves(layers))
    return SERIES_EACH * (len(spec.methods) + len(spec.diagnostics)) + weights
