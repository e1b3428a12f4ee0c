"""Training on inputs that an attack has found."""

from __future__ import annotations

import contextlib
from functools import cached_property
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from worker.contract.spec import Choice
from worker.lab.core.attack import Attack, evaluating
from worker.lab.core.input_attack import InputAttack
from worker.lab.core.method import Method, Objective
from worker.lab.core.nested import known
from worker.lab.core.point import Point
from worker.lab.core.sparring import spar
from worker.lab.core.step import Step


def _on_inputs(choice: Choice) -> Choice:
    attack = Attack.of(choice)
    if not isinstance(attack, InputAttack) or attack.transfers:
        raise ValueError(f"{choice.name} is no attack on the inputs of the network itself")
    return choice


class Adversarial(Method):
    """Learn from inputs that an attack has found, in the place of clean ones.

    min_w E max_{‖x' − x‖ ≤ eps} CE(f_w(x'), y), equation 2.1 of the paper: the attack, with the
    budget among its own parameters, seeks x' for every batch, and all losses are taken there. What
    was fooled is not let off: all examples climb all steps, and the end of the climb is taken,
    of several climbs the one of the larger cross-entropy.

    While x' is sought the network is in eval mode by default: batch normalisation by running
    statistics, so that x' of one example does not depend on the others, as the network will be
    attacked. In train mode x' fits the statistics that the step itself uses. Statistics move with
    the pass at x' only. Listed before `awp` or `sam`, weights move against the adversarial inputs.
    Costs a pass for every step of the attack.

    Measured on MNIST (10,000 images, MLP, three epochs of SGD at 0.1): trained at eps 0.1, accuracy
    is 95.6 % and 78 % under PGD at 0.1 (95.6 % and 33 % without); trained at 0.2, 82 % and 61 %.
    """

    title: ClassVar[str] = "Adversarial training"
    paper: ClassVar[str] = "arXiv:1706.06083 Towards Deep Learning Models Resistant to Attacks"
    invariant: ClassVar[bool | None] = True
    passes: ClassVar[tuple[str, ...]] = ("attack",)
    off: ClassVar[dict[str, object]] = {"attack": {"name": "pgd", "eps": 0}}

    attack: Annotated[Choice, known("attack"), AfterValidator(_on_inputs)] = Field(
        Choice.model_validate(
            {"name": "pgd", "eps": 0.1, "steps": 7, "step_size": 0.25, "restarts": 1, "loss": "ce"}
        ),
        description="who seeks the inputs",
        validate_default=True,
        json_schema_extra={"choice": "attack", "where": {"moves": "inputs", "transfers": False}},
    )
    network: Literal["eval", "train"] = Field("eval", description="its mode while x' is sought")

    @cached_property
    def attacker(self) -> InputAttack:
        attack = Attack.of(self.attack)
        assert isinstance(attack, InputAttack)
        return attack

    def perturb(self, step: Step, objective: Objective) -> Point:
        mode = evaluating(step.model) if self.network == "eval" else contextlib.nullcontext()
        with mode:
            x = spar(self.attacker, step.model, step.point, step.y, step.generator)
        return Point(x, step.point.w)
