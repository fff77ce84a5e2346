# Single Shot: every target sets up what it needs first; `make` alone lists the targets.
# VARIANT=gpu takes MXNet's GPU build, VARIANT=cpu goes back; else the environment stays as it is.
# UV_TORCH_BACKEND=cpu lets `make bench` fetch the small PyTorch, without CUDA.
# PYTHONS="3.12 3.13" limits the matrix.
# SINGLE_SHOT_PROFILE=smoke|class|full says how long the lessons may take (class: minutes).

python := .venv/bin/python
# Two workers of one thread each are faster than one of two: most tests are not MXNet's.
unit_tests := OMP_NUM_THREADS=1 $(python) -m pytest -n 2
train := $(python) -m single_shot train --recipe lesson --restart
# Images set the third for their size; without compiled modules every start takes twice as long.
unexport PYTHONHOME PYTHONPATH PYTHONDONTWRITEBYTECODE
export JUPYTER_PREFER_ENV_PATH := 1

.DEFAULT_GOAL := help
.PHONY: help setup run test anywhere fuzz cluster lab data train pretrained bench oracle mutants
.PHONY: check sync store matrix lock clean web book

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile

setup: ## make .venv with the locked packages, unless it is up to date
	@tools/setup $(VARIANT)

run: data ## execute every lesson; pages under build/lessons/index.html (LESSONS=05: that one alone)
	$(python) tools/run_lessons.py $(if $(LESSONS),--lessons $(LESSONS))

test: export SINGLE_SHOT_PROFILE = class
test: data ## unit tests, then every lesson against its stored outputs (LESSONS=05: that one alone)
	$(python) tools/run_tests.py $(if $(CONDITION),--condition $(CONDITION)) $(if $(LESSONS),--lessons $(LESSONS))

anywhere: export SINGLE_SHOT_PROFILE ?= smoke
anywhere: data ## the same as other processors, thread counts and seeds would have it; a table
	$(python) tools/run_tests.py --anywhere $(if $(LESSONS),--lessons $(LESSONS))

fuzz: setup ## spoiled files for the readers and archives, trainings killed, others at every run
	$(unit_tests) --hypothesis-profile=fuzz tests/labels/test_fuzz_readers.py \
		tests/downloads/test_archives.py tests/test_faults.py

cluster: setup ## jobs of several processes and hosts: killed, stopped, cut off (root, Open MPI)
	$(python) -m pytest -s tests/cluster/check_*.py

lab: setup ## open JupyterLab on the tour, in a working copy of the lessons: work/notebooks/
	@tools/lab

data: setup ## build the data sets under data/, unless they are there
	$(python) -m data

train: data ## train the detector of the lessons and score it on held-out images
	$(train) single --out build/trained

pretrained: data ## reproduce the checkpoints in data/pretrained/
	$(train) single --out build/pretrained/single
	$(train) multi --epochs 15 --out build/pretrained/multi
	for set in single multi; do \
		cp build/pretrained/$$set/detector.params data/pretrained/toy_ssd_$$set.params && \
		cp build/pretrained/$$set/card.json data/pretrained/toy_ssd_$$set.json && \
		cp build/pretrained/$$set/detections.png data/pretrained/toy_ssd_$$set.png || exit; \
	done

bench: data ## time to a given precision, and steps beside PyTorch (UV_TORCH_BACKEND=cpu: small build)
	test -x build/torch/bin/python || .venv/bin/uv venv --quiet --python $(python) build/torch
	.venv/bin/uv pip install --quiet --python build/torch --group bench
	$(python) benchmarks/step.py --json build/step.json
	$(python) benchmarks/time_to_ap.py --json build/time_to_ap.json
	$(python) benchmarks/lite0.py

web: setup ## build the page that detects in a browser, with what its tests need: build/web/ (npm)
	$(python) tools/web.py

book: setup ## make the book from the stored lessons: build/book/index.html; with the page of `make web`
	test -x build/book-env/bin/python || .venv/bin/uv venv --quiet --python $(python) build/book-env
	.venv/bin/uv pip install --quiet --python build/book-env --group book
	$(python) tools/book.py

oracle: setup ## read labels that other libraries (globox, tfrecord) write in eight formats
	test -x build/globox/bin/python || .venv/bin/uv venv --quiet --python $(python) build/globox
	.venv/bin/uv pip install --quiet --python build/globox --group oracle
	$(python) benchmarks/foreign_labels.py --python build/globox/bin/python

mutants: data ## seed defects one by one; show that a test or a lesson catches each
	$(python) tools/mutants.py

check: setup ## format, lint, lessons included, and types; changes nothing
	$(python) -m ruff format --check .
	$(python) -m ruff check .
	$(python) -m mypy

sync: setup ## write the library's code into the lessons that show it
	$(python) tools/sync.py

store: export SINGLE_SHOT_PROFILE = class
store: data ## execute every lesson and store it with its outputs, as `make test` compares them
	$(python) tools/store.py

matrix: ## unit tests and lessons (smoke) under every supported Python installed here
	@tools/matrix $(PYTHONS)

lock: setup ## resolve pyproject.toml into the locks and conda environments (UPGRADE=1: newest)
	PATH="$(CURDIR)/.venv/bin:$$PATH" $(python) tools/lock.py $(if $(UPGRADE),--upgrade)

clean: ## remove .venv, its downloads, built data, build/ and caches; what `fetch` brought stays
	rm -rf .venv .cache build data/single data/multi data/voc_multi data/.*.lock *.egg-info
	rm -rf .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
