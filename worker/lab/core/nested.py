"""A parameter that is itself an entry of the catalogue, with parameters of its own."""

from __future__ import annotations

from pydantic import AfterValidator, ValidationError

from worker.contract.spec import Choice
from worker.lab.core.registry import entries


def known(kind: str) -> AfterValidator:
    """To annotate a Choice with: refuses what no entry of this kind would take, and fills in the
    parameters that were not given.

    The field has `validate_default=True`, and says the kind once more for forms:
    `json_schema_extra={"choice": kind}`, with "where" the facts that an entry must have.
    """

    def check(choice: Choice) -> Choice:
        found = entries(kind).get(choice.name)
        if found is None:
            raise ValueError(f"no {kind} is called {choice.name!r}")
        try:
            entry = found.model_validate(choice.params)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ValueError(f"{choice.name}.{where}: {first['msg']}") from error
        return Choice.model_validate({"name": choice.name, **entry.model_dump()})

    return AfterValidator(check)
