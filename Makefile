# Every command that a person or CI runs; `make` alone prints them.
#
# Each target calls its tools directly. What is slow to make is a file with a rule of its own, so a second run is
# instant: the locked packages (.venv/.locked) and the native module (.cache/native/<cargo profile>).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory --no-builtin-rules

# Any Python from 3.11 on: make setup PYTHON=/path/to/python3.13
PYTHON ?= python3
# Where `make up` keeps its database, token and logs, if not where `egressway up` does.
DATA ?=
# More words for the command behind a target: make bench ARGS=--quick
ARGS ?=

BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(CURDIR)/.cache/bin:$(PATH)
# maturin asks which environment it installs into; a user's own must not be taken for ours.
export VIRTUAL_ENV := $(CURDIR)/.venv
unexport PYTHONHOME PYTHONPATH

RUST := Cargo.toml Cargo.lock rust-toolchain.toml pyproject.toml \
  $(shell find data-plane -name '*.rs' -o -name Cargo.toml)
# The binding alone is built by maturin: its tests would have to link libpython, and Python tests cover it.
CRATES := --workspace --exclude egressway-python

.PHONY: help setup up test check bench e2e lock reference

help: ## this table
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

setup: .cache/native/release ## virtual environment, locked packages, native module in release mode
	@echo "ready: $(BIN)/egressway"

up: setup ## the product with a demo origin; Ctrl-C stops all of it
	@exec egressway up --demo $(if $(DATA),--data "$(DATA)") $(ARGS)

test: setup ## Rust and Python tests that need no privileges
	@scripts/install_test_tools test
	cargo test --quiet --locked $(CRATES)
	pytest -n auto -m "not e2e" $(ARGS)

check: setup ## linters, types, import contracts, crate rules, reference pages
	ruff check
	ruff format --check --quiet
	mypy
	lint-imports
	cargo fmt --all --check
	cargo clippy --quiet --locked --workspace --all-targets -- -D warnings
	python scripts/check_crates.py
	python scripts/reference_pages.py --check

e2e: setup ## tests in network namespaces, and the exactness test (root)
	@scripts/install_test_tools e2e
	pytest -m e2e $(ARGS)

bench: .cache/native/bench-lto ## side by side with HAProxy, nginx and Envoy; writes bench/results/
	@scripts/install_test_tools bench
	python -m bench.run $(ARGS)

lock: .venv/.locked ## write requirements.lock anew from pyproject.toml
	@scripts/lock

reference: setup ## write reference/ anew from the code
	python scripts/reference_pages.py

# The environment stays when the lock changes; only what differs is installed.
.venv/.locked: requirements.lock
	@PYTHON="$(PYTHON)" scripts/make_environment

.cache/native/%: .venv/.locked $(RUST)
	@scripts/build_native $*
