"""The settings of an installation, read once from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Every NORMSCOPE_* variable, typed; the field's name in capitals is the variable's."""

    model_config = ConfigDict(frozen=True)

    host: str = "127.0.0.1"
    port: int = Field(8050, ge=1, le=65535, description="dashboard")
    api_port: int = Field(8000, ge=1, le=65535)
    token: str | None = Field(None, min_length=16, description="made at first start when absent")
    data_dir: Path = Path(".normscope")
    redis_url: str | None = Field(None, description="an embedded server when absent")
    database_url: str | None = Field(None, description="SQLite in the data directory when absent")
    datasets_dir: Path | None = Field(None, description="folders by data set name; else the hub")
    workers: int = Field(1, ge=1, le=256, description="worker processes that `make run` starts")
    allowed_hosts: str = Field("", description="further Host names to answer to, by commas")
    cost_limit_s: float = Field(86_400, gt=0, description="longest job, in estimated seconds")
    queue_limit: int = Field(10_000, ge=1, description="most jobs that may wait")

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Settings:
        """Read NORMSCOPE_*; empty values count as absent. Raises pydantic.ValidationError."""
        env = os.environ if env is None else env
        found = {name: env.get(f"NORMSCOPE_{name.upper()}") for name in cls.model_fields}
        return cls.model_validate({name: value for name, value in found.items() if value})
