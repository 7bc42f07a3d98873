# The commands around the code. Each is a few words of cargo; what needs more has a script in .ci/.
.PHONY: help demo test test-all check gates format lint docs wasm targets shaders web test-web results
.NOTPARALLEL:
.DEFAULT_GOAL := help

# Where cargo builds: target/, unless the environment says otherwise.
BUILD := $(or $(CARGO_TARGET_DIR),target)
TINT := .ci/tint

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 17

demo: ## train a language model on this machine's adapter (ARGS="--steps 100" adds options)
	.ci/linker.sh
	.ci/driver.sh
	cargo run --release -- train text $(ARGS)

test: ## every test; a missing adapter is a failure
	.ci/linker.sh
	.ci/driver.sh
	AFT_REQUIRE_ADAPTER=1 cargo test

test-all: ## the same with a hundred times the broken files, and 20 kills of a run for 3
	AFT_TEST_ALL=1 $(MAKE) test

# Cheap ones first: the first failure ends the run.
GATES := format lint docs shaders wasm targets test

check: $(GATES) ## every gate below, and the tests

gates:
	@echo $(GATES)

format: ## rustfmt has nothing to change
	cargo fmt --all --check
	cargo fmt --manifest-path web/pack/Cargo.toml --check

lint: ## clippy has nothing to say
	cargo clippy --workspace --all-targets -- -D warnings

docs: ## rustdoc has nothing to say
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

shaders: $(TINT)/node_modules ## Chromium's shader compiler and Vulkan's validator accept every kernel with every constant set
	node $(TINT)/check.mjs --self-test
	rm -rf $(BUILD)/shaders
	AFT_SHADER_DIR=$(abspath $(BUILD))/shaders cargo test --test shaders
	node $(TINT)/check.mjs $(BUILD)/shaders
	.ci/spirv.sh $(BUILD)/shaders

wasm: ## library and web crate compile for the browser without a warning
	.ci/wasm.sh

targets: ## library and program compile for Windows and macOS without a warning
	.ci/targets.sh

results: ## results/RESULTS.md and the pictures in docs/, from results/*.json
	AFT_UPDATE=1 cargo test --test results

web: ## the page, with all that it needs, in web/dist (node web/serve.mjs shows it)
	.ci/linker.sh
	.ci/web.sh

test-web: web web/node_modules ## the page in headless Chromium, held against the native program
	.ci/driver.sh
	cargo build --release --bin aft --example resume
	chromium=$$(.ci/browser.sh) && AFT_CHROMIUM=$$chromium AFT_RESUME=$(abspath $(BUILD))/release/examples/resume \
		AFT_PROGRAM=$(abspath $(BUILD))/release/aft node --test --test-reporter=spec web/test/page.test.mjs

web/node_modules: web/package-lock.json
	.ci/browser.sh
	npm ci --prefix web --ignore-scripts --no-audit --no-fund
	@touch $@

$(TINT)/node_modules: $(TINT)/package-lock.json
	npm ci --prefix $(TINT) --ignore-scripts --no-audit --no-fund
	@touch $@
