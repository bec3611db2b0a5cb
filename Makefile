# Everything a developer and CI do. `make help` says what each target is for.
# Tools and build products live outside the checkout, in $PORTCULLIS_CACHE (default ~/.cache/portcullis).
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test bench soak lint fmt clean

help: ## say what can be made
	@echo 'Portcullis: a policy and compliance gateway. Targets:'
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo 'Settings: DEMO_DIR=FOLDER keeps the data of the demo; ROUNDS=N and MICRO=1 widen the bench;'
	@echo '          LOGINS=40 make bench measures what logins take from others;'
	@echo '          CASES=N, KILLS=N, POINTS=N and FAILURES=N lengthen the soak, SEED=N repeats it;'
	@echo '          PORTCULLIS_CACHE=FOLDER holds tools and build products.'

demo: ## start the stand-in clouds and the gateway, and print requests to try; until Ctrl-C
	@scripts/setup build python
	@exec scripts/demo

test: ## everything CI holds a change to, fast things first
	@scripts/setup build lint test python node
	@scripts/test

bench: ## CPU per request beside nginx and a bare pingora, in one run
	@scripts/setup build bench
	@scripts/bench

soak: ## the laws of the rooms with very many random cases, and the log under very many kills, from a printed seed
	@scripts/setup build test
	@scripts/soak

lint: ## formatting, clippy with warnings as errors, documentation links, dependencies
	@scripts/setup build lint
	@scripts/lint

fmt: ## lay out every Rust file
	@cargo fmt --all
	@cargo fmt --manifest-path sdk-wasm/Cargo.toml --all

clean: ## remove what was built and installed for this project
	@scripts/clean
