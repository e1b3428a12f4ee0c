"""Training at points that an attack has found."""

from __future__ import annotations

import contextlib
from functools import cached_property
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from worker.contract.spec import Choice
from worker.lab.core.attack import Attack, evaluating
from worker.lab.core.input_attack import InputAttack
from worker.lab.core.method import Method, Objective
from worker.lab.core.nested import known
from worker.lab.core.perturb import displaced, movable
from worker.lab.core.point import Point
from worker.lab.core.sparring import spar
from worker.lab.core.step import Step


def _on_itself(choice: Choice) -> Choice:
    if Attack.of(choice).transfers:
        raise ValueError(f"{choice.name} attacks another network than the one that learns")
    return choice


class Adversarial(Method):
    """Learn at the point that an attack has found, in the place of the clean one.

    min_w E max_{‖x' − x‖ ≤ eps} CE(f_w(x'), y), equation 2.1 of the paper: the attack, with the
    budget among its own parameters, seeks x' for every batch, and all losses are taken there. What
    was fooled is not let off: all examples climb all steps, and the end of the climb is taken,
    of several climbs the one of the larger cross-entropy.

    While x' is sought the network is in eval mode by default: batch normalisation by running
    statistics, so that x' of one example does not depend on the others, as the network will be
    attacked. In train mode x' fits the statistics that the step itself uses. Statistics move with
    the pass at x' only. Listed before `awp`, `sam` or `weight_adversarial`, weights move against
    the adversarial inputs. Costs a pass for every step of the attack.

    An attack on weights moves those of the step, found for the batch in eval mode, and the gradient
    there is taken at the weights themselves: with `joint` inputs and weights are adversarial at
    once, as arXiv:2102.11935 asks for; with `quantize` or `bit_flip` it is training under rounding
    or faulty memory (derived here). Such a budget has to be small: see `weight_adversarial`.

    Measured on MNIST (10,000 images, MLP, three epochs of SGD at 0.1): trained at eps 0.1, accuracy
    is 95.6 % and 78 % under PGD at 0.1 (95.6 % and 33 % without); trained at 0.2, 82 % and 61 %.
    """

    title: ClassVar[str] = "Adversarial training"
    paper: ClassVar[str] = "arXiv:1706.06083 Towards Deep Learning Models Resistant to Attacks"
    invariant: ClassVar[bool | None] = True
    passes: ClassVar[tuple[str, ...]] = ("attack",)
    off: ClassVar[dict[str, object]] = {"attack": {"name": "pgd", "eps": 0}}

    attack: Annotated[Choice, known("attack"), AfterValidator(_on_itself)] = Field(
        Choice.model_validate(
            {"name": "pgd", "eps": 0.1, "steps": 7, "step_size": 0.25, "restarts": 1, "loss": "ce"}
        ),
        description="who seeks the point",
        validate_default=True,
        json_schema_extra={"choice": "attack", "where": {"transfers": False}},
    )
    network: Literal["eval", "train"] = Field(
        "eval", description="its mode while x' is sought; eval where weights move"
    )

    @model_validator(mode="after")
    def _weights_are_sought_in_eval_mode(self) -> Self:
        if self.network == "train" and not isinstance(self.attacker, InputAttack):
            raise ValueError(f"{self.attack.name} moves weights, which is done in eval mode")
        return self

    @cached_property
    def attacker(self) -> Attack:
        return Attack.of(self.attack)

    def perturb(self, step: Step, objective: Objective) -> Point:
        if not isinstance(self.attacker, InputAttack):
            return self._with_weights(step)
        mode = evaluating(step.model) if self.network == "eval" else contextlib.nullcontext()
        with mode:
            x = spar(self.attacker, step.model, step.point, step.y, step.generator)
        return Point(x, step.point.w)

    def _with_weights(self, step: Step) -> Point:
        """What an attack finds about the network's own weights is added to where they are."""
        own = {name: weight.detach() for name, weight in step.model.named_parameters()}
        x = step.point.x.detach()
        found = self.attacker.run(step.model, x, step.y, generator=step.generator)
        change = {name: moved - own[name] for name, moved in found.w.items()}
        return Point(found.x, displaced(step, movable(step, "all"), change).w)
