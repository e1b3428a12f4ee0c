"""Which cards a job's measurements make, and what is drawn on each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from frontend import readings
from frontend.plots.series import Line, YAxis
from frontend.plots.theme import DASHES, nth

Titles = Mapping[str, str]
"""The catalogue's title of a method by its name."""

MOST_LINES = 8
"""Beyond it a legend is no help: the card gets a list with search instead."""


@dataclass(frozen=True)
class Card:
    """A card of series: its words, its lines in order, its axis."""

    key: str
    title: str
    about: str
    lines: tuple[Line, ...]
    y: YAxis
    log: bool | None = None  # what the switch starts at; None: no switch

    @property
    def series(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(line.series for line in self.lines))


def expected(methods: Sequence[str], diagnostics: Sequence[str], schedule: str) -> list[str]:
    """The series that a job of this spec is going to tell, before it has told any."""
    names = [f"train/loss/{method}" for method in methods]
    names += ["train/loss"]
    told = {
        "accuracy": ["train/accuracy", "test/accuracy"],
        "intrinsic_norms": ["norm/intrinsic"],
        "input_gradient": ["gradient/input", "gradient/input_max"],
        "layer_norms": ["norm/layer/layer1"],
        "bound_tightness": ["gradient/bound_max", "gradient/tightness"],
    }
    for diagnostic in diagnostics:
        names += told.get(diagnostic, [])
    return names if schedule == "constant" else [*names, "learning_rate"]


def cards(names: Iterable[str], titles: Titles, *, constant_rate: bool = True) -> list[Card]:
    """The cards of these series, the known ones first, every other one under its own path."""
    left = list(dict.fromkeys(names))
    skipped = {"gradient/bound"} | ({"learning_rate"} if constant_rate else set())
    found = []
    for make in (_loss, _accuracy, _norm, _gradient, _tightness, _rate):
        card = make(left, titles)
        if card is not None:
            left = [name for name in left if name not in card.series]
            if not set(card.series) <= skipped:
                found.append(card)
    rest = [name for name in left if name not in skipped and not name.endswith("/progress")]
    return found + _others(rest)


Maker = Callable[[Sequence[str], Titles], Card | None]


def _loss(names: Sequence[str], titles: Titles) -> Card | None:
    terms = [name for name in names if name.startswith("train/loss/")]
    if not terms and "train/loss" not in names:
        return None
    whole = [name for name in terms if name.count("/") == 2]
    drawn: list[Line] = []
    for name in sorted(whole, key=lambda name: not name.endswith("cross_entropy")):
        drawn += _term(name, len(drawn), titles)
    if len(whole) != 1 and "train/loss" in names:
        drawn.append(Line("train/loss", "total, penalties included", "ink", "solid", 1.1))
    held = [Line("test/loss", "test set", "blue", "dash", 1.6)]
    held += [Line("validation/loss", "validation split", "green", "dashdot", 1.6)]
    drawn += [line for line in held if line.series in names]
    for name in (name for name in terms if name.count("/") > 2):
        _, _, method, part = name.split("/", 3)
        label = f"{term_title(method, titles)}: {part.replace('_', ' ')}"
        drawn.append(Line(name, label, "grey", "dot", 1.2, hidden=True))
    total = Line("train/loss", "total", "ink", hidden=True)
    hidden = (total,) if len(whole) == 1 else ()
    about = "by term; faint: each batch" if len(whole) > 1 else "of each batch, and smoothed"
    return Card("loss", "Loss", about, (*drawn, *hidden), YAxis("loss (nats)"), log=True)


def _term(name: str, drawn: int, titles: Titles) -> list[Line]:
    method = name.split("/")[2]
    label = term_title(method, titles)
    if method == "cross_entropy":
        return [
            Line(name, "cross-entropy, batch", "vermillion_faint", width=1, faint=True),
            Line(name, "cross-entropy, smoothed", "vermillion", width=2.2, role="smooth"),
        ]
    shade, _, _ = nth(max(drawn - 1, 1) + 2)
    return [Line(name, label, shade, "dot" if drawn else "solid", 1.8)]


