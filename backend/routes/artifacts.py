"""Files that jobs left, by opaque ids: no path ever comes from a request."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import FileResponse, Response

from backend import openapi
from backend.documents import Artifacts, artifact_document
from backend.errors import Problem
from backend.parts import Given, is_id, job_row, json
from backend.store import artifacts
from worker.contract.wire import artifact_path

router = APIRouter(tags=["artifacts"])


@router.get("/jobs/{id}/artifacts", responses={200: {"model": Artifacts}})
def of_job(given: Given, id: str) -> Response:
    job_row(given, id)
    with given.store.read() as connection:
        rows = artifacts.of_job(connection, id)
    return json({"items": [artifact_document(row) for row in rows]})


@router.get(
    "/artifacts/{id}",
    response_class=FileResponse,
    responses=openapi.media("application/octet-stream"),
)
def download(given: Given, id: str) -> Response:
    """The file itself."""
    with given.store.read() as connection:
        row = artifacts.get(connection, id) if is_id(id) else None
    if row is None:
        raise Problem(404, "No artifact has this id.")
    try:
        path = artifact_path(given.settings.data_dir, row["job"], row["attempt"], row["name"])
    except ValueError:
        path = None
    if path is None or not path.is_file():
        raise Problem(404, "The artifact's file is not there any more.")
    headers = {"etag": f'"{row["sha256"]}"'}
    return FileResponse(
        path, headers=headers, filename=path.name, media_type="application/octet-stream"
    )
