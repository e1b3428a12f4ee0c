# One file, one target a service; what each installs is an extra of pyproject.toml. Only the worker
# carries torch: its CPU build is chosen with --build-arg TORCH_INDEX=<an index that has it>.
ARG PYTHON=python:3.11-slim-bookworm

# What writes each image's bill of materials, /opt/venv/sbom.json; no image carries the tool itself.
FROM $PYTHON AS bill
COPY deploy/bill /opt/bill
RUN --mount=type=cache,target=/root/.cache/pip \
    python3 -m venv /opt/bill && /opt/bill/bin/pip install -r /opt/bill/requirements.txt

FROM $PYTHON AS base
LABEL org.opencontainers.image.title="Normscope" org.opencontainers.image.licenses="Apache-2.0"
ENV PYTHONUNBUFFERED=1 PATH=/opt/venv/bin:$PATH NORMSCOPE_DATA_DIR=/data HF_HOME=/data/huggingface
RUN python3 -m venv /opt/venv && useradd --uid 10001 --create-home normscope \
    && mkdir /data && chown normscope /data
WORKDIR /app

# The project without its code: only the names of what it needs, so that a change of the code keeps
# the installed packages; and of these torch alone, so that a change of another keeps it.
FROM scratch AS names
COPY constraints.txt pyproject.toml /

FROM base AS pin
COPY --from=names /constraints.txt ./
RUN grep ^torch== constraints.txt >torch.txt

FROM base AS backend-packages
COPY --from=names / ./
RUN --mount=type=cache,target=/root/.cache/pip touch README.md \
    && pip install -c constraints.txt ".[backend,s3,traces]"
RUN --mount=from=bill,source=/opt/bill,target=/opt/bill /opt/bill/write

FROM base AS frontend-packages
COPY --from=names / ./
RUN --mount=type=cache,target=/root/.cache/pip touch README.md \
    && pip install -c constraints.txt ".[frontend]"
RUN --mount=from=bill,source=/opt/bill,target=/opt/bill /opt/bill/write

FROM base AS worker-packages
ARG TORCH_INDEX=""
COPY --from=pin /app/torch.txt ./
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} -r torch.txt
COPY --from=names / ./
RUN --mount=type=cache,target=/root/.cache/pip touch README.md \
    && pip install -c constraints.txt ".[worker,s3,traces]"
RUN --mount=from=bill,source=/opt/bill,target=/opt/bill /opt/bill/write

FROM backend-packages AS api
COPY worker/__init__.py worker/__init__.py
COPY worker/contract worker/contract
COPY backend backend
RUN python -m compileall -q worker backend
USER normscope
CMD ["python", "-m", "backend.api"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD python -c "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz')"

FROM api AS recorder
CMD ["python", "-m", "backend.recorder"]
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s CMD ["python", "-m", "backend.alive"]

FROM frontend-packages AS web
COPY frontend frontend
RUN python -m compileall -q frontend
USER normscope
CMD ["python", "-m", "frontend.serve"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD python -c "from urllib.request import urlopen; urlopen('http://127.0.0.1:8050/healthz')"

FROM worker-packages AS worker
COPY worker worker
RUN python -m compileall -q worker
USER normscope
CMD ["python", "-m", "worker.serve"]
HEALTHCHECK --interval=15s --timeout=15s --start-period=120s \
    CMD ["python", "-m", "worker.alive", "worker"]

FROM worker AS desk
CMD ["python", "-m", "worker.desk"]
HEALTHCHECK --interval=15s --timeout=15s --start-period=120s \
    CMD ["python", "-m", "worker.alive", "desk"]
