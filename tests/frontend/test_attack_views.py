"""The attack page's parts: the form's request, and what a result shows."""

from __future__ import annotations

from typing import Any

import pytest

from frontend.views import attackform, ids, result
from frontend.views.curves import Told
from tests.frontend.test_job_views import found, job, parts, text
from tests.frontend.test_plots_shapes import ACCURACY, IMAGES

NORM = {"enum": ["linf", "l2"], "type": "string", "default": "linf"}
CATALOG: Any = {
    "hash": "h",
    "entries": [
        {
            "kind": "attack",
            "name": "pgd",
            "title": "PGD",
            "summary": "Many small steps.",
            "schema": {
                "properties": {
                    "eps": {"type": "number", "default": 0.1},
                    "norm": NORM,
                    "restarts": {"type": "integer", "default": 2},
                    "steps": {"type": "integer", "default": 20},
                    "random_start": {"type": "boolean", "default": True},
                }
            },
            "facts": {},
        },
        {
            "kind": "attack",
            "name": "fgsm",
            "title": "FGSM",
            "summary": "One step.",
            "schema": {"properties": {"norm": NORM}},
            "facts": {},
        },
    ],
}


def attack(**changes: Any) -> Any:
    spec = {
        "source": "abc",
        "attacks": [{"name": "pgd", "norm": "linf", "steps": 20}],
        "eps_grid": [0.0, 0.1, 0.2],
        "split": "test",
        "limit": 1000,
    }
    fields = {"kind": "attack", "state": "succeeded", "spec": spec, "info": {"examples": 497}}
    return job(**{**fields, **changes})


def shape(name: str, value: Any, shape: str, seq: int = 1) -> Any:
    at = {"seq": seq, "attempt": 1, "step": 1, "epoch": 0.0, "time": 1.0}
    return {"name": name, "shape": shape, "value": value, **at}


CARD = {
    "columns": {
        "check": ["eps 0 equals clean accuracy", "enough examples", "n"],
        "passed": [True, False, None],
        "detail": ["0 differ", "± 5.1 points", "497"],
    }
}
ITEMS = [
    shape("attack/pgd/accuracy", ACCURACY, "curve"),
    shape("attack/pgd/loss", {"x": [0, 1], "y": [0.1, 1.2], "x_label": "", "y_label": ""}, "curve"),
    shape("attack/pgd/card", CARD, "table"),
    shape("attack/pgd/gallery", IMAGES, "images"),
    shape(result.WORST, ACCURACY, "curve"),
]


def test_the_form_asks_for_what_its_controls_say() -> None:
    values = {
        "names": ["pgd"],
        "grid": "0, 0.05; 1e-1",
        "split": "test",
        "limit": 500,
        "seed": 3,
        "pgd.steps": 40,
        "pgd.norm": "l2",
        "pgd.restarts": None,
    }
    request = attackform.request(CATALOG, "abc", values)
    assert request == {
        "kind": "attack",
        "spec": {
            "source": "abc",
            "attacks": [{"name": "pgd", "norm": "l2", "steps": 40}],
            "eps_grid": [0.0, 0.05, 0.1],
            "split": "test",
            "limit": 500,
            "seed": 3,
        },
    }
    assert attackform.name_of(job(), request["spec"]) == "PGD-40, l2 on WEISSI on digits"


def test_what_cannot_be_read_is_left_for_the_api_to_refuse() -> None:
    request = attackform.request(CATALOG, "abc", {"names": [], "grid": "0, wide"})
    assert request["spec"]["eps_grid"] == [0.0, "wide"]
    assert request["spec"]["attacks"] == []


def test_the_form_is_made_of_the_catalogue_without_the_single_budget() -> None:
    shown = attackform.params(CATALOG, [{"name": "pgd"}, {"name": "fgsm", "norm": "l2"}])
    paths = [p.id["path"] for p in parts(shown) if isinstance(getattr(p, "id", 0), dict)]
    assert paths == ["pgd.norm", "pgd.steps", "pgd.restarts", "pgd.random_start", "fgsm.norm"]
    assert found(shown, ids.attack_control("fgsm.norm")).value == "l2"
    assert found(shown, ids.attack_flag("pgd.random_start")).checked


