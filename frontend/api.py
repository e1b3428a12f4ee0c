"""The only file that speaks HTTP to the API: REST v1, typed, as the present visitor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired, TypedDict, cast

import httpx

COOKIE = "normscope_token"
IDLE_S = 5.0
"""How long an unused connection to the API is kept: the API closes it later (after 30 s), never in
the moment in which it is used again."""

JobState = Literal["queued", "running", "succeeded", "failed", "cancelled", "interrupted"]
Kind = Literal["train", "attack", "diagnose"]


class Progress(TypedDict, total=False):
    step: int
    steps: int
    epoch: float
    epochs: float
    eta_s: float | None


class JobError(TypedDict, total=False):
    code: str
    message: str
    step: int | None
    details: str


class Job(TypedDict):
    id: str
    kind: Kind
    state: JobState
    attempt: int
    name: str | None
    tags: list[str]
    spec: dict[str, Any]
    progress: Progress | None
    created_at: float | str
    started_at: float | str | None
    attempt_started_at: NotRequired[float | str | None]
    ended_at: float | str | None
    worker: str | None
    summary: dict[str, Any]
    error: JobError | None
    catalogue: str | None
    info: NotRequired[dict[str, Any] | None]
    cursor: NotRequired[str]
    source: NotRequired[dict[str, Any] | None]
    message: NotRequired[str]
    cancelling: NotRequired[bool]


class Jobs(TypedDict):
    items: list[Job]
    next: str | None


class Entry(TypedDict):
    kind: str
    name: str
    title: str
    summary: str
    help: str
    paper: str
    invariant: bool | None
    schema: dict[str, Any]
    facts: dict[str, Any]


class Catalog(TypedDict):
    hash: str
    entries: list[Entry]


class Measurement(TypedDict):
    name: str
    seq: int
    attempt: int
    step: int
    epoch: float
    time: float
    shape: str
    value: Any


class Measurements(TypedDict):
    items: list[Measurement]
    next: str
    downsampled: Any
    names_left_out: NotRequired[int]


class Artifact(TypedDict):
    id: str
    kind: str
    name: str
    bytes: int
    sha256: str
    step: int
    attempt: int
    created_at: float | str


class Worker(TypedDict):
    name: str
    device: str
    kind: Literal["cpu", "cuda"]
    state: Literal["starting", "idle", "busy", "lost"]
    reason: str
    job: str | None


class Claim(TypedDict):
    name: str
    title: str
    claim: str
    means: str
    test: dict[str, Any]
    sweep: dict[str, Any]
    attack: dict[str, Any] | None
    tag: str
    wanted: int
    runs: list[str]
    attacked: int
    counts: dict[str, int]
    attackable: list[str]
    verdict: Literal["holds", "does not hold", "undecided"]
    words: str
    points: list[dict[str, Any]]


class Paper(TypedDict):
    name: str
    short: str
    title: str
    authors: str
    arxiv: str
    idea: str
    equation: str
    spoken: str
    read: str
    claims: list[Claim]


class FieldError(TypedDict):
    field: str
    message: str


class ApiError(Exception):
    """The API refused: a problem document. Status 503 stands for an API that is away."""

    def __init__(
        self, status: int, title: str, detail: str = "", errors: Sequence[FieldError] = ()
    ) -> None:
        super().__init__(detail or title)
        self.status, self.title, self.detail, self.errors = status, title, detail, list(errors)

    @property
    def sentence(self) -> str:
        """What to tell a person."""
        return self.detail or self.title


class Api:
    """REST v1 with one visitor's token; every call may raise ApiError."""

    def __init__(self, http: httpx.AsyncClient, token: str | None) -> None:
        self._http = http
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def session(self) -> None:
        """Raises ApiError(401) where the token opens nothing."""
        await self._call("GET", "/session")

    async def catalog(self) -> Catalog:
        return cast(Catalog, await self._call("GET", "/catalog"))

    async def workers(self) -> list[Worker]:
        found = await self._call("GET", "/workers")
        return cast(list[Worker], found["items"] if isinstance(found, dict) else found)

    async def me(self) -> dict[str, str]:
        """`name` and `role` of the visitor."""
        return cast(dict[str, str], await self._call("GET", "/me"))

    async def operator(self) -> dict[str, Any]:
        return cast(dict[str, Any], await self._call("GET", "/operator"))

    async def tokens(self) -> list[dict[str, Any]]:
        """Names and roles, for admins."""
        return cast(list[dict[str, Any]], (await self._call("GET", "/tokens"))["items"])

    async def audit(self, **query: Any) -> list[dict[str, Any]]:
        """The newest first, for admins."""
        found = await self._call("GET", "/audit", params=query)
        return cast(list[dict[str, Any]], found["items"])

    async def jobs(self, **query: Any) -> Jobs:
        """`state`, `kind`, `tag`, `q`, `sort`, `limit`, `cursor` as rest.md has them."""
        return cast(Jobs, await self._call("GET", "/jobs", params=query))

    async def job(self, job: str) -> Job:
        return cast(Job, await self._call("GET", f"/jobs/{job}"))

    async def create(self, request: Mapping[str, Any]) -> Job:
        """`request` is {kind, spec, name?, tags?}."""
        return cast(Job, await self._call("POST", "/jobs", json=request))

    async def estimate(self, request: Mapping[str, Any]) -> dict[str, Any]:
        return cast(dict[str, Any], await self._call("POST", "/estimate", json=request))

    async def sweep(self, sweep: str) -> dict[str, Any]:
        return cast(dict[str, Any], await self._call("GET", f"/sweeps/{sweep}"))

    async def sweeps(self) -> list[dict[str, Any]]:
        found = await self._call("GET", "/sweeps")
        return cast(list[dict[str, Any]], found["items"])

    async def papers(self, **query: Any) -> list[Paper]:
        """`name` for one of them."""
        return cast(list[Paper], (await self._call("GET", "/papers", params=query))["items"])

    async def claim_cost(self, claim: str) -> dict[str, Any]:
        """`runs`, `seconds`, `attack_seconds` of a claim's test."""
        return cast(dict[str, Any], await self._call("GET", f"/papers/claims/{claim}/cost"))

    async def patch(self, job: str, **changes: Any) -> Job:
        return cast(Job, await self._call("PATCH", f"/jobs/{job}", json=changes))

    async def cancel(self, job: str) -> None:
        await self._call("POST", f"/jobs/{job}/cancel")

    async def delete(self, job: str) -> None:
        await self._call("DELETE", f"/jobs/{job}")

    async def measurements(self, job: str, **query: Any) -> Measurements:
        """`name` (patterns), `after`, `points`, `from`, `to`, `names` as the API has them."""
        path = f"/jobs/{job}/measurements"
        return cast(Measurements, await self._call("GET", path, params=query))

    async def artifacts(self, job: str) -> list[Artifact]:
        found = await self._call("GET", f"/jobs/{job}/artifacts")
        return cast(list[Artifact], found["items"] if isinstance(found, dict) else found)

    async def _call(self, method: str, path: str, **request: Any) -> Any:
        params = {key: v for key, v in (request.pop("params", None) or {}).items() if v}
        try:
            answer = await self._http.request(
                method, f"/api/v1{path}", headers=self._headers, params=params, **request
            )
        except httpx.HTTPError as error:
            raise ApiError(503, "The API is away", "The API does not answer.") from error
        if answer.is_error:
            raise _refusal(answer)
        return answer.json() if answer.content else None


def _refusal(answer: httpx.Response) -> ApiError:
    """The problem document of an answer, whatever else came instead of one."""
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    title = str(problem.get("title") or answer.reason_phrase or f"status {answer.status_code}")
    errors = [error for error in problem.get("errors") or [] if isinstance(error, dict)]
    detail = str(problem.get("detail") or "")
    return ApiError(answer.status_code, title, detail, cast(list[FieldError], errors))


def visitor() -> Api:
    """The API as the visitor whose callback runs now: with that visitor's own token."""
    from dash import ctx, get_app

    bearer = (ctx.headers or {}).get("authorization", "")
    token = (ctx.cookies or {}).get(COOKIE) or bearer.removeprefix("Bearer ") or None
    return Api(get_app().server.state.http, token)


def client(api_url: str) -> httpx.AsyncClient:
    """One connection pool for a process: quick to notice that the API is away, patient after."""
    timeout = httpx.Timeout(30.0, connect=2.0)
    limits = httpx.Limits(
        max_connections=None, max_keepalive_connections=32, keepalive_expiry=IDLE_S
    )
    return httpx.AsyncClient(base_url=api_url, timeout=timeout, limits=limits, trust_env=False)
