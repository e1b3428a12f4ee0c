"""Files that jobs left, by opaque ids: no path ever comes from a request."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse, Response, StreamingResponse

from backend import openapi
from backend.documents import Artifacts, artifact_document
from backend.errors import RETRY_S, Problem
from backend.parts import Given, is_id, job_row, json
from backend.store import artifacts
from worker.contract.artifacts import Artifacts as Files

router = APIRouter(tags=["artifacts"])

BYTES = "application/octet-stream"
GONE = "The artifact's file is not there any more."
LATER = {"Retry-After": str(RETRY_S)}


@router.get("/jobs/{id}/artifacts", responses={200: {"model": Artifacts}})
def of_job(given: Given, id: str) -> Response:
    job_row(given, id)
    with given.store.read() as connection:
        rows = artifacts.of_job(connection, id)
    return json({"items": [artifact_document(row) for row in rows]})


@router.get(
    "/artifacts/{id}",
    response_class=FileResponse,
    responses=openapi.media(BYTES),
)
def download(given: Given, id: str) -> Response:
    """The file itself."""
    with given.store.read() as connection:
        row = artifacts.get(connection, id) if is_id(id) else None
    if row is None:
        raise Problem(404, "No artifact has this id.")
    files = Files(given.settings)
    try:
        path = files.path(row["job"], row["attempt"], row["name"])
    except ValueError:
        raise Problem(404, GONE) from None
    headers = {"etag": f'"{row["sha256"]}"'}
    if path.is_file():
        return FileResponse(path, headers=headers, filename=path.name, media_type=BYTES)
    return _from_store(files, path, headers)


def _from_store(files: Files, path: Path, headers: dict[str, str]) -> Response:
    """As it comes from the object store."""
    try:
        chunks = files.chunks(path)
    except OSError as error:
        raise Problem(503, "The object store does not answer.", headers=LATER) from error
    if chunks is None:
        raise Problem(404, GONE)
    headers["content-disposition"] = f'attachment; filename="{path.name}"'
    return StreamingResponse(chunks, headers=headers, media_type=BYTES)
