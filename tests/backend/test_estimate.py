"""Costs against sums done by hand."""

from __future__ import annotations

from typing import Any

import pytest

from backend.errors import Problem
from backend.estimate import (
    DEFAULT_FLOPS_PER_S,
    Estimate,
    Speed,
    of_attack,
    of_diagnosis,
    of_train,
    require_affordable,
)
from backend.launch import require_sense
from backend.requests import Requests, validated
from tests.backend.parts import DIAGNOSTICS, catalogue, train
from worker.contract import catalog as lab
from worker.contract.spec import AttackSpec, DiagnoseSpec, TrainSpec
from worker.contract.wire import WorkerCard

CATALOG = catalogue()
REQUESTS = Requests(CATALOG)
BASE = [{"name": "cross_entropy"}]


def spec(**more: Any) -> TrainSpec:
    found = validated(REQUESTS.job, train(**more)).spec
    assert isinstance(found, TrainSpec)
    return found


def test_an_mlp_on_digits() -> None:
    found = of_train(CATALOG, spec(epochs=20, batch_size=64), Speed())
    weights = 64 * 128 + 128 * 128 + 128 * 10
    assert found.parameters == weights + 128 + 128 + 10 == 26_122
    assert found.steps == 23 * 20
    assert found.flops == 3 * 2 * weights * 1437 * 20
    activations = 64 + 128 + 128 + 128 + 128 + 10
    numbers = 4 * 26_122 + 2 * 64 * activations + (1437 + 360) * 64
    assert found.memory_bytes == 4 * numbers
    assert found.seconds == pytest.approx(0.3 + 460 * 0.0005 + found.flops / 2e10)
    assert not found.measured


def test_processes_have_a_gpu_each_or_share_the_cores() -> None:
    one, two = spec(epochs=20), spec(epochs=20, processes=2)
    gpu, cpu = Speed(1e9, True, cuda=True), Speed(1e9, True)
    steps = 0.3 + 460 * 0.0005
    alone = of_train(CATALOG, one, gpu).seconds - steps
    assert of_train(CATALOG, two, gpu).seconds - steps == pytest.approx(alone / 2)
    assert of_train(CATALOG, two, cpu).seconds - steps == pytest.approx(alone)
    on_cpu = spec(epochs=20, processes=2, device="cpu")
    assert of_train(CATALOG, on_cpu, gpu).seconds - steps == pytest.approx(alone)
    batch = 4 * 2 * 64 * (64 + 128 + 128 + 128 + 128 + 10)
    held = of_train(CATALOG, one, gpu).memory_bytes - batch
    assert of_train(CATALOG, two, gpu).memory_bytes == 2 * held + batch


@pytest.mark.parametrize(
    ("method", "times"),
    [
        ({"name": "lp"}, 1),
        ({"name": "sam"}, 2),
        ({"name": "awp", "steps": 3}, 4),
        ({"name": "trades", "steps": 10}, 12),
        ({"name": "slimmable", "widths": [0.25, 0.5, 0.75]}, 4),
        ({"name": "adversarial", "attack": {"name": "pgd", "steps": 7, "restarts": 2}}, 15),
    ],
)
def test_a_method_costs_the_passes_that_its_card_tells(method: dict[str, Any], times: int) -> None:
    catalog = lab.load()
    learning = [] if catalog.find("method", method["name"]).facts.get("learns") else BASE
    plain, costly = (
        validated(Requests(catalog).job, train(methods=chosen)).spec
        for chosen in (BASE, [*learning, method])
    )
    assert isinstance(plain, TrainSpec)
    assert isinstance(costly, TrainSpec)
    speed = Speed()
    assert of_train(catalog, costly, speed).flops == times * of_train(catalog, plain, speed).flops


def test_a_cnn_on_digits() -> None:
    found = of_train(CATALOG, spec(model={"name": "cnn", "channels": [4, 8]}), Speed())
    assert found.parameters == (9 * 4 + 4) + (9 * 4 * 8 + 8) + (8 * 2 * 2 * 10 + 10)
    macs = 8 * 8 * 4 * 9 + 4 * 4 * 8 * 4 * 9 + 8 * 2 * 2 * 10
    assert found.flops == 3 * 2 * macs * 1437 * 20


def test_a_size_that_is_a_parameter() -> None:
    found = of_train(
        CATALOG, spec(dataset={"name": "moons", "n": 1000}, batch_size=30, epochs=3), Speed()
    )
    assert found.steps == 34 * 3


def test_points_follow_how_often_is_measured() -> None:
    series = 3 * (1 + len(DIAGNOSTICS)) + 3
    assert of_train(CATALOG, spec(log_every=1), Speed()).points == 460 * series
    assert of_train(CATALOG, spec(log_every=7), Speed()).points == 66 * series
    assert of_train(CATALOG, spec(epochs=1000), Speed()).points == 2000 * series


