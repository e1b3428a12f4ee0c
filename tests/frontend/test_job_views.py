"""The job page's parts: what each document of the API makes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from dash import html
from dash.development.base_component import Component

from frontend.plots.board import cards
from frontend.views import curves, figures, head, ids, load
from frontend.views.called import called
from frontend.views.curves import Told, Wanted
from frontend.views.plotcard import furniture
from frontend.views.sections import sections


def job(**changes: Any) -> Any:
    found = {
        "id": "abc",
        "kind": "train",
        "state": "running",
        "attempt": 1,
        "name": "WEISSI on digits",
        "tags": [],
        "spec": {
            "dataset": {"name": "digits"},
            "model": {"name": "mlp", "hidden": [128, 128]},
            "methods": [{"name": "cross_entropy"}, {"name": "weissi"}],
            "optimizer": {"name": "sgd", "lr": 0.05, "schedule": "constant"},
            "diagnostics": [{"name": "accuracy"}, {"name": "bound_tightness"}],
            "epochs": 30,
            "seed": 0,
        },
        "progress": {"step": 345, "steps": 690, "epoch": 15.0, "epochs": 30.0, "eta_s": 4.0},
        "created_at": "2026-11-21T07:00:00Z",
        "started_at": "2026-11-21T07:00:01Z",
        "ended_at": None,
        "worker": "w",
        "summary": {"test/accuracy": 0.928, "gradient/bound_max": 125.0, "gradient/input_max": 4.6},
        "error": None,
        "catalogue": "hash",
    }
    return {**found, **changes}


def parts(component: Any) -> Iterator[Component]:
    """Every component inside, itself first."""
    if isinstance(component, list | tuple):
        for one in component:
            yield from parts(one)
    elif isinstance(component, Component):
        yield component
        yield from parts(getattr(component, "children", None))


def text(component: Any) -> str:
    if isinstance(component, list | tuple):
        return "".join(text(one) for one in component)
    if isinstance(component, Component):
        return text(getattr(component, "children", None))
    return "" if component is None else str(component)


def found(component: Any, id: Any) -> Component:
    return next(part for part in parts(component) if getattr(part, "id", None) == id)


def scalar(name: str, step: int, value: Any, attempt: int = 1) -> Any:
    time = 1795244401.0 + step / 100
    at = {"seq": step, "attempt": attempt, "step": step, "epoch": step / 23, "time": time}
    return {"name": name, "shape": "scalar", "value": value, **at}


def test_the_head_says_what_where_and_how_long() -> None:
    shown = head.head(job())
    assert "digits · mlp 128–128 · weissi · sgd 0.05 · seed 0" in text(shown)
    assert text(found(shown, ids.JOB_STATE)) == "running"
    assert text(found(shown, ids.JOB_PROGRESS)) == "epoch 16 of 30 · 4.0 s left"
    assert found(shown, ids.JOB_CLONE).href == "/launch?clone=abc"
    assert not found(shown, ids.JOB_CANCEL).hidden
    assert found(shown, ids.JOB_DELETE).hidden


def test_a_job_without_a_name_is_called_by_what_made_it() -> None:
    methods = [{"name": "cross_entropy"}, {"name": "weissi", "strength": 0.03}, {"name": "sam"}]
    unnamed = job(name="", spec={**job()["spec"], "methods": methods})
    assert called(unnamed) == "digits, weissi 0.03 + sam (abc)"
    assert called(job()) == "WEISSI on digits"


def test_an_ended_job_can_be_deleted_and_not_cancelled() -> None:
    shown = head.head(job(state="succeeded", ended_at="2026-11-21T07:00:02.500Z"))
    assert found(shown, ids.JOB_ATTACK).href == "/lab/attack?job=abc"
    assert found(shown, ids.JOB_CANCEL).hidden
    assert not found(shown, ids.JOB_DELETE).hidden
    assert "in 1.5 s" in text(found(shown, ids.JOB_PROGRESS))


def test_a_cancelled_job_was_in_the_epoch_that_it_told_while_it_ran() -> None:
    ended = job(state="cancelled", ended_at="2026-11-21T07:00:02.500Z")
    assert text(found(head.head(ended), ids.JOB_PROGRESS)).startswith("cancelled at epoch 16 of 30")


def test_steps_a_second_are_those_of_the_attempt_that_took_them() -> None:
    ended = {"state": "succeeded", "attempt": 2, "ended_at": "2026-11-21T07:01:01Z"}
    shown = head.head(job(**ended, attempt_started_at="2026-11-21T07:00:31Z"))
    assert text(found(shown, ids.JOB_PROGRESS)) == (
        "epoch 15 of 30 in 1 min over 2 attempts · 23.0 steps/s"
    )
    again = Told(job(attempt=2, attempt_started_at="2026-11-21T07:00:31Z"), [])
    assert again.began == Told(job(), []).began + 30


def test_an_attempt_that_went_on_counts_its_own_steps_and_keeps_the_curve_before_it() -> None:
    went_on = {"attempt": 2, "info": {"resumed_at": 390}}
    ended = {"state": "succeeded", "ended_at": "2026-11-21T07:01:01Z"}
    shown = head.head(job(**went_on, **ended, attempt_started_at="2026-11-21T07:00:31Z"))
    assert text(found(shown, ids.JOB_PROGRESS)).endswith(" 10.0 steps/s")
    lost = [scalar("train/loss", step, 5.0) for step in (0, 389, 395)]
    items = [*lost, {**scalar("train/loss", 392, 4.0, attempt=2), "seq": 7}]
    told = Told(job(**went_on), items)
    assert told.series["train/loss"].step == [0, 389, 392]
    assert told.series["train/loss"].seq == 7, "the script goes on within the newest attempt"
    assert "went on from step 390" in text(curves.board(told, Wanted()))
    afresh = [*lost, scalar("train/loss", 0, 4.0, attempt=2)]
    assert Told(job(attempt=2), afresh).series["train/loss"].value == [4.0]


@pytest.mark.parametrize(
    ("state", "step", "offered"),
    [
        ("queued", 0, False),
        ("interrupted", 100, False),
        ("failed", 100, False),
        ("cancelled", 0, False),
        ("cancelled", 100, True),
        ("running", 1, False),
        ("succeeded", 690, True),
    ],
)
def test_a_network_can_be_attacked_only_where_there_is_one(
    state: str, step: int, offered: bool
) -> None:
    shown = head.head(job(state=state, progress={"step": step, "steps": 690}))
    assert attackable(shown) is offered


def attackable(shown: Component) -> bool:
    """Whether the links to the labs are seen; they are there in every state."""
    labs = [part for part in parts(shown) if getattr(part, "className", "") == "actions"][-1]
    assert found(labs, ids.JOB_ATTACK)
    return not labs.hidden


class Ending:
    """An API whose job ends while it is asked: its history is a moment older than its state."""

    def __init__(self) -> None:
        self.cursors = ["1.9", "1.20"]

    async def job(self, _: str) -> Any:
        return job(state="succeeded", cursor="1.20")

    async def catalog(self) -> Any:
        return None

    async def measurements(self, _: str, **__: Any) -> Any:
        return {"items": [], "next": self.cursors.pop(0), "downsampled": False}


@pytest.mark.anyio
async def test_a_job_that_ends_while_its_page_is_made_is_shown_whole() -> None:
    api: Any = Ending()
    assert (await load.told(api, "abc")).cursor == "1.20"


def test_more_measurements_than_a_page_holds_are_counted_and_said_where_to_find() -> None:
    told = Told(job(), [scalar("train/loss", 1, 5.0)], names_left_out=9_800)
    shown = text(html.Div(curves.board(told, Wanted())))
    assert "9,800 measurements more than these" in shown


def test_the_script_is_told_the_state_that_the_page_shows() -> None:
    lost = Told(job(state="interrupted", attempt=2), [scalar("train/loss", 1, 5.0)])
    told = load.for_script(lost, "owner", {})
    assert (told["told"], told["attempt"]) == ("2 interrupted", 1)


def test_a_waiting_job_says_why() -> None:
    shown = head.head(job(state="queued", progress=None), "waiting: no worker is alive")
    assert text(found(shown, ids.JOB_PROGRESS)) == "waiting: no worker is alive"


def test_a_failure_tells_the_step_the_reason_and_what_to_do() -> None:
    error = {"code": "diverged", "message": "weissi became nan", "step": 1312, "details": "trace"}
    shown = text(head.failure(job(state="failed", error=error)))
    assert "failed at step 1\N{NO-BREAK SPACE}312" in shown
    assert "weissi became nan" in shown
    assert "smaller learning rate" in shown
    assert "trace" in shown
    assert not attackable(head.head(job(state="failed", error=error)))


def test_what_a_job_survived_is_told() -> None:
    note = {"code": "no_checkpoint", "message": "no room", "step": 7, "attempt": 2}
    assert "Attempt 2: no room." in text(head.notes(job(info={"notes": [note]})))
    assert head.notes(job()) is None


def test_figures_are_named_for_the_script_and_say_what_they_mean() -> None:
    names = ("accuracy", "intrinsic_norms", "input_gradient", "bound_tightness")
    spec = {**job()["spec"], "diagnostics": [{"name": name} for name in names]}
    shown = figures.figures(job(spec=spec), {}, None)
    words = [text(one) for one in shown]
    assert words[0].startswith("Test accuracy92.8 %")
    assert words[3] == "Bound12527 × the largest measured"
    waiting = [text(one) for one in figures.figures(job(spec=spec, summary={}), {}, None)]
    assert waiting[3] == "Bound–on the largest input gradient"
    named = {getattr(part, "data-value", None) for one in shown for part in parts(one)}
    assert {"test/accuracy", "norm/intrinsic", "gradient/bound_max gradient/input_max"} <= named


def test_a_figure_that_is_never_measured_is_left_out() -> None:
    spec = {**job()["spec"], "diagnostics": [{"name": "accuracy"}]}
    shown = figures.figures(job(spec=spec, summary={}), {}, None)
    assert [text(one)[:13] for one in shown] == ["Test accuracy"]


def test_the_intrinsic_norm_tells_where_it_began() -> None:
    series = Told(job(), [scalar("norm/intrinsic", 0, 263.0), scalar("norm/intrinsic", 9, 180.0)])
    assert (
        text(figures.figures(job(), series.series, None)[1]) == "Intrinsic norm180from 263 at start"
    )


def test_robust_accuracy_is_that_of_the_middle_budget() -> None:
    attack = job(
        kind="attack",
        spec={"attacks": [{"name": "pgd", "steps": 20, "norm": "linf"}], "limit": 1000},
        info={"examples": 497},
    )
    shown = figures.robust_figure(attack, {"x": [0, 0.02, 0.05, 0.1], "y": [0.99, 0.9, 0.805, 0.4]})
    assert text(shown) == "Robust, linf 0.0580.5 %PGD-20, 497 examples"
    curve = {"x": [0, 0.02], "y": [0.99, 0.9]}
    assert "! its card: 1 failed" in text(figures.robust_figure(attack, curve, {}, "1 failed"))


def test_cards_stand_before_there_is_data() -> None:
    shown = curves.board(Told(job(), []), Wanted())
    graphs = [part.id["card"] for part in parts(shown) if isinstance(getattr(part, "id", 0), dict)]
    assert graphs == ["loss", "accuracy", "gradient", "tightness"]


def test_the_address_says_scale_and_measure() -> None:
    wanted = Wanted.of({"x": "epoch", "log": "norm"}, "dark")
    loss, norm = cards(["train/loss", "norm/intrinsic"], {})
    assert (wanted.along, wanted.log(loss), wanted.log(norm)) == ("epoch", False, True)
    assert Wanted.of({"x": "nonsense"}, "light") == Wanted()
    shown = curves.board(Told(job(), [scalar("norm/intrinsic", 23, 5.0)]), wanted)
    figure = found(shown, ids.plot("norm")).figure
    assert figure.layout.yaxis.type == "log"
    assert list(figure.data[0].x) == [1.0]
    pressed = [
        part.children for part in parts(shown) if getattr(part, "aria-pressed", "") == "true"
    ]
    assert "epochs" in pressed


def test_a_second_attempt_is_kept_apart_and_told() -> None:
    told = Told(job(attempt=2), [scalar("train/loss", 1, 5.0, attempt=2)])
    assert "Attempt 2 is shown" in text(curves.board(told, Wanted()))


def test_an_attempt_that_waits_is_not_said_to_be_shown() -> None:
    told = Told(job(attempt=2, state="queued"), [scalar("train/loss", 1, 5.0)])
    assert "Attempt 2 has not begun; shown is attempt 1." in text(curves.board(told, Wanted()))


@pytest.mark.parametrize(("bound", "said"), [("Infinity", 1), (3.0, 0)])
def test_a_network_without_a_bound_says_why_nothing_is_drawn(bound: Any, said: int) -> None:
    items = [scalar("gradient/bound", 1, bound), scalar("gradient/tightness", 1, 0.0)]
    shown = text(curves.board(Told(job(), items), Wanted()))
    assert shown.count("No bound is known") == said


def test_down_sampling_is_told_on_the_card() -> None:
    items = [scalar("train/loss", step, 1.0) for step in range(600)]
    assert "Down-sampled" in text(curves.board(Told(job(), items, downsampled=True), Wanted()))
    assert "Down-sampled" not in text(curves.board(Told(job(), items), Wanted()))


def test_two_inputs_show_their_regions() -> None:
    surface = {"x": [0, 1], "y": [0, 1], "z": [[0, 1], [1, 0]], "x_label": "x", "y_label": "y"}
    item = {**scalar(curves.REGIONS, 40, None), "shape": "surface"}
    item["value"] = {**surface, "z_label": "p(upper)"}
    shown = curves.board(Told(job(), [item, scalar("train/loss", 1, 1.0)]), Wanted())
    assert "at step 40" in text(found(shown, ids.plot_id("regions")))


def test_the_test_set_and_a_validation_split_are_told_apart() -> None:
    (plain,) = cards(["test/accuracy"], {})
    assert [line.label for line in plain.lines] == ["test set"]
    (both,) = cards(["test/accuracy", "validation/accuracy"], {})
    assert [line.label for line in both.lines] == ["test set", "validation split"]


def test_many_series_are_a_list_with_search_instead_of_a_legend() -> None:
    names = [f"norm/layer/layer{number}" for number in range(1, 13)]
    shown = curves.board(Told(job(), [scalar(name, 1, 5.0) for name in names]), Wanted())
    assert found(shown, ids.plot("norm")).figure.layout.showlegend is False
    card = found(shown, ids.plot_id("norm"))
    listed = [getattr(part, "data-series", None) for part in parts(card)]
    assert [name for name in listed if name] == names
    assert "layer 12" in text(card)
    few = curves.board(Told(job(), [scalar(name, 1, 5.0) for name in names[:8]]), Wanted())
    assert found(few, ids.plot("norm")).figure.layout.showlegend
    assert "layer 8" not in text(found(few, ids.plot_id("norm")))


def test_every_control_of_a_card_has_a_name() -> None:
    shown = curves.board(Told(job(), [scalar("norm/intrinsic", 1, 5.0)]), Wanted())
    for part in parts(shown):
        if type(part).__name__ in ("Button", "Summary"):
            assert getattr(part, "aria-label", None) or text(part)


def test_sections_offer_spec_files_and_measurements() -> None:
    artifact: Any = {"id": "f1", "name": "final.safetensors", "kind": "checkpoint"}
    artifact |= {"step": 690, "attempt": 1, "bytes": 106_000}
    shown = sections(job(), [artifact], [], "http://here")
    links = [part.href for part in parts(shown) if getattr(part, "href", None)]
    assert "/api/v1/artifacts/f1" in links
    assert "/api/v1/jobs/abc/measurements?format=csv" in links
    assert json.loads(text(found(shown, "job-spec"))) == job()["spec"]
    assert "curl http://here/api/v1/jobs" in text(found(shown, "job-curl"))


def test_files_of_several_attempts_say_whose_they_are() -> None:
    first: Any = {"id": "f1", "name": "final.safetensors", "kind": "checkpoint"}
    first |= {"step": 390, "attempt": 1, "bytes": 106_000}
    last = {**first, "id": "f2", "step": 690, "attempt": 2}
    shown = text(found(sections(job(), [first, last], [], ""), "job-artifacts"))
    assert "step 390, attempt 1" in shown
    assert "step 690, attempt 2" in shown
    assert "attempt" not in text(found(sections(job(), [last], [], ""), "job-artifacts"))


def test_scripts_find_the_palette_and_the_dialogs() -> None:
    palette = next(p for p in parts(furniture()) if hasattr(p, "data-palette"))
    pairs = json.loads(getattr(palette, "data-palette"))
    assert all(len(pair) == 2 for pair in pairs)
    assert found(furniture(), ids.PLOT_TABLE)
    assert found(furniture(), ids.STALE).hidden


@pytest.mark.parametrize("state", ["queued", "running", "succeeded", "failed", "cancelled"])
def test_every_state_has_a_head(state: str) -> None:
    assert text(found(head.head(job(state=state, progress=None)), ids.JOB_STATE)) == state