def test_a_fresh_form_has_budgets_that_suit_the_data() -> None:
    spec = attackform.fresh(job(), CATALOG)
    assert spec["attacks"] == [{"name": "pgd"}]
    assert spec["eps_grid"][0] == 0
    pixels = attackform.fresh(job(spec={"dataset": {"name": "cifar10"}}), CATALOG)["eps_grid"]
    assert pixels[-1] == round(8 / 255, 5)


def test_a_network_in_training_cannot_be_attacked_yet() -> None:
    spec = attackform.fresh(job(), CATALOG)
    assert found(attackform.page_form(CATALOG, job(), spec), ids.ATTACK_RUN).disabled
    ended = attackform.page_form(CATALOG, job(state="succeeded"), spec)
    assert not found(ended, ids.ATTACK_RUN).disabled


def test_a_result_shows_curve_loss_card_and_pictures() -> None:
    shown = result.result(Told(attack(), ITEMS), [], "light")
    figure = found(shown, ids.plot("attack-accuracy")).figure
    assert figure.layout.xaxis.title.text == "ε (linf)"
    assert list(figure.layout.xaxis.range) == pytest.approx([-0.006, 0.206])
    assert "90.0 %" in figure.layout.annotations[0].text
    assert list(found(shown, ids.plot("attack-loss")).figure.data[0].y) == [0.1, 1.2]
    assert "497 test examples" in text(found(shown, ids.plot_id("attack-accuracy")))
    pictures = [p for p in parts(shown) if type(p).__name__ == "Img"]
    assert [p.alt for p in pictures] == [
        "clean: seen as 1",
        "perturbation: linf 0.1",
        "adversarial: seen as 7",
    ]
    assert all(p.className == "pixels" for p in pictures)
    assert "blue at −0.10" in text(found(shown, "attack-gallery"))


def test_checks_are_said_in_words_and_marks() -> None:
    shown = found(result.result(Told(attack(), ITEMS), [], "light"), "attack-evaluation")
    rows = [text(part) for part in parts(shown) if type(part).__name__ == "Li"]
    assert rows == [
        "✓eps 0 equals clean accuracy0 differpassed",
        "✗enough examples± 5.1 pointsfailed",
        "!n497careful",
    ]


def test_of_several_attacks_those_that_passed_every_check_are_folded() -> None:
    names = ("pgd", "fgsm")
    spec = {**attack()["spec"], "attacks": [{"name": name} for name in names]}
    good = {"columns": {"check": ["a"], "passed": [True], "detail": [""]}}
    items = [shape("attack/pgd/card", CARD, "table"), shape("attack/fgsm/card", good, "table")]
    shown = found(result.result(Told(attack(spec=spec), items), [], "light"), "attack-evaluation")
    folded = [part for part in parts(shown) if type(part).__name__ == "Details"]
    assert [part.open for part in folded] == [True, False]
    words = [text(part.children[0]) for part in folded]
    assert words == ["PGD: 1 failed, 1 to be careful with", "FGSM: all 1 passed"]


def test_other_jobs_are_drawn_beside_it() -> None:
    other = Told(attack(id="def", name="weight decay"), [shape(result.WORST, ACCURACY, "curve")])
    shown = result.result(Told(attack(), ITEMS), [other], "dark")
    figure = found(shown, ids.plot("attack-accuracy")).figure
    names = [trace.name for trace in figure.data if trace.meta["role"] == "curve"]
    assert names == ["PGD-20, linf", "weight decay"]
    colours = {trace.line.color for trace in figure.data if trace.meta["role"] == "curve"}
    assert len(colours) == 2


def test_a_result_that_has_not_come_says_what_will() -> None:
    shown = result.result(Told(attack(state="running"), []), [], "light")
    assert (
        "accuracy comes next"
        in found(shown, ids.plot("attack-accuracy")).figure.layout.annotations[0].text
    )
    assert "Pictures come" in text(found(shown, "attack-gallery"))
    assert "checks come" in text(found(shown, "attack-evaluation"))
    over = result.result(Told(attack(), []), [], "light")
    assert "two inputs" in text(found(over, "attack-gallery"))
