"""From a request to a queued job: what it costs, what it starts from, and its way to a worker."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from kombu.exceptions import OperationalError as QueueError
from redis.exceptions import RedisError

from backend.access import Role
from backend.errors import Problem, bad_field
from backend.estimate import (
    Estimate,
    Speed,
    classes,
    example_shape,
    network,
    of_attack,
    of_diagnosis,
    of_train,
    require_affordable,
    split_size,
)
from backend.handing import hand_out
from backend.parts import Parts, is_id
from backend.requests import NewJob, validated
from backend.store import artifacts, jobs, sweeps
from backend.store.jobs import PRIORITIES
from worker.contract import combine, traces, wire
from worker.contract.catalog import Catalog
from worker.contract.spec import AttackSpec, DiagnoseSpec, TrainSpec

CHECKPOINT = "final.safetensors"
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


def new_id() -> str:
    """Opaque, safe in addresses, not to be guessed: 60 bits."""
    return "".join(secrets.choice(ALPHABET) for _ in range(12))


def read(given: Parts, body: Any) -> tuple[NewJob, wire.Source | None]:
    """The job asked for, and the trained network it starts from."""
    asked = validated(given.requests.job, body)
    return asked, source_of(given, asked)


def source_of(given: Parts, asked: NewJob) -> wire.Source | None:
    """What an attack or a diagnosis starts from; None for a training."""
    match asked.spec:
        case AttackSpec():
            source = find_source(given, asked.spec.source)
            return source.model_copy(update={"peers": _other(given, asked.spec, source)})
        case DiagnoseSpec():
            source = find_source(given, asked.spec.source)
            return source.model_copy(update={"peers": _peers(given, asked.spec, source)})
    return None


def _other(given: Parts, spec: AttackSpec, source: wire.Source) -> list[wire.Source]:
    """The network that transferred attacks are made on: of inputs and classes of the same kind."""
    if spec.transfer_from is None:
        return []
    other = find_source(given, spec.transfer_from, "spec.transfer_from")
    kinds = [
        (example_shape(given.catalog, train.dataset), classes(given.catalog, train.dataset))
        for train in (TrainSpec.model_validate(found.spec) for found in (source, other))
    ]
    if kinds[0] != kinds[1]:
        raise bad_field("spec.transfer_from", "knows inputs or classes of another kind")
    return [other]


def _peers(given: Parts, spec: DiagnoseSpec, source: wire.Source) -> list[wire.Source]:
    """The networks to compare with: all of the same data."""
    peers = []
    for index, id in enumerate(spec.peers):
        field = f"spec.peers.{index}"
        peers.append(find_source(given, id, field))
        if peers[-1].spec["dataset"] != source.spec["dataset"]:
            raise bad_field(field, "was trained on other data than the source")
    return peers


def find_source(given: Parts, id: str, field: str = "spec.source") -> wire.Source:
    """The checkpoint that a train job left; 422 for a wrong id, 409 where it is not there yet."""
    with given.store.read() as connection:
        row = jobs.get(connection, id) if is_id(id) else None
        if row is None or row["kind"] != "train":
            raise bad_field(field, "no train job has this id")
        found = artifacts.newest(connection, id, CHECKPOINT)
    if row["state"] in jobs.UNFINISHED:
        raise _not_ready(field, "the train job has not finished")
    if found is None:
        raise _not_ready(field, "the train job left no checkpoint")
    return wire.Source(job=id, attempt=found["attempt"], spec=row["spec"], checkpoint=CHECKPOINT)


def _not_ready(field: str, reason: str) -> Problem:
    return Problem(409, f"{field}: {reason}", [(field, reason)])


def estimated(given: Parts, asked: NewJob, source: wire.Source | None) -> Estimate:
    """What it will cost; 422 with the estimate where that is too much."""
    known = speed(given)
    if isinstance(asked.spec, TrainSpec):
        require_sense(given.catalog, asked.spec)
        estimate = of_train(given.catalog, asked.spec, known)
    else:
        assert source is not None
        spec = TrainSpec.model_validate(source.spec)
        if isinstance(asked.spec, AttackSpec):
            require_attacks(given.catalog, asked.spec)
            estimate = of_attack(given.catalog, asked.spec, spec, known)
        else:
            looked_at = spec.model_copy(update={"diagnostics": asked.spec.diagnostics})
            require_sense(given.catalog, looked_at, "diagnostics")
            estimate = of_diagnosis(given.catalog, asked.spec, spec, known)
    require_affordable(estimate, given.settings.cost_limit_s)
    return estimate


def require_sense(catalog: Catalog, spec: TrainSpec, part: str = "") -> None:
    """422 naming every choice that others exclude, or that needs what the model lacks; of the
    fields that start with `part`."""
    layers, _ = network(catalog, spec)
    chosen = combine.chosen(spec, lambda kind, name: catalog.find(kind, name).facts)
    refusals = combine.refusals(chosen, layers)
    refusals += combine.sharing_refusals(spec, chosen, layers)
    shape, examples = example_shape(catalog, spec.dataset), split_size(catalog, spec, "train")
    refusals += combine.batch_refusals(spec, layers, shape, examples)
    found = [(f"spec.{field}", why) for field, why in refusals if field.startswith(part)]
    if found:
        raise Problem(422, ": ".join(found[0]), found)


def require_attacks(catalog: Catalog, spec: AttackSpec) -> None:
    """422 naming every attack that cannot share the job's budgets, or lacks its network."""
    refusals = combine.attack_refusals(spec, lambda name: catalog.find("attack", name).facts)
    found = [(f"spec.{field}", why) for field, why in refusals]
    if found:
        raise Problem(422, ": ".join(found[0]), found)


