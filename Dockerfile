# syntax=docker/dockerfile:1
# One file, one target a service. Only the worker carries torch.
FROM python:3.11-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PATH=/opt/venv/bin:$PATH NORMSCOPE_DATA_DIR=/data
RUN python3 -m venv /opt/venv && useradd --uid 10001 --create-home normscope \
    && mkdir /data && chown normscope /data
WORKDIR /app
COPY constraints.txt pyproject.toml ./

FROM base AS backend-deps
RUN --mount=type=cache,target=/root/.cache/pip pip install -c constraints.txt \
    pydantic fastapi uvicorn sqlalchemy alembic "psycopg[binary]" redis "celery[redis]" numpy orjson prometheus-client

FROM base AS web-deps
RUN --mount=type=cache,target=/root/.cache/pip pip install -c constraints.txt \
    pydantic dash plotly dash-mantine-components dash-ag-grid fastapi uvicorn httpx

FROM base AS worker-deps
ARG TORCH_INDEX=""
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "$(grep ^torch== constraints.txt)" \
    && pip install -c constraints.txt pydantic numpy safetensors scikit-learn datasets pillow orjson "celery[redis]" redis psutil

FROM backend-deps AS api
COPY worker/__init__.py worker/__init__.py
COPY worker/contract worker/contract
COPY backend backend
USER normscope
CMD ["python", "-m", "backend.api"]
HEALTHCHECK --interval=10s --start-period=20s CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=3)"]

FROM api AS recorder
CMD ["python", "-m", "backend.recorder"]
HEALTHCHECK NONE

FROM web-deps AS web
COPY frontend frontend
USER normscope
CMD ["python", "-m", "frontend.serve"]
HEALTHCHECK --interval=10s --start-period=20s CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8050/healthz', timeout=3)"]

FROM worker-deps AS worker
COPY worker worker
USER normscope
CMD ["python", "-m", "worker.serve"]
