"""Two small networks of one made-up task, as a probe is given them."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from tests.lab.theory import task
from worker.contract.spec import TrainSpec
from worker.lab.core.model import Model
from worker.lab.core.probe import Subject


@pytest.fixture(scope="module")
def subject() -> Subject:
    on = task((1, 6, 6), count=200)
    torch.manual_seed(0)
    networks = []
    for _ in range(2):
        model = Model.of({"name": "mlp", "hidden": [24]}).build(on)
        optimizer = torch.optim.Adam(model.parameters(), 0.01)
        for _ in range(100):
            optimizer.zero_grad()
            F.cross_entropy(model(on.train.x), on.train.y).backward()
            optimizer.step()
        model.zero_grad()
        networks.append(model.eval())
    recipe = {"dataset": {"name": "digits"}, "model": {"name": "mlp"}}
    return Subject(networks[0], on, TrainSpec.model_validate(recipe), networks[1:])