def test_attacks_on_an_mlp() -> None:
    asked = {
        "source": "a",
        "attacks": [{"name": "fgsm"}, {"name": "pgd", "steps": 10, "restarts": 3}],
        "eps_grid": [0.0, 0.1],
        "limit": 1000,
    }
    attack = validated(REQUESTS.job, {"kind": "attack", "spec": asked}).spec
    assert isinstance(attack, AttackSpec)
    found = of_attack(CATALOG, attack, spec(), Speed())
    assert found.steps == 360 * 2 * 2, "inputs attacked, as the job's progress counts them"
    weights = 64 * 128 + 128 * 128 + 128 * 10
    assert found.flops == 4 * weights * 360 * 62, "the test split has 360 examples"


def test_the_fastest_worker_counts() -> None:
    def card(name: str, flops: float | None) -> WorkerCard:
        return WorkerCard(
            name=name,
            pid=1,
            host="h",
            device="cpu",
            state="idle",
            since=0,
            seen=0,
            flops_per_s=flops,
        )

    assert Speed.of([]) == Speed(DEFAULT_FLOPS_PER_S, False)
    assert Speed.of([card("a", None)]) == Speed(DEFAULT_FLOPS_PER_S, False)
    assert Speed.of([card("a", 3e9), card("b", 5e12)]) == Speed(5e12, True)


def test_a_model_that_does_not_fit_the_data() -> None:
    with pytest.raises(Problem) as caught:
        of_train(CATALOG, spec(dataset={"name": "moons"}, model={"name": "cnn"}), Speed())
    assert caught.value.status == 422
    assert caught.value.errors[0][0] == "spec.model"


@pytest.mark.parametrize(
    ("field", "value"),
    [("seconds", 11.0), ("memory_bytes", 2**39), ("points", 10**9)],
)
def test_too_costly_says_the_estimate(field: str, value: float) -> None:
    cheap = {"parameters": 1, "steps": 1, "flops": 1.0, "memory_bytes": 1, "seconds": 9.0}
    known = {**cheap, "points": 1, "flops_per_s": 1.0, "measured": False}
    require_affordable(Estimate(**known), 10.0)  # type: ignore[arg-type]
    with pytest.raises(Problem) as caught:
        require_affordable(Estimate(**{**known, field: value}), 10.0)  # type: ignore[arg-type]
    assert caught.value.members["estimate"][field] == value


def test_the_lab_own_catalogue_can_be_estimated() -> None:
    real = lab.load()
    requests = Requests(real)
    for dataset in real.of_kind("dataset"):
        body = {
            "kind": "train",
            "spec": {"dataset": {"name": dataset.name}, "model": {"name": "mlp"}},
        }
        asked = validated(requests.job, body).spec
        assert isinstance(asked, TrainSpec)
        assert of_train(real, asked, Speed()).seconds > 0


def test_held_out_examples_are_not_trained_on_but_kept_in_memory() -> None:
    real = lab.load()
    requests = Requests(real)

    def asked(**dataset: Any) -> TrainSpec:
        model = {"name": "mlp", "hidden": [8]}
        body = {"kind": "train", "spec": {"dataset": dataset, "model": model, "batch_size": 10}}
        found = validated(requests.job, body).spec
        assert isinstance(found, TrainSpec)
        return found

    whole = of_train(real, asked(name="moons", examples=1000), Speed())
    parted = of_train(real, asked(name="moons", examples=1000, validation=0.2), Speed())
    assert (whole.steps, parted.steps) == (100 * 20, 80 * 20)
    assert whole.memory_bytes == parted.memory_bytes


def test_the_older_name_of_a_parameter_is_understood() -> None:
    requests = Requests(lab.load())
    dataset = {"name": "mnist", "train_examples": 500}
    body = {"kind": "train", "spec": {"dataset": dataset, "model": {"name": "mlp"}}}
    asked = validated(requests.job, body).spec
    assert asked.dataset.model_dump()["examples"] == 500


def test_a_diagnosis_costs_the_looks_that_its_cards_tell() -> None:
    catalog = lab.load()
    chosen = [{"name": "landscape", "refinements": 3, "examples": 100}, {"name": "accuracy"}]
    asked = {"kind": "diagnose", "spec": {"source": "a", "diagnostics": chosen}}
    diagnosis = validated(Requests(catalog).job, asked).spec
    assert isinstance(diagnosis, DiagnoseSpec)
    source = validated(Requests(catalog).job, train()).spec
    assert isinstance(source, TrainSpec)
    found = of_diagnosis(catalog, diagnosis, source, Speed())
    looks = 4**3 * 16 * 100 + 10 * 360
    assert found.flops == 2 * (64 * 128 + 128 * 128 + 128 * 10) * looks
    assert found.seconds == pytest.approx(0.3 + looks / 250 * 0.0005 + found.flops / 2e10)


def test_a_last_batch_that_cannot_be_normalised_is_refused() -> None:
    """The held out are not in it: 1437 less 72 are 1365, 1364 of them in elevens."""
    body = train(model={"name": "mlp", "batch_norm": True}, batch_size=11)
    for held, refused in ((0.05, ["spec.batch_size"]), (0.0, [])):
        body["spec"]["dataset"] = {"name": "digits", "validation": held}
        asked = validated(Requests(lab.load()).job, body).spec
        assert isinstance(asked, TrainSpec)
        try:
            require_sense(lab.load(), asked)
            found = []
        except Problem as problem:
            found = [field for field, _ in problem.errors]
        assert found == refused
