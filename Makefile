# `make demo` and `make test` set everything up by themselves on a fresh Debian 12 or 13.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Debian keeps mosquitto in /usr/sbin, which only root has on the PATH.
export PATH := $(PATH):/usr/sbin:/sbin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
.DEFAULT_GOAL := help
# Tests wait more than they work: three processes side by side, a file's tests in one of them.
SIDE_BY_SIDE := -n 3 --dist loadfile
WHICH := import sys; print(sys.base_prefix, sys.version)

.PHONY: demo test check quick bench bench-lines bench-spool faults fault-table fault-tools test-trixie test-container package test-package test-arm64 lock clean help setup system

demo: setup ## Sensors, a broker, the collector and a receiver on this machine (ARGS="--seconds 20")
	@$(BIN)/edge-collector demo $(ARGS)

test: check ## Everything a change must pass
	@$(BIN)/pytest $(SIDE_BY_SIDE) -m "not slow_fault" $(ARGS)

check: setup ## Style, types and the direction of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

quick: setup ## The tests that need less than a minute
	@$(BIN)/pytest $(SIDE_BY_SIDE) -m "not slow and not slow_fault" $(ARGS)

faults: setup fault-tools ## Every fault of tests/faults/MATRIX.md, injected into the daemon (13 minutes; as root, else some are skipped)
	@$(BIN)/pytest $(SIDE_BY_SIDE) -m fault $(ARGS)

bench: setup ## Edge Collector and its peers side by side (70 minutes; ARGS="--quick": 3; "--sweeps": 40); peers go below build/
	@$(BIN)/python -m tests.bench $(ARGS)

fault-table: setup ## Renew tests/faults/MATRIX.md from the tests themselves
	@$(BIN)/python -m tests.faults.matrix

bench-lines: setup ## How near 32 Modbus slaves are polled to what their bus can carry, and what ten sensors cost (2 minutes)
	@$(BIN)/python -m tests.bench.lines $(ARGS)

bench-spool: setup ## What the spool costs in flash, CPU, start time and memory (10 minutes; as root, else the device's own account is left out)
	@$(BIN)/python -m tests.bench.spool $(ARGS)

test-trixie: ## Unit and contract tests on Debian 13 with apt's Python packages alone, in a root of its own
	@tests/trixie.sh $(ARGS) || [ $$? = 77 ]

test-container: ## The container, built and run with buildah and podman on a base made here (2 minutes; as root)
	@tests/container.sh || [ $$? = 77 ]

package: ## The Debian package, built twice in a clean root of Debian 13 and compared; into build/package/
	@packaging/build.sh $(ARGS)

test-package: ## The package installed, upgraded under load and purged on a Debian 13 that systemd-nspawn boots (as root)
	@tests/package/run.sh $(ARGS) || [ $$? = 77 ]

test-arm64: setup ## The package on an emulated arm64: what it costs, and power cuts (20 minutes, its system 30 once; as root)
	@PATH="$(CURDIR)/$(BIN):$$PATH" tests/package/arm64.sh $(ARGS) || [ $$? = 77 ]

lock: setup ## Renew requirements.lock: the newest of everything, for every supported Python
	@$(PYTHON) -m venv $(VENV)/lock
	@$(VENV)/lock/bin/pip install --quiet uv
	@$(VENV)/lock/bin/uv --no-config pip compile --quiet --upgrade --universal --python-version 3.11 --extra dev \
		--generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links \
		--output-file requirements.lock pyproject.toml

clean: ## Remove everything that was installed or built here
	@rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## What can be made
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

setup: $(VENV)/installed

# Done again whenever the package's own declaration or the lock changes.
$(VENV)/installed: pyproject.toml requirements.lock | system
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed, this is $$($(PYTHON) -V): install one and say make PYTHON=python3.11" >&2; \
		exit 1; }
	@echo "set-up: Python packages into $(VENV)"
	@[ "$$($(BIN)/python -c '$(WHICH)' 2>&1)" = "$$($(PYTHON) -c '$(WHICH)')" ] || rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# What no Python package brings. Brokers for tests and demo are started by them, on ports of their own;
# the service that Debian's mosquitto package starts is not used, and may be disabled.
system:
	@need=; \
	command -v $(PYTHON) >/dev/null || need="$$need python3"; \
	$(PYTHON) -c 'import ensurepip' 2>/dev/null || need="$$need python3-venv"; \
	command -v mosquitto >/dev/null || need="$$need mosquitto"; \
	command -v openssl >/dev/null || need="$$need openssl"; \
	[ -n "$$need" ] || exit 0; \
	if [ "$$(id -u)" = 0 ]; then as_root="env"; else as_root="sudo -n env"; fi; \
	command -v apt-get >/dev/null && $$as_root true 2>/dev/null || { \
		echo "needed first, as root: apt-get install$$need" >&2; exit 1; }; \
	echo "set-up: Debian packages$$need"; \
	$$as_root apt-get update -qq || true; \
	$$as_root DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$need >/dev/null

# Tests of faults whose tool is missing are skipped, and say so.
fault-tools:
	@need=; \
	for tool in gcc=gcc ip=iproute2 iptables=iptables mkfs.ext4=e2fsprogs mkfs.xfs=xfsprogs faketime=faketime; do \
		command -v $${tool%=*} >/dev/null || need="$$need $${tool#*=}"; \
	done; \
	[ -e /usr/include/stdio.h ] || need="$$need libc6-dev"; \
	[ -n "$$need" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || exit 0; \
	echo "set-up: Debian packages$$need"; \
	{ apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$need; } \
		>/dev/null || echo "some could not be installed; the tests that need them are skipped" >&2
