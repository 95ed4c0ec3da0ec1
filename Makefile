# What is done with this project, one target each; `make` alone lists them.
# Everything is made from nothing: missing programs are installed, missing files built, and what is there and current is left alone.

EXPLORER_BUILT := explorer/dist/index.html
EXPLORER_PACKAGES := explorer/node_modules/.package-lock.json
EXPLORER_SOURCES := $(shell find explorer/src explorer/public explorer/index.html explorer/vite.config.ts explorer/tsconfig.json -type f 2>/dev/null)

# Arguments of `payaid dev` and of the benchmark: make run ARGS="--reset", make bench ARGS="--only contact"
ARGS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test fuzz torture check release bench bench-executor bench-queue fmt schema clean-data counter tools

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: tools $(EXPLORER_BUILT) ## Start everything on this machine, without any configuration (ARGS="--reset": with fresh data)
	@echo "Building the server (the first time: 5 to 10 minutes)"
	@exec cargo run -- dev $(ARGS)

test: tools $(EXPLORER_BUILT) ## Run all tests
	cargo test --lib --test it

fuzz: tools $(EXPLORER_BUILT) ## Send the server documents as nobody should for 10 minutes, from a seed of its own each time
	PAYAID_FUZZ_SECONDS=$${PAYAID_FUZZ_SECONDS:-600} PAYAID_FUZZ_SEED=$${PAYAID_FUZZ_SEED:-$$(date +%s)} cargo test --test it fuzz -- --nocapture

torture: tools $(EXPLORER_BUILT) ## Do to the database what tests do in short, in full, and show the figures (about 5 minutes)
	PAYAID_TORTURE=1 cargo test --test it replicas -- --nocapture --test-threads 1

check: tools $(EXPLORER_BUILT) ## Check format, lints, documentation, types, the explorer, the schema and the migrations
	cargo fmt --check
	npm --prefix explorer run check
	npm --prefix explorer test
	cargo clippy --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps
	cargo run --quiet -- schema --check
	cargo run --quiet -- migrate --check

release: tools $(EXPLORER_BUILT) ## Build the server as it is to be used, with all optimisations: target/optimised/payaid
	@scripts/install.sh release
	@scripts/release.sh

bench: counter release ## Measure the speed beside a handler written by hand, and write bench/results.md (ARGS="--only contact,page")
	@missed=0; \
	target/optimised/speed run --programs target/optimised $(ARGS) || missed=1; \
	cargo bench --bench executor || missed=1; \
	exit $$missed

bench-executor: counter tools $(EXPLORER_BUILT) ## Count the executor's instructions, and fail when they are not as committed (ARGS="--write": commit them)
	cargo bench --bench executor -- $(ARGS)

bench-queue: tools $(EXPLORER_BUILT) ## Measure the queue of jobs, and write bench/queue.md
	cargo bench --bench queue

fmt: ## Format the Rust sources
	cargo fmt

schema: $(EXPLORER_BUILT) ## Write schema.graphql
	@cargo run --quiet -- schema > schema.graphql.new || { rm -f schema.graphql.new; exit 1; }
	@mv schema.graphql.new schema.graphql

clean-data: ## Remove the development data
	@scripts/clean-data.sh

tools:
	@scripts/install.sh

counter:
	@scripts/install.sh count

$(EXPLORER_PACKAGES): explorer/package.json explorer/package-lock.json | tools
	@echo "Fetching the packages of the explorer"
	@npm --prefix explorer ci --no-audit --no-fund
	@touch $@

$(EXPLORER_BUILT): $(EXPLORER_PACKAGES) $(EXPLORER_SOURCES)
	@echo "Building the explorer"
	@npm --prefix explorer run --silent build -- --logLevel error
	@touch $@