def term_title(method: str, titles: Titles) -> str:
    """A method's term as the legend says it."""
    return titles.get(method, method.replace("_", " "))


def _accuracy(names: Sequence[str], _titles: Titles) -> Card | None:
    known = [
        Line("train/accuracy", "training batch", "vermillion_faint", width=1, faint=True),
        Line("train/accuracy", "training batch, smoothed", "vermillion", width=2, role="smooth"),
        Line("test/accuracy", "test set", "blue", "dash", 2),
        Line("validation/accuracy", "validation split", "green", "dashdot", 2),
    ]
    drawn = tuple(line for line in known if line.series in names)
    y = YAxis("accuracy", percent=True, highest=1.02)
    held = "test set" if "validation/accuracy" not in names else "test set, validation split"
    about = f"training batch, {held}"
    return Card("accuracy", "Accuracy", about, drawn, y) if drawn else None


def _norm(names: Sequence[str], _titles: Titles) -> Card | None:
    layers = sorted((name for name in names if name.startswith("norm/layer/")), key=_layer_number)
    drawn = []
    if "norm/intrinsic" in names:
        drawn.append(Line("norm/intrinsic", "intrinsic ∏‖W‖", "vermillion", width=2.2))
    for index, name in enumerate(layers, 1):
        shade, _, _ = nth(index)
        # Layers often have the very same norm: through a dashed line the one beneath is seen.
        dash = DASHES[(index - 1) % len(DASHES)]
        drawn.append(Line(name, _layer_label(name), shade, dash, 1.4))
    about = "product of the layers’ norms, and each layer’s"
    y = YAxis("Frobenius norm")
    return Card("norm", "Intrinsic norm", about, tuple(drawn), y, log=True) if drawn else None


def _layer_number(name: str) -> tuple[int, str]:
    digits = "".join(filter(str.isdigit, name))
    return (int(digits) if digits else 0, name)


def _layer_label(name: str) -> str:
    last = name.rsplit("/", 1)[1]
    return f"layer {last.removeprefix('layer')}" if last[5:].isdigit() else last


def _gradient(names: Sequence[str], _titles: Titles) -> Card | None:
    bound = "gradient/bound_max" if "gradient/bound_max" in names else "gradient/bound"
    known = [
        Line("gradient/input", "mean", "sky", width=1.5),
        Line("gradient/input_max", "largest in batch", "vermillion", width=1.6),
        Line(bound, "bound ‖p−e‖ C ∏‖W‖", "ink", "dash", 1.5, shaded=True),
    ]
    drawn = tuple(line for line in known if line.series in names)
    return (
        Card(
            "gradient",
            "Input gradient and its bound",
            "the shaded gap is what the bound gives away",
            drawn,
            YAxis("‖∇ₓ CE‖₂ (nats / input)"),
            log=True,
        )
        if drawn
        else None
    )


def _tightness(names: Sequence[str], _titles: Titles) -> Card | None:
    if "gradient/tightness" not in names:
        return None
    line = Line("gradient/tightness", "measured / bound", "green", width=1.8)
    about = "mean input gradient over the mean of its bound; 1 is tight"
    return Card("tightness", "Tightness", about, (line,), YAxis("ratio"), log=True)


def _rate(names: Sequence[str], _titles: Titles) -> Card | None:
    if "learning_rate" not in names:
        return None
    line = Line("learning_rate", "learning rate", "blue", width=1.8)
    about = "after its schedule"
    return Card("rate", "Learning rate", about, (line,), YAxis("step size"), log=False)


def _others(names: Sequence[str]) -> list[Card]:
    """Everything else: one card for all series that share the path before their last part."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(name.rpartition("/")[0] or name, []).append(name)
    found = []
    for path, mine in groups.items():
        words = readings.words(path)
        drawn = []
        for index, name in enumerate(sorted(mine)):
            shade, dash, _ = nth(index)
            label = readings.term(name.rpartition("/")[2])
            drawn.append(Line(name, label, shade, dash))
        title = words[:1].upper() + words[1:]
        key = "-".join(filter(None, path.replace("_", "/").split("/")))
        found.append(Card(key, title, path, tuple(drawn), YAxis("value"), log=False))
    return found
