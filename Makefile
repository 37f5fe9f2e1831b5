# Short names for the commands of every day; each prints what it runs. `make help` lists them.

CARGO ?= cargo

.DEFAULT_GOAL := help
.PHONY: help check test first smoke learn kernels gpu-check planted golden fuzz large bench-setup bench paper clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# In the release profile throughout: what check compiles, test and the runs below use again.
check: ## formatting, lints (warnings are errors), licences of all dependencies
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --all-targets -- -D warnings
	$(CARGO) test --release --test it licences::

test: ## all tests
	$(CARGO) test --release

first: ## the run that README.md begins with
	$(CARGO) run --release -- manifests/first.toml

smoke: ## every task and method that exists, on tiny embedded data
	$(CARGO) run --release -- manifests/smoke.toml

learn: ## train small networks long enough to beat the stated gates
	$(CARGO) run --release -- manifests/learn.toml

kernels: ## compile every CUDA kernel, show registers, fail on spills (puts nvcc into target/cuda)
	kernels/toolkit.sh
	kernels/check.sh

gpu-check: ## pack what checks the kernels on a machine with a GPU, and run it as far as this one goes
	kernels/gpu-check.sh

planted: ## a search on a task with one right primitive, as run and as described
	$(CARGO) run --release -- manifests/planted.toml
	$(CARGO) run --release -- --profile as-described manifests/planted.toml

paper: ## the paper's tables and profiles from its published scores, without training
	$(CARGO) run --release -- manifests/published.toml

golden: ## renew tests/golden/ from what the program gives now; read the diff before committing it
	NASPERF_GOLDEN=renew $(CARGO) test --release
	git --no-pager diff --stat -- tests/golden

FUZZED = archive csv fits hdf5 manifest mat npy npz pickle text wav

fuzz: ## three minutes of every reader on damaged input (needs cargo-fuzz and a nightly compiler)
	fuzz/seed.sh
	for target in $(FUZZED); do $(CARGO) +nightly fuzz run $$target -- -max_total_time=180 -rss_limit_mb=2048 || exit 1; done

large: ## memory stays below 1 GB for files of 3 to 5 GB (three minutes, 20 GB of disk, needs python3)
	$(CARGO) build --release
	tests/large.sh

bench-setup: ## the programs that benchmarks compare with, in target/peer (needs Python and its package index)
	python3 -m venv target/peer
	target/peer/bin/pip install --quiet numpy scipy torch

bench: ## all benchmarks, beside their peers where bench-setup has run
	$(CARGO) bench

clean: ## remove what the compiler made; results in cache/ stay
	$(CARGO) clean
