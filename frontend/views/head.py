"""The head of a job's page: title, state, what it is, progress, actions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from frontend import parts, specs, words
from frontend.api import Catalog, Job
from frontend.views import ids
from frontend.views.called import called, methods

ALIVE = ("queued", "running", "interrupted")
ENDED = ("succeeded", "failed", "cancelled")

ADVICE = {
    "diverged": "A smaller learning rate or a weaker penalty usually helps. Clone the job, change "
    "it, and launch again.",
    "lost": "Its worker died more than once, often for want of memory. A smaller batch or network "
    "needs less; the worker’s log says more.",
    "dataset_missing": "Put the data where the message says, then clone the job.",
    "out_of_memory": "A smaller batch or a smaller network needs less memory.",
    "time_limit": "Resume it: it goes on from its last state, with as much time again.",
    "memory_limit": "A smaller batch or a smaller network needs less memory.",
    "disk_full": "Make room on the worker’s disk, then resume it: it goes on from its last state.",
}


def what(job: Job, catalog: Catalog | None = None) -> str:
    """One line: digits · mlp 128–128 · weissi 0.03 · sgd 0.05 · seed 0."""
    spec = job["spec"]
    if job["kind"] == "attack":
        titles = specs.titles(catalog, "attack")
        names = ", ".join(attack_words(attack, titles) for attack in spec.get("attacks", []))
        return f"{names} · {spec.get('split', 'test')} split · seed {spec.get('seed', 0)}"
    if job["kind"] == "diagnose":
        titles = specs.titles(catalog, "diagnostic")
        return f"{diagnostic_words(spec, titles)} · seed {spec.get('seed', 0)}"
    model, optimizer = spec.get("model", {}), spec.get("optimizer", {})
    widths = [*(model.get("channels") or []), *(model.get("hidden") or [])]
    sizes = "–".join(str(size) for size in widths)
    told = [
        spec.get("dataset", {}).get("name"),
        f"{model.get('name')} {sizes}".strip(),
        methods(spec),
        f"{optimizer.get('name')} {optimizer.get('lr', '')}".strip(),
        f"seed {spec.get('seed', 0)}",
    ]
    return " · ".join(str(part) for part in told if part)


def attack_words(
    attack: Mapping[str, Any], titles: Mapping[str, str] = MappingProxyType({})
) -> str:
    """PGD-20, linf; without its entry's title by its name, short ones being abbreviations."""
    steps = f"-{attack['steps']}" if attack.get("steps") else ""
    norm = f", {attack['norm']}" if attack.get("norm") else ""
    name = str(attack.get("name"))
    plain = name.upper() if len(name) <= 4 else name.replace("_", " ").capitalize()
    return f"{titles.get(name) or plain}{steps}{norm}"


def diagnostic_words(
    spec: Mapping[str, Any], titles: Mapping[str, str] = MappingProxyType({})
) -> str:
    """Up to three diagnostics by title, more of them by number."""
    chosen = [str(one["name"]) for one in spec.get("diagnostics", [])]
    names = [titles.get(name) or name.replace("_", " ").capitalize() for name in chosen]
    return ", ".join(names) if len(names) <= 3 else f"{len(names)} diagnostics"


def head(job: Job, waiting: str = "", catalog: Catalog | None = None) -> Component:
    """Breadcrumb, title, state, facts, progress and what can be done with the job."""
    return parts.header(
        called(job),
        crumbs=[("Jobs", "/jobs"), (job["kind"], f"/jobs?kind={job['kind']}")],
        badge=parts.state_badge(job["state"], id=ids.JOB_STATE),
        facts=[what(job, catalog), *_whose(job), *made_on(job, " · ")],
        actions=_actions(job),
        under=progress(job, waiting),
    )


def _whose(job: Job) -> list[Any]:
    """The network that the job looks at."""
    source = job["spec"].get("source")
    return [" · ", dcc.Link("its network", href=f"/jobs/{source}")] if source else []


def made_on(job: Job, before: str) -> list[Any]:
    """The other network that a transfer's inputs were made on; of other jobs nothing."""
    other = job["spec"].get("transfer_from")
    link = dcc.Link("another network", href=f"/jobs/{other}")
    return [f"{before}inputs made on ", link] if other else []


def _actions(job: Job) -> list[Any]:
    train, lost = job["kind"] == "train", job["state"] == "failed"
    clone = None
    if train:
        address = f"/launch?clone={job['id']}"
        clone = parts.button_link("Clone", address, filled=lost, id=ids.JOB_CLONE)
    resume = html.Button(
        "Resume",
        id=ids.JOB_RESUME,
        className="plain-button",
        title="Go on from what the job left last; from the start where it left nothing",
        **{"data-resume": job["id"]},
        **during(("failed", "cancelled"), job),
    )
    cancelling = bool(job.get("cancelling"))
    end = html.Button(
        "Cancelling" if cancelling else "Cancel",
        id=ids.JOB_CANCEL,
        className="plain-button danger",
        disabled=cancelling,
        **during(ALIVE, job),
    )
    delete = html.Button(
        "Delete", id=ids.JOB_DELETE, className="plain-button danger", **during(ENDED, job)
    )
    return [_labs(job), clone, resume, end, delete]


def during(states: Sequence[str], job: Job) -> dict[str, Any]:
    """Shown in these states alone; the live script keeps to it when the badge changes."""
    return {"hidden": job["state"] not in states, "data-in": " ".join(states)}


