"""The curves over width, against smaller networks measured one by one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from sklearn.metrics import roc_auc_score

from tests.lab.nets import digits
from worker.contract.measurement import Curve
from worker.contract.spec import TrainSpec
from worker.lab.core.calibration import ece, nll
from worker.lab.core.dataset import Dataset
from worker.lab.core.diagnostic import View
from worker.lab.core.errors import LabError
from worker.lab.core.reestimate import reestimate
from worker.lab.core.run import Run
from worker.lab.core.slice import size, sliced
from worker.lab.diagnostics.widths import Widths

WIDTHS = [0.5, 0.25, 1.0]


def trained(*methods: dict[str, Any], steps: int = 60) -> Run:
    spec = {
        "dataset": {"name": "digits"},
        "model": {"name": "mlp", "hidden": [32, 32], "batch_norm": True},
        "methods": list(methods),
        "optimizer": {"name": "sgd", "lr": 0.1},
    }
    run = Run.build(TrainSpec.model_validate(spec), None)
    for index in range(steps):
        rows = slice(64 * index % 1024, 64 * index % 1024 + 64)
        run.update(run.gradients(run.task.train.x[rows], run.task.train.y[rows])[0])
    return run


@torch.no_grad()
def curves(run: Run, **params: Any) -> dict[str, Curve]:
    none: Any = None
    run.model.eval()
    view = View(run.model, run.task, run.layers, none, none, none, None, torch.Generator())
    found = dict(Widths(widths=WIDTHS, **params).study(view))
    consistent(found.pop("diagnostic/widths/reliability"), found["diagnostic/widths/ece"])
    assert all(isinstance(curve, Curve) and curve.x == sorted(WIDTHS) for curve in found.values())
    return {name.removeprefix("diagnostic/widths/"): curve for name, curve in found.items()}  # type: ignore[misc]


def consistent(bins: Any, errors: Any) -> None:
    """The bins of each width make up its calibration error."""
    rows = list(zip(*(bins.columns[name] for name in bins.columns), strict=True))
    for width, error in zip(errors.x, errors.y, strict=True):
        mine = [(sure, right, count) for at, sure, right, count in rows if at == width]
        count = sum(one[2] for one in mine)
        gap = sum(held * abs(right - sure) for sure, right, held in mine) / count
        assert gap == pytest.approx(error, abs=1e-9)


CE = {"name": "cross_entropy"}


@pytest.mark.parametrize("methods", [[CE, {"name": "nested_dropout"}], [{"name": "slimmable"}]])
def test_each_point_is_that_of_a_smaller_network(methods: list[dict[str, Any]]) -> None:
    run = trained(*methods)
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    found = curves(run)
    test = run.task.test
    for at, share in enumerate(sorted(WIDTHS)):
        small = sliced(run.model, share).eval()
        reestimate(small, run.task.train.head(5000).x)
        with torch.no_grad():
            logits = small(test.x)
        expected = {
            "accuracy": float((logits.argmax(1) == test.y).double().mean()),
            "ece": float(ece(logits.softmax(1), test.y)),
            "nll": float(nll(logits, test.y)),
            "parameters": size(small, test.x[:1]).parameters,
            "macs": size(small, test.x[:1]).macs,
        }
        for name, value in expected.items():
            assert found[name].y[at] == pytest.approx(value, abs=2e-4), (name, share)
    assert "auroc" not in found
    for name, value in run.model.state_dict().items():
        assert torch.equal(value, before[name]), "the network itself is left alone"


def test_any_network_can_be_cut_and_one_trained_for_it_stands_it_better() -> None:
    plain, nested = curves(trained(CE)), curves(trained(CE, {"name": "nested_dropout"}))
    assert float(plain["accuracy"].y[2]) > 0.9
    assert float(nested["accuracy"].y[0]) > float(plain["accuracy"].y[0]) + 0.1
    assert plain["parameters"] == nested["parameters"]


def test_the_answers_of_a_bayesian_network_are_means_of_draws() -> None:
    run = trained(CE, {"name": "bayesian_nested", "samples": 4, "kl_weight": 0.0})
    found = curves(run)
    mean = Run.build(
        TrainSpec.model_validate(
            {
                **run.spec.model_dump(),
                "methods": [CE, {"name": "bayesian_nested", "samples": 0, "kl_weight": 0.0}],
            }
        ),
        None,
    )
    mean.model.load_state_dict(run.model.state_dict())
    without = curves(mean)
    assert found["parameters"] == without["parameters"]
    assert found["nll"] != without["nll"]


@torch.no_grad()
def test_the_score_is_the_entropy_of_the_answer() -> None:
    spec = {
        "dataset": {"name": "moons", "examples": 200},
        "model": {"name": "mlp", "hidden": [16]},
        "diagnostics": [],
    }
    run = Run.build(TrainSpec.model_validate(spec), None)
    found = curves(run, ood=True, against={"name": "spirals"}, limit=500)
    spirals = Dataset.of({"name": "spirals"}).load(None).test
    p, q = (run.model(x[:500]).softmax(1) for x in (run.task.test.x, spirals.x))
    entropies = torch.cat([-(r * r.log()).sum(1) for r in (p, q)])
    area = roc_auc_score([0] * 500 + [1] * 500, entropies.tolist())
    assert found["auroc"].y[-1] == pytest.approx(area, abs=1e-4)


def test_the_same_data_set_is_no_other() -> None:
    with pytest.raises(LabError, match="itself"):
        Widths(ood=True, against={"name": "digits"}).applies(digits())  # type: ignore[arg-type]
