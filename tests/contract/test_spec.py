"""Specs: what is refused, and where it says the fault lies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from worker.contract.catalog import attack_spec_model, load, train_spec_model
from worker.contract.settings import Settings

CATALOG = load()
TRAIN, ATTACK = train_spec_model(CATALOG), attack_spec_model(CATALOG)
SPEC: dict[str, Any] = {"dataset": {"name": "digits"}, "model": {"name": "mlp"}}


def refused(model: Any, body: dict[str, Any]) -> set[str]:
    """The places that a refusal names, numbers and tags included."""
    with pytest.raises(ValidationError) as error:
        model.model_validate(body)
    return {".".join(map(str, found["loc"])) for found in error.value.errors()}


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"epochs": 0}, "epochs"),
        ({"epochs": "3"}, "epochs"),
        ({"epochs": True}, "epochs"),
        ({"batch_size": 1.5}, "batch_size"),
        ({"log_every": "often"}, "log_every"),
        ({"colour": "red"}, "colour"),
        ({"methods": []}, "methods"),
        ({"methods": [{"name": "magic"}]}, "methods.0"),
        ({"methods": [{"name": "weissi", "strength": float("nan")}]}, "methods.0.weissi.strength"),
        ({"methods": [{"name": "weissi", "strength": -1}]}, "methods.0.weissi.strength"),
        ({"methods": [{"name": "weissi", "power": 1}]}, "methods.0.weissi.power"),
        ({"model": {"name": "mlp", "hidden": [0]}}, "model.mlp.hidden.0"),
        ({"optimizer": {"name": "sgd", "lr": float("inf")}}, "optimizer.sgd.lr"),
    ],
)
def test_bad_train_specs_name_the_place(change: dict[str, Any], place: str) -> None:
    assert any(found.startswith(place) for found in refused(TRAIN, {**SPEC, **change}))


def test_a_method_may_be_named_once() -> None:
    with pytest.raises(ValidationError, match="weissi named twice"):
        TRAIN.model_validate({**SPEC, "methods": [{"name": "weissi"}] * 2})


def test_defaults_are_filled_in_from_the_catalogue() -> None:
    found = TRAIN.model_validate(SPEC).model_dump()
    assert found["methods"] == [{"name": "cross_entropy"}]
    assert {"lr", "momentum"} <= found["optimizer"].keys()


@pytest.mark.parametrize(
    ("change", "place"),
    [({"eps_grid": [-0.1]}, "eps_grid.0"), ({"attacks": []}, "attacks"), ({"limit": 0}, "limit")],
)
def test_bad_attack_specs_name_the_place(change: dict[str, Any], place: str) -> None:
    body = {"source": "abc", "attacks": [{"name": "pgd"}], **change}
    assert place in refused(ATTACK, body)


def test_settings_name_the_bad_variable() -> None:
    with pytest.raises(ValidationError) as error:
        Settings.from_env({"NORMSCOPE_PORT": "http"})
    assert error.value.errors()[0]["loc"] == ("port",)


def test_an_empty_variable_counts_as_absent() -> None:
    assert Settings.from_env({"NORMSCOPE_TOKEN": ""}).token is None


def test_a_secret_may_lie_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a-token-from-a-file\n")
    env = {"NORMSCOPE_TOKEN_FILE": str(tmp_path / "token")}
    assert Settings.from_env(env).token == "a-token-from-a-file"
    assert Settings.from_env({**env, "NORMSCOPE_TOKEN": "a-token-said-here"}).token == (
        "a-token-said-here"
    )


def test_a_secret_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValidationError) as error:
        Settings.from_env({"NORMSCOPE_TOKEN_FILE": str(tmp_path / "none")})
    (found,) = error.value.errors()
    assert found["loc"] == ("token",)
    assert str(tmp_path / "none") in found["msg"]


@pytest.mark.parametrize(
    ("url", "password", "full"),
    [
        ("redis://broker:6379/0", "p@ss/word", "redis://:p%40ss%2Fword@broker:6379/0"),
        ("redis://:said@broker/0", "other", "redis://:said@broker/0"),
        ("redis://broker/0", "", "redis://broker/0"),
    ],
)
def test_an_address_gets_the_password_set_beside_it(url: str, password: str, full: str) -> None:
    env = {"NORMSCOPE_REDIS_URL": url, "NORMSCOPE_REDIS_PASSWORD": password}
    assert Settings.from_env(env).redis_url == full


def test_the_databases_address_gets_its_own_password() -> None:
    env = {
        "NORMSCOPE_DATABASE_URL": "postgresql://normscope@database/normscope",
        "NORMSCOPE_DATABASE_PASSWORD": "secret",
        "NORMSCOPE_REDIS_PASSWORD": "another",
    }
    expected = "postgresql://normscope:secret@database/normscope"
    assert Settings.from_env(env).database_url == expected
