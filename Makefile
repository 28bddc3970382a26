# The thin face: each target says what it does and leaves the work to CMake's presets and the
# example's script.
.PHONY: help build binaries demo test asan tsan fuzz check bench format clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## install what is missing and build the release preset into build/release/bin
	@tools/install-packages.sh build
	@cmake --preset release --log-level=WARNING
	@cmake --build --preset release

# Only what users run, without the tests.
binaries:
	@tools/install-packages.sh build
	@cmake --preset release --log-level=WARNING
	@cmake --build --preset release --target anchorhold anchorhold-host anchorhold-enclave

demo: binaries ## two hospitals train one model that neither can look into
	@examples/two-hospitals/run.sh

test: build ## every test
	@ctest --preset release -j 2

asan: ## every test under AddressSanitizer and UndefinedBehaviorSanitizer
	@tools/install-packages.sh build
	@cmake --preset asan --log-level=WARNING
	@cmake --build --preset asan
	@ctest --preset asan -j 2

tsan: ## every test under ThreadSanitizer
	@tools/install-packages.sh build
	@cmake --preset tsan --log-level=WARNING
	@cmake --build --preset tsan
	@ctest --preset tsan -j 2

fuzz: ## every fuzz target for up to 30 seconds under libFuzzer
	@tools/install-packages.sh build fuzz
	@cmake --preset fuzz --log-level=WARNING
	@cmake --build --preset fuzz --target fuzz_targets
	@ctest --preset fuzz -L fuzz

check: test asan tsan fuzz ## test, asan, tsan and fuzz

# The peers are Python packages, pinned, in an environment of their own. BENCH takes run.py's options.
bench: binaries ## beside PyTorch and Opacus; BENCH="--quick --networks lenet" says how
	@tools/install-packages.sh bench
	@cmp -s bench/requirements.txt build/bench-venv/installed.txt || { \
	  python3 -m venv build/bench-venv && \
	  build/bench-venv/bin/pip install --quiet -r bench/requirements.txt && \
	  cp bench/requirements.txt build/bench-venv/installed.txt; }
	@build/bench-venv/bin/python bench/run.py $(BENCH)

format: ## clang-format over all sources
	@git ls-files '*.cc' '*.h' | xargs clang-format-14 -i

clean: ## remove everything that was built
	@rm -rf build
