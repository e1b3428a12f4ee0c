"""What can be asked for: a training run, or attacks on a trained network, or its diagnosis."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Choice(BaseModel):
    """A catalogue entry by name, its parameters beside the name."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str

    @property
    def params(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TrainSpec(_Request):
    """Data, a model, methods that combine freely, an optimizer, and what to measure."""

    dataset: Choice
    model: Choice
    methods: list[Choice] = Field(
        [Choice(name="cross_entropy")], min_length=1, max_length=16, description="they add up"
    )
    optimizer: Choice = Choice(name="sgd")
    diagnostics: list[Choice] = Field(
        [
            Choice(name="accuracy"),
            Choice(name="intrinsic_norms"),
            Choice(name="layer_norms"),
            Choice(name="input_gradient"),
            Choice(name="bound_tightness"),
        ],
        max_length=32,
        description="what to measure while training, where the data allows it",
    )
    epochs: Annotated[int, Field(strict=True, ge=1, le=100_000)] = 20
    batch_size: Annotated[int, Field(strict=True, ge=1, le=65_536)] = 64
    seed: Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)] = 0
    log_every: Annotated[int, Field(strict=True, ge=1, le=2**31 - 1)] | Literal["auto"] = Field(
        "auto", description="steps between measurements; auto: within 5 % of training time"
    )
    device: Literal["auto", "cpu", "cuda"] = "auto"
    processes: Annotated[int, Field(strict=True, ge=1, le=64)] = Field(
        1,
        description="that share each batch, on one machine; on CUDA a GPU for each",
        exclude_if=lambda processes: processes == 1,  # a spec of before means what it meant
    )

    @model_validator(mode="after")
    def _no_entry_twice(self) -> Self:
        _once("methods", self.methods)
        _once("diagnostics", self.diagnostics)
        return self


class AttackSpec(_Request):
    """Attacks on the network that a training job left, over a grid of budgets."""

    source: str = Field(min_length=1, max_length=64, description="a train job's id")
    attacks: list[Choice] = Field(min_length=1, max_length=16)
    eps_grid: list[Annotated[float, Field(ge=0, le=1000)]] = Field(
        [0.0, 0.02, 0.05, 0.1],
        min_length=1,
        max_length=64,
        description="budgets, in the unit that the attacks share",
    )
    transfer_from: str | None = Field(
        None,
        min_length=1,
        max_length=64,
        description="the train job on whose network transferred attacks are made",
    )
    split: Literal["test", "validation", "train"] = "test"
    limit: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] = Field(
        1000, description="examples attacked at most"
    )
    seed: Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)] = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"

    @model_validator(mode="after")
    def _no_attack_twice(self) -> Self:
        _once("attacks", self.attacks)
        return self


class DiagnoseSpec(_Request):
    """Diagnostics of the network that a training job left."""

    source: str = Field(min_length=1, max_length=64, description="a train job's id")
    peers: list[Annotated[str, Field(min_length=1, max_length=64)]] = Field(
        [], max_length=32, description="train jobs on the same task, to compare with"
    )
    diagnostics: list[Choice] = Field(min_length=1, max_length=32)
    batch_size: Annotated[int, Field(strict=True, ge=1, le=65_536)] = Field(
        256, description="training examples that stand for a batch"
    )
    seed: Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)] = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"

    @model_validator(mode="after")
    def _no_diagnostic_twice(self) -> Self:
        _once("diagnostics", self.diagnostics)
        return self


def _once(field: str, choices: list[Any]) -> None:
    names = [choice.name for choice in choices]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{field}: {', '.join(twice)} named twice; each measures under its name")
