"""The attack page's parts: the form's request, and what a result shows."""

from __future__ import annotations

from typing import Any

import pytest

from frontend.api import ApiError
from frontend.views import attackform, attackpage, budgets, head, ids, result
from frontend.views.curves import Told
from tests.frontend.test_job_views import found, job, parts, text
from tests.frontend.test_plots_shapes import ACCURACY, IMAGES

NORM = {"enum": ["linf", "l2"], "type": "string", "default": "linf"}
BUDGETS = [
    {"label": "eps, linf of the change", "grid": [0.0, 0.02, 0.2], "when": {"norm": "linf"}},
    {"label": "eps, l2 of the change", "grid": [0.0, 0.5, 2.0], "when": {"norm": "l2"}},
]
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
            "facts": {"moves": "inputs", "unit": "input units", "budgets": BUDGETS},
        },
        {
            "kind": "attack",
            "name": "fgsm",
            "title": "FGSM",
            "summary": "One step.",
            "schema": {"properties": {"norm": NORM}},
            "facts": {"moves": "inputs", "unit": "input units", "budgets": BUDGETS},
        },
        {
            "kind": "attack",
            "name": "bit_flip",
            "title": "Bit flips",
            "summary": "Chance.",
            "schema": {"properties": {"draws": {"type": "integer", "default": 10}}},
            "facts": {
                "moves": "weights",
                "unit": "probability",
                "budgets": [{"label": "p, of a flip", "grid": [0.0, 0.001], "when": {}}],
            },
        },
        {
            "kind": "attack",
            "name": "transfer",
            "title": "Transfer",
            "summary": "Made elsewhere.",
            "schema": {"properties": {"norm": NORM}},
            "facts": {
                "moves": "inputs",
                "unit": "input units",
                "budgets": BUDGETS,
                "transfers": True,
            },
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
    named = attackform.name_of(CATALOG, job(), request["spec"])
    assert named == "PGD-40, l2 on WEISSI on digits"


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


def test_a_fresh_form_has_the_budgets_of_its_attack_or_those_that_suit_the_data() -> None:
    spec = attackform.fresh(job(), CATALOG)
    assert spec["attacks"] == [{"name": "pgd"}]
    assert spec["eps_grid"] == [0.0, 0.02, 0.2]
    pixels = attackform.fresh(job(spec={"dataset": {"name": "cifar10"}}), CATALOG)["eps_grid"]
    assert pixels[-1] == round(8 / 255, 5)
    assert budgets.grid(CATALOG, {"name": "pgd", "norm": "l2"}, "cifar10") == [0.0, 0.5, 2.0]


@pytest.mark.parametrize(
    ("attacks", "label", "description"),
    [
        (["pgd"], "Budgets (input units)", "ε, linf of the change; commas between"),
        (["pgd", "fgsm"], "Budgets (input units)", "ε, linf of the change; commas between"),
        (["bit_flip"], "Budgets (probability)", "p, of a flip; commas between"),
    ],
)
def test_budgets_are_told_in_the_units_of_the_attack(
    attacks: list[str], label: str, description: str
) -> None:
    asked = [{"name": name} for name in attacks]
    assert attackform.grid_words(CATALOG, asked) == (label, description)


def page_form(source: Any, others: Any = (), **changes: Any) -> Any:
    spec = attackform.fresh(source, CATALOG) | changes
    return attackform.page_form(CATALOG, source, others, spec)


def test_a_transferred_attack_asks_for_the_other_network() -> None:
    near, far = job(id="near"), job(id="far", spec={"dataset": {"name": "moons"}})
    plain = page_form(job(), [job(), near, far])
    assert found(plain, ids.ATTACK_OTHER_PLACE).hidden
    shown = page_form(job(), [job(), near, far], attacks=[{"name": "transfer"}])
    assert not found(shown, ids.ATTACK_OTHER_PLACE).hidden
    assert [one["value"] for one in found(shown, ids.ATTACK_OTHER).data] == ["near"]
    values = {"names": ["transfer"], "grid": "0.1", "other": "near"}
    assert attackform.request(CATALOG, "abc", values)["spec"]["transfer_from"] == "near"
    values["names"] = ["pgd"]
    assert "transfer_from" not in attackform.request(CATALOG, "abc", values)["spec"]


def test_the_validation_split_is_offered_where_the_data_hold_some_out() -> None:
    assert found(page_form(job()), ids.ATTACK_SPLIT).data == ["test", "train"]
    held = job(spec={"dataset": {"name": "digits", "validation": 0.2}})
    assert found(page_form(held), ids.ATTACK_SPLIT).data == ["test", "validation", "train"]


def test_a_network_in_training_cannot_be_attacked_yet() -> None:
    assert found(page_form(job()), ids.ATTACK_RUN).disabled
    assert not found(page_form(job(state="succeeded")), ids.ATTACK_RUN).disabled


def test_a_result_shows_curve_loss_card_and_pictures() -> None:
    shown = result.result(Told(attack(), ITEMS), [], "light")
    figure = found(shown, ids.plot("attack-accuracy")).figure
    assert figure.layout.xaxis.title.text == ACCURACY["x_label"].replace("eps", "ε")
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


def test_what_the_card_warns_of_stands_beside_the_curve() -> None:
    shown = found(result.result(Told(attack(), ITEMS), [], "light"), ids.plot_id("attack-accuracy"))
    assert "Careful: ± 5.1 points." in text(shown)
    assert "eps 0 equals" not in text(shown)


def test_a_transfer_names_the_network_that_its_inputs_were_made_on() -> None:
    spec = {**attack()["spec"], "transfer_from": "xyz"}
    for shown in (
        found(result.result(Told(attack(spec=spec), ITEMS), [], "light"), "card-attack-accuracy"),
        head.head(attack(spec=spec)),
    ):
        (link,) = [one for one in parts(shown) if getattr(one, "href", None) == "/jobs/xyz"]
        assert "inputs made on another network" in text(shown)
        assert text(link) == "another network"
    assert "inputs made on" not in text(head.head(attack()))
    other = job(id="xyz", name="WEISSI elsewhere")
    named = attackform.name_of(CATALOG, job(), spec, other)
    assert named.endswith("on WEISSI on digits, made on WEISSI elsewhere")


def test_an_attack_on_both_tells_what_it_spends_on_the_weights() -> None:
    both = {"name": "joint", "norm": "linf", "eps_w": 0.005, "weight_norm": "linf"}
    spec = {**attack()["spec"], "attacks": [both]}
    shown = found(result.result(Told(attack(spec=spec), []), [], "light"), "card-attack-accuracy")
    assert "at ε = 0 as well: ε_w = 0.005, the largest change of a weight." in text(shown)
    plain = found(result.result(Told(attack(), ITEMS), [], "light"), "card-attack-accuracy")
    assert "ε_w" not in text(plain)


def test_what_the_form_is_refused_for_is_called_as_the_form_calls_it() -> None:
    errors = [{"field": "spec.transfer_from", "message": "no job"}]
    told = text(attackpage.wrong(ApiError(422, "Unprocessable", "x", errors)))
    assert told == "Made on the network of: no job"


def test_of_several_attacks_those_that_passed_every_check_are_folded() -> None:
    names = ("pgd", "fgsm")
    spec = {**attack()["spec"], "attacks": [{"name": name} for name in names]}
    good = {"columns": {"check": ["a"], "passed": [True], "detail": [""]}}
    items = [shape("attack/pgd/card", CARD, "table"), shape("attack/fgsm/card", good, "table")]
    shown = found(result.result(Told(attack(spec=spec), items), [], "light"), "attack-evaluation")
    folded = [part for part in parts(shown) if type(part).__name__ == "Details"]
    assert [part.open for part in folded] == [True, False]
    words = [text(part.children[0]) for part in folded]
    assert words == ["PGD: 1 failed, 1 careful", "FGSM: all 1 passed"]


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


def ids_of(shown: Any) -> set[Any]:
    cards = {"card-attack-accuracy", "attack-evaluation", "card-attack-loss", "attack-gallery"}
    return {
        getattr(part, "id", None) for part in parts(shown) if type(part).__name__ != "Graph"
    } & cards


def test_cards_that_an_attack_never_fills_are_not_there() -> None:
    spec = {**attack()["spec"], "attacks": [{"name": "bit_flip"}]}
    items = [shape("attack/bit_flip/accuracy", ACCURACY, "curve")]
    for state in ("running", "succeeded"):
        told = Told(attack(spec=spec, state=state), items, catalog=CATALOG)
        shown = result.result(told, [], "light")
        assert ids_of(shown) == {"card-attack-accuracy", "attack-evaluation"}
    running = Told(attack(state="running"), [], catalog=CATALOG)
    assert len(ids_of(result.result(running, [], "light"))) == 4


def test_the_mean_over_draws_is_drawn_and_called_so_by_the_entrys_title() -> None:
    spec = {**attack()["spec"], "attacks": [{"name": "bit_flip"}]}
    mean = {**ACCURACY, "y_label": "mean accuracy of 10 draws"}
    items = [
        shape("attack/clean/accuracy", 0.875, "scalar"),
        shape("attack/bit_flip/accuracy", ACCURACY, "curve"),
        shape("attack/bit_flip/mean_accuracy", mean, "curve"),
    ]
    shown = result.result(Told(attack(spec=spec), items, catalog=CATALOG), [], "light")
    figure = found(shown, ids.plot("attack-accuracy")).figure
    drawn = [trace for trace in figure.data if trace.meta["role"] == "curve"]
    names = ["Bit flips", "Bit flips: mean accuracy of 10 draws"]
    assert [trace.name for trace in drawn] == names
    assert [trace.line.dash for trace in drawn] == ["solid", "dot"]
    assert "87.5 %" in figure.layout.annotations[0].text
    assert "lowest to the highest draw" in text(found(shown, ids.plot_id("attack-accuracy")))
