# Every verb sets up what it needs: `make run` on a fresh machine with Python 3.11 is enough.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
SECRETS ?= secrets
SETUP = @$(if $(PYTHON),,echo "Normscope needs Python 3.11, and there is no python3.11 on PATH." >&2; exit 1;) $(PYTHON) backend/local/install.py

.PHONY: run test test-slow test-fuzz test-gpu test-compose test-faults check audit bench catalog picture secrets join clean

run:  ## start the whole explorer and print its address
	$(SETUP) local
	@exec $(BIN)/python -m backend.local.up

test:  ## everything that must hold before a commit lands
	$(SETUP) dev browser
	@$(MAKE) --no-print-directory check
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not slow and not gpu and not compose and not faults"

test-slow:  ## what takes minutes
	$(SETUP) dev browser
	$(BIN)/python -m pytest -m slow

test-fuzz:  ## hostile clients that take their time, thousands of requests that OpenAPI allows or forbids
	$(SETUP) dev browser
	$(BIN)/python -m pytest -s -m slow tests/hostile

test-gpu:  ## what needs a CUDA device
	$(SETUP) dev
	$(BIN)/python -m pytest -m gpu

test-compose:  ## what needs a Docker engine
	$(SETUP) dev
	$(BIN)/python -m pytest -m compose tests/compose

test-faults:  ## every process killed, frozen and stopped in every phase of a job, as a table
	$(SETUP) dev
	$(BIN)/python -m pytest -m faults tests/faults

check:  ## style, types and who may import whom
	$(SETUP) dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

audit:  ## what bandit says of our code, and known holes in what is pinned (asks PyPI); tools of its own venv
	@test -x .venv-audit/bin/pip-audit || { $(PYTHON) -m venv .venv-audit \
	  && .venv-audit/bin/pip install --quiet -c constraints.txt bandit pip-audit; }
	.venv-audit/bin/bandit -q -c pyproject.toml -r worker backend frontend
	.venv-audit/bin/pip-audit --strict --no-deps --disable-pip --requirement constraints.txt

bench:  ## side-by-side measurements, printed as a table
	$(SETUP) dev browser
	$(BIN)/python -m bench

catalog:  ## regenerate worker/contract/catalog.json from the lab
	$(SETUP) local
	$(BIN)/python -m worker catalog

picture:  ## the README's picture, from the running explorer
	$(SETUP) dev browser
	$(BIN)/python -m tests.e2e.picture

secrets:  ## what docker compose needs once: a folder for its owner, files that its containers read
	@umask 077 && mkdir -p secrets && for name in token redis_password database_password grafana_password; do \
	  test -s secrets/$$name || { od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >secrets/$$name \
	    && chmod 444 secrets/$$name; }; done

join:  ## what docker-compose.join.yml needs once: the certificate of Redis at ADDRESS, and its key
	@test -n "$(ADDRESS)" || { echo "make join ADDRESS=<this host's IP address>" >&2; exit 1; }
	@umask 077 && mkdir -p $(SECRETS) && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
	  -nodes -days 3650 -subj /CN=normscope -addext "subjectAltName=IP:$(ADDRESS)" \
	  -keyout $(SECRETS)/redis_key -out $(SECRETS)/redis_certificate \
	  && chmod 444 $(SECRETS)/redis_key $(SECRETS)/redis_certificate
