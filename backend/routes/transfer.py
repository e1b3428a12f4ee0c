"""Jobs out as one archive, and in again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from tempfile import TemporaryFile
from typing import IO

from anyio.to_thread import run_sync
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response, StreamingResponse

from backend import openapi
from backend.archive import CHUNK, ArchiveError
from backend.documents import Job, job_document
from backend.errors import Problem, bad_field
from backend.export import NotExported, pack
from backend.intake import Conflict, Intake, Taken
from backend.parts import Given, Parts, job_row, json

router = APIRouter(tags=["jobs"])

ZIP = "application/zip"
_BODY = {"content": {ZIP: {"schema": {"type": "string", "format": "binary"}}}, "required": True}


class Imported(BaseModel):
    items: list[Job] = Field(description="the jobs that are new here")
    known: list[str] = Field(description="the ids of those that were here already")


@router.get("/jobs/{id}/export", response_class=StreamingResponse, responses=openapi.media(ZIP))
def export(given: Given, id: str) -> Response:
    """An ended job with its spec, measurements and files, and those of the training that it
    starts from; every part with its size and SHA-256."""
    job_row(given, id)
    file = _room(given)
    try:
        pack(given.settings, given.store, [id], file)
    except BaseException as error:
        file.close()
        if not isinstance(error, NotExported):
            raise
        raise Problem(409, f"{error}; only a job that has ended can be exported.") from error
    headers = {
        "Content-Length": str(file.seek(0, os.SEEK_END)),
        "Content-Disposition": f'attachment; filename="normscope-{id}.zip"',
    }
    file.seek(0)
    return StreamingResponse(_sent(file), 200, headers, ZIP)


def _sent(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while chunk := file.read(CHUNK):
            yield chunk


@router.post(
    "/import",
    status_code=201,
    responses={
        201: {"model": Imported},
        200: {"model": Imported, "description": "all of them were here already"},
    },
    openapi_extra={"requestBody": _BODY},
)
async def take(given: Given, request: Request) -> Response:
    """The jobs of an exported archive, as jobs of this token: all, or none and the reason."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != ZIP:
        raise Problem(415, f"Send the archive with Content-Type: {ZIP}.")
    with _room(given) as file:
        async for chunk in request.stream():
            file.write(chunk)
        taken = await run_sync(_taken, given, file)
    return await run_sync(_answer, given, taken)


def _room(given: Parts) -> IO[bytes]:
    """For an archive that passes through; nameless, so that nothing of it can stay."""
    return TemporaryFile(dir=given.settings.data_dir)


def _taken(given: Parts, file: IO[bytes]) -> Taken:
    intake = Intake(given.settings, given.store, given.requests, given.visitor.name)
    try:
        return intake.take(file, given.settings.import_bytes)
    except Conflict as error:
        raise Problem(409, f"archive: {error}", [("archive", str(error))]) from error
    except ArchiveError as error:
        raise bad_field("archive", str(error)) from error


def _answer(given: Parts, taken: Taken) -> Response:
    rows = [job_row(given, id) for id in taken.new]
    found = {"items": [job_document(row) for row in rows], "known": taken.known}
    return json(found, 201 if rows else 200)
