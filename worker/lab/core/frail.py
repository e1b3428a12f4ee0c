"""An example worth looking at: one that a network gets right until it is attacked."""

from __future__ import annotations

import torch

from worker.lab.core.attack import Attack
from worker.lab.core.input_attack import InputAttack, LpAttack
from worker.lab.core.probe import Subject

AMONG = 128


def first_frail(subject: Subject, split: str, attack: InputAttack, eps: float) -> int:
    """The place of the first of 128 examples that the subject's own network gets right and FGSM
    within the attack's ball (linf where it has none) makes it get wrong; 0 where there is none."""
    some = subject.examples(split, 0, AMONG)
    norm = attack.norm if isinstance(attack, LpAttack) else "linf"
    with torch.no_grad():
        right = subject.model(some.x).argmax(1) == some.y
    fgsm = Attack.of({"name": "fgsm", "norm": norm})
    found = (right & fgsm.run(subject.model, some.x, some.y, eps=eps).fooled).nonzero()
    return int(found[0]) if len(found) else 0
