"""The settings of an installation, read once from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator


class Kept(NamedTuple):
    """A value that lies in a file, such as a container's secret."""

    path: Path


class Settings(BaseModel):
    """Every NORMSCOPE_* variable, typed; the field's name in capitals is the variable's."""

    model_config = ConfigDict(frozen=True)

    host: str = "127.0.0.1"
    port: int = Field(8050, ge=1, le=65535, description="dashboard")
    api_port: int = Field(8000, ge=1, le=65535)
    token: str | None = Field(None, min_length=16, description="made at first start when absent")
    data_dir: Path = Path(".normscope")
    redis_password: str | None = Field(None, description="for a redis_url that names none")
    redis_url: str | None = Field(None, description="an embedded server when absent")
    database_password: str | None = Field(None, description="for a database_url that names none")
    database_url: str | None = Field(None, description="SQLite in the data directory when absent")
    datasets_dir: Path | None = Field(None, description="folders by data set name; else the hub")
    artifacts_url: str | None = Field(None, description="s3://bucket/prefix; else the data folder")
    artifacts_endpoint: str | None = Field(None, description="of a store that is not Amazon's")
    datasets_url: str | None = Field(None, description="as artifacts_url, folders by data set name")
    workers: int = Field(1, ge=1, le=256, description="worker processes that `make run` starts")
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="of a worker; with cuda it takes no jobs while its GPU is away"
    )
    grace_s: float = Field(3.0, ge=2, description="in which a worker that is told to stop is gone")
    checkpoints: int = Field(2, ge=1, le=100, description="states that a job keeps to resume from")
    checkpoint_s: float = Field(15.0, ge=0, description="seconds between two states of a training")
    attempt_limit_s: float | None = Field(None, gt=0, description="longest attempt of a job")
    memory_limit_mb: int | None = Field(None, ge=1, description="most memory of a job's processes")
    allowed_hosts: str = Field("", description="further Host names to answer to, by commas")
    cost_limit_s: float = Field(86_400, gt=0, description="longest job, in estimated seconds")
    queue_limit: int = Field(10_000, ge=1, description="most jobs that may wait")
    rate_limit: float = Field(200, gt=0, description="requests a second of one token")
    token_cost_limit_s: float = Field(
        604_800, gt=0, description="estimated seconds that a token's jobs may wait and run"
    )

    keep_days: float | None = Field(None, gt=0, description="of the files that jobs left")
    keep_gb: float | None = Field(None, gt=0, description="room for the files of all jobs")
    resume_days: float = Field(30, ge=0, description="in which what failed keeps its files")
    import_mb: int = Field(256, ge=1, description="largest archive of jobs, also unpacked")

    @property
    def import_bytes(self) -> int:
        return self.import_mb * 2**20

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach what listens on `host`."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @field_validator("*", mode="before")
    @classmethod
    def _fetched(cls, value: Any) -> Any:
        if not isinstance(value, Kept):
            return value
        try:
            return value.path.read_text().strip()
        except OSError as error:
            raise ValueError(f"{value.path}: {error.strerror}") from error

    @field_validator("artifacts_url", "datasets_url")
    @classmethod
    def _of_objects(cls, url: str | None) -> str | None:
        """A folder is no store of objects: there a reader could see half a file."""
        scheme, split, place = (url or "s3://bucket").partition("://")
        if not split or not place or scheme in ("file", "local", "memory"):
            raise ValueError("an object store's URL is wanted, such as s3://bucket/prefix")
        return url

    @field_validator("redis_url", "database_url")
    @classmethod
    def _with_its_password(cls, url: str | None, info: ValidationInfo) -> str | None:
        password = info.data.get(str(info.field_name).replace("_url", "_password"))
        parts = urlsplit(url or "")
        if not password or not parts.hostname or parts.password is not None:
            return url
        user, _, host = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{user}:{quote(password, safe='')}@{host}"))

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Settings:
        """Read NORMSCOPE_*, or the file that NORMSCOPE_*_FILE names; empty values count as absent.

        Raises pydantic.ValidationError.
        """
        env = os.environ if env is None else env
        found = {name: _told(env, f"NORMSCOPE_{name.upper()}") for name in cls.model_fields}
        return cls.model_validate({name: value for name, value in found.items() if value})


def _told(env: Mapping[str, str], name: str) -> str | Kept | None:
    file = env.get(f"{name}_FILE")
    return env.get(name) or (Kept(Path(file)) if file else None)