def speed(given: Parts) -> Speed:
    """What the workers that are alive compute at."""
    try:
        return Speed.of(given.queue.workers())
    except RedisError:
        return Speed()  # an estimate needs no broker; the default says that nobody measured


def launch(given: Parts, body: Any, key: str | None = None) -> tuple[jobs.Row, bool]:
    """The job's row, and whether it is new: a repeated key finds the first."""
    asked = validated(given.requests.job, body)
    digest = hashlib.sha256(asked.model_dump_json().encode()).hexdigest()
    if key is not None and (first := _first(given, key, digest)):
        return first, False
    new, _ = prepared(given, body)
    require_room(given)
    require_share(given, new["estimate"]["seconds"])
    (row,) = queue_all(given, [{**new, "idempotency_key": key, "request_hash": digest}])
    return row, True


def prepared(given: Parts, body: Any) -> tuple[dict[str, Any], NewJob]:
    """The job as it will be inserted, validated and costed."""
    asked, source = read(given, body)
    new = {
        "id": new_id(),
        "kind": asked.kind,
        "name": asked.name or default_name(asked),
        "tags": asked.tags,
        "spec": asked.spec.model_dump(mode="json"),
        "source": source.model_dump() if source else None,
        "estimate": estimated(given, asked, source).document(),
        "catalogue": given.catalog.hash,
        "owner": given.visitor.name,
        "priority": _priority(given, asked),
    }
    return new, asked


def _priority(given: Parts, asked: NewJob) -> int:
    """403 where somebody else than an admin would overtake all others."""
    if asked.priority == "high" and given.visitor.role < Role.ADMIN:
        message = "only an admin's job may go before everybody's"
        raise Problem(403, f"priority: {message}", [("priority", message)])
    return PRIORITIES.index(asked.priority)


def _first(given: Parts, key: str, digest: str) -> jobs.Row | None:
    with given.store.read() as connection:
        row = jobs.by_idempotency_key(connection, key)
    if row is not None and row["request_hash"] != digest:
        message = "was used for another request"
        raise Problem(409, f"Idempotency-Key {message}.", [("Idempotency-Key", message)])
    return row


def require_room(given: Parts, more: int = 1) -> None:
    """429 where so many jobs more would be too many that wait."""
    with given.store.read() as connection:
        waiting = jobs.counts(connection).get("queued", 0)
    if waiting + more > given.settings.queue_limit:
        detail = f"{waiting} jobs wait already; {given.settings.queue_limit} may."
        raise Problem(429, detail, headers={"Retry-After": "30"})


def require_share(given: Parts, seconds: float) -> None:
    """429 where so many estimated seconds more are too many for one token, unless an admin's."""
    visitor, most = given.visitor, given.settings.token_cost_limit_s
    if visitor.role is Role.ADMIN:
        return
    with given.store.read() as connection:
        asked = sum(estimate["seconds"] for estimate in jobs.estimates(connection, visitor.name))
    if asked + seconds > most:
        detail = (
            f"The unfinished jobs of {visitor.name} would take {asked + seconds:.0f} s by their"
            f" estimates; {most:.0f} s may wait and run."
        )
        raise Problem(429, detail, headers={"Retry-After": "30"})


def queue_all(
    given: Parts, news: Sequence[Mapping[str, Any]], sweep: Mapping[str, Any] | None = None
) -> list[jobs.Row]:
    """Insert, and hand out what there is room for; all or none: where the broker is away, nothing
    is left behind."""
    given.queue.ping()
    if len(news) == 1:
        traces.note(job=news[0]["id"])
    with given.store.write() as connection:
        if sweep is not None:
            sweeps.add(connection, sweep)
        for new in news:
            jobs.add(connection, {**new, "trace": traces.current()})
    try:
        hand_out(given.store, given.queue)
    except (RedisError, QueueError):
        with given.store.write() as connection:
            for new in news:
                jobs.remove(connection, new["id"], ("queued",))
            if sweep is not None:
                sweeps.remove(connection, sweep["id"])
        raise
    with given.store.read() as connection:
        return [row for new in news if (row := jobs.get(connection, new["id"])) is not None]


def default_name(asked: NewJob) -> str:
    """Such as "cross_entropy + weissi on digits"."""
    if isinstance(asked.spec, TrainSpec):
        methods = " + ".join(choice.name for choice in asked.spec.methods)
        return f"{methods} on {asked.spec.dataset.name}"[:200]
    spec = asked.spec
    chosen = spec.attacks if isinstance(spec, AttackSpec) else spec.diagnostics
    return f"{' + '.join(choice.name for choice in chosen)} on {spec.source}"[:200]
