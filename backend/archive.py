"""One file that holds many, each with its size and SHA-256 in a manifest: a ZIP that is checked.

What comes in may be hostile: names are plain, sizes are bounded before anything is unpacked, and
nothing is believed that the manifest does not tell.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Annotated, Literal, Self
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

MANIFEST = "manifest.json"
CHUNK = 2**20
MOST_MANIFEST = 16 * 2**20
MOST_MEMBERS = 100_000
MOST_LINE = 64 * 2**20
PART = r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,199}"
NAME = re.compile(rf"{PART}(?:/{PART}){{0,5}}", re.ASCII)
ENCRYPTED = 0x1
_BROKEN = (BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)


class ArchiveError(ValueError):
    """The archive is not what it should be; the message says how."""


class Member(BaseModel):
    model_config = ConfigDict(extra="forbid")

    bytes: int = Field(ge=0)
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Manifest(BaseModel):
    """What an archive holds: of which kind, in which form of the database, every member."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["normscope installation", "normscope jobs"]
    revision: Annotated[str, StringConstraints(max_length=32)]
    members: Annotated[dict[str, Member], Field(max_length=MOST_MEMBERS)]


class Writer:
    """Members one after the other; the manifest comes last."""

    def __init__(self, file: IO[bytes], kind: str, revision: str) -> None:
        self._zip = ZipFile(file, "w")
        self._manifest = Manifest.model_validate(
            {"kind": kind, "revision": revision, "members": {}}
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._zip.writestr(MANIFEST, self._manifest.model_dump_json(), ZIP_DEFLATED)
        self._zip.close()

    def add(self, name: str, chunks: Iterable[bytes]) -> Member:
        """Text is packed; tensors would not get smaller."""
        info = ZipInfo(name)
        info.compress_type = ZIP_STORED if name.endswith(".safetensors") else ZIP_DEFLATED
        size, digest = 0, hashlib.sha256()
        with self._zip.open(info, "w", force_zip64=True) as member:
            for chunk in chunks:
                member.write(chunk)
                digest.update(chunk)
                size += len(chunk)
        self._manifest.members[name] = Member(bytes=size, sha256=digest.hexdigest())
        return self._manifest.members[name]

    def add_file(self, name: str, path: Path) -> bool:
        """False where the file is not there any more."""
        try:
            file = path.open("rb")
        except OSError:
            return False
        with file:
            self.add(name, iter(lambda: file.read(CHUNK), b""))
        return True


class Reader:
    """An archive that holds what its manifest says, and no more than `most_bytes` of it."""

    def __init__(self, file: Path | IO[bytes], kind: str, most_bytes: int | None = None) -> None:
        try:
            self._zip = ZipFile(file)
        except _BROKEN as error:
            raise ArchiveError("this is not a whole ZIP file") from error
        try:
            self.manifest = self._told(kind)
            self._agree(most_bytes)
        except ArchiveError:
            self._zip.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    @property
    def members(self) -> dict[str, Member]:
        return self.manifest.members

    def _told(self, kind: str) -> Manifest:
        try:
            info = self._zip.getinfo(MANIFEST)
            if info.file_size > MOST_MANIFEST:
                raise ArchiveError(f"{MANIFEST} is too large")
            with self._zip.open(info) as file:
                manifest = Manifest.model_validate_json(file.read(MOST_MANIFEST))
        except KeyError as error:
            raise ArchiveError(f"it has no {MANIFEST}") from error
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part)[:80] for part in first["loc"]) or "all of it"
            raise ArchiveError(f"{MANIFEST}: {where}: {first['msg']}") from error
        except _BROKEN as error:
            if isinstance(error, ArchiveError):
                raise
            raise ArchiveError(f"{MANIFEST} cannot be read") from error
        if manifest.kind != kind:
            raise ArchiveError(f"it holds {manifest.kind}, not {kind}")
        return manifest

    def _agree(self, most_bytes: int | None) -> None:
        """What lies in the file is what the manifest tells: the same names, the same sizes."""
        infos = [info for info in self._zip.infolist() if info.filename != MANIFEST]
        names = [info.filename for info in infos]
        for name in (*self.members, *names):
            if not NAME.fullmatch(name):
                raise ArchiveError(f"{name[:80]!r} is no name of a member")
        if len(infos) != len(self.members) or set(names) != set(self.members):
            odd = set(names) ^ set(self.members)
            told = f": {sorted(odd)[0][:80]}" if odd else " one name twice"
            raise ArchiveError(f"the manifest and the members differ{told}")
        for info in infos:
            if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED) or info.flag_bits & ENCRYPTED:
                raise ArchiveError(f"{info.filename}: packed in an unknown way")
            if info.file_size != self.members[info.filename].bytes:
                raise ArchiveError(f"{info.filename}: not of the size that the manifest tells")
        total = sum(member.bytes for member in self.members.values())
        if most_bytes is not None and total > most_bytes:
            raise ArchiveError(f"unpacked it would be {total} bytes; {most_bytes} are allowed")

    def check(self) -> None:
        """Every byte of every member. Raises ArchiveError."""
        for name in self.members:
            for _ in self.chunks(name):
                pass

    def chunks(self, name: str) -> Iterator[bytes]:
        """The member's bytes; raises ArchiveError at the end where they were not those."""
        digest, size = hashlib.sha256(), 0
        try:
            with self._zip.open(name) as file:
                while chunk := file.read(CHUNK):
                    digest.update(chunk)
                    size += len(chunk)
                    yield chunk
        except KeyError as error:
            raise ArchiveError(f"it has no {name}") from error
        except _BROKEN as error:
            raise ArchiveError(f"{name} cannot be unpacked") from error
        wanted = self.members[name]
        if (size, digest.hexdigest()) != (wanted.bytes, wanted.sha256):
            raise ArchiveError(f"{name}: not the bytes that the manifest tells")

    def lines(self, name: str) -> Iterator[bytes]:
        """Of a member that is text; raises ArchiveError as `chunks` does, and for endless ones."""
        left = b""
        for chunk in self.chunks(name):
            *whole, left = (left + chunk).split(b"\n")
            yield from whole
            if len(left) > MOST_LINE:
                raise ArchiveError(f"{name} has a line without an end")
        if left:
            yield left

    def unpack(self, name: str, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            for chunk in self.chunks(name):
                file.write(chunk)