def _labs(job: Job) -> Component:
    """The labs that go on from here, once there is a network."""
    if job["kind"] != "train":
        return html.Span(_lab_links(job), className="actions")
    shown = during(("succeeded",), job) | {"hidden": not has_network(job)}
    return html.Span(_lab_links(job), className="actions", **shown)


def _lab_links(job: Job) -> list[Component]:
    """First the lab that the job itself came from."""
    network = job["id"] if job["kind"] == "train" else job["spec"].get("source")
    again = job["kind"] == "diagnose"
    attack = parts.button_link(
        "Attack", f"/lab/attack?job={network}", filled=not again, id=ids.JOB_ATTACK
    )
    address = f"/lab/diagnose?job={job['id'] if again else network}"
    look = parts.button_link("Diagnose", address, filled=again, id=ids.JOB_DIAGNOSE)
    shift = parts.button_link("Shift scales", f"/lab/shift?job={network}")
    return [look, attack, shift] if again else [attack, shift, look]


def has_network(job: Job) -> bool:
    """Whether a training has left a network; one that still runs has not."""
    if job["state"] == "cancelled":
        return bool((job["progress"] or {}).get("step"))
    return bool(job["state"] == "succeeded")


def progress(job: Job, waiting: str = "") -> Component:
    """The bar with its words; both are kept current by the live script."""
    share = _share(job)
    bar = html.Div(
        html.Div(className="bar-done", style={"transform": f"scaleX({share:.4f})"}),
        className="bar",
        role="progressbar",
        **{
            "aria-valuemin": "0",
            "aria-valuemax": "100",
            "aria-valuenow": str(round(100 * share)),
            "aria-label": "Progress",
        },
    )
    text = html.Span(waiting or _progress_words(job), className="progress-text number")
    return html.Div([bar, text], id=ids.JOB_PROGRESS, className="job-progress")


def _share(job: Job) -> float:
    done = job["progress"] or {}
    if job["state"] == "succeeded":
        return 1.0
    return min((done.get("step") or 0) / (done.get("steps") or 1), 1.0)


def _progress_words(job: Job) -> str:
    done, state = job["progress"] or {}, job["state"]
    took, counted = _took(job), _counted(job)
    if state == "running":
        eta = done.get("eta_s")
        left = f" · {words.duration(eta)} left" if eta is not None else ""
        return (counted or "starting") + left
    if state == "succeeded":
        return f"{counted or 'done'}{took}{_rate(job)}"
    if state == "cancelled":
        return f"cancelled {('at ' + counted) if counted else 'before it began'}{took}"
    step, steps = done.get("step"), done.get("steps")
    return f"stopped at step {step} of {steps}{took}" if step and steps else f"stopped{took}"


def _took(job: Job) -> str:
    """From the first attempt's start to the end."""
    began, end = words.moment(job["started_at"]), words.moment(job["ended_at"])
    if not began or not end:
        return ""
    tries = f" over {job['attempt']} attempts" if job["attempt"] > 1 else ""
    return f" in {words.duration((end - began).total_seconds())}{tries}"


def _rate(job: Job) -> str:
    """Steps a second of the attempt that took them: what was lost before it does not count."""
    began = words.moment(job.get("attempt_started_at") or job["started_at"])
    end, steps = words.moment(job["ended_at"]), (job["progress"] or {}).get("steps")
    if not began or not end or not steps or job["kind"] != "train":
        return ""
    steps -= resumed_at(job)
    return f" · {words.number(steps / max((end - began).total_seconds(), 1e-3))} steps/s"


def resumed_at(job: Job) -> int:
    """The step from which the present attempt went on; 0 where it started afresh."""
    return int((job.get("info") or {}).get("resumed_at") or 0)


def _counted(job: Job) -> str:
    done = job["progress"] or {}
    if job["kind"] == "attack":
        steps = done.get("steps")
        share = f"{100 * (done.get('step') or 0) / steps:.0f} %" if steps else ""
        return f"{share} of {words.count(steps)} inputs attacked" if share else ""
    if job["kind"] == "diagnose":
        steps = done.get("steps")
        return f"{done.get('step') or 0} of {steps} diagnostics" if steps else ""
    epochs = done.get("epochs") or job["spec"].get("epochs")
    if not done.get("step") or not epochs:
        return ""
    at = min(int(done.get("epoch") or 0) + (job["state"] != "succeeded"), int(epochs))
    return f"epoch {at} of {epochs:g}"


def notes(job: Job) -> Component | None:
    """What went wrong that the job survived."""
    told = (job.get("info") or {}).get("notes") or []
    lines = [html.Li(f"Attempt {one['attempt']}: {one['message']}.") for one in told]
    return html.Section(html.Ul(lines), className="card told") if lines else None


def failure(job: Job) -> Component | None:
    """What happened, in which step, what to do; the details folded."""
    error = job["error"]
    if not error:
        message = job.get("message")
        return html.P(message, className="card told") if message else None
    step = error.get("step")
    where = f" at step {words.count(step)}" if step is not None else ""
    advice = ADVICE.get(error.get("code", ""), "The details below say more. Clone it to try again.")
    details = error.get("details")
    return html.Section(
        [
            html.H2(f"This job failed{where}"),
            html.P(error.get("message"), className="what-happened"),
            html.P(advice, className="about"),
            html.Details(
                [html.Summary("Details"), html.Pre(details, tabIndex=0)], className="folded"
            )
            if details
            else None,
            html.P(f"code: {error.get('code')}", className="about"),
        ],
        className="card failure",
        role="alert",
    )
