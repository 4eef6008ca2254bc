# The whole companion: `make all`. `make help` explains every target.
PROFILE ?= recorded
PROFILES := $(basename $(notdir $(wildcard notebooks/profiles/*.yaml)))
SETS ?=
BUDGET ?=
export BUDGET
TRAIN ?=
ARGS ?=

.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help env all read data plan fill report verify test lint site lab clean publish bench 00 01 02 03 04 05 06 07 08

# Any Python from 3.11 on starts things off; environment.py then finds or makes the one that has the packages.
BOOT := $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
PY = "$$(cat .python-path)"

# Kernels start from this very Python and find snnlib from any folder.
export PYTHONPATH := $(CURDIR)$(if $(value PYTHONPATH),:$(value PYTHONPATH))
export JUPYTER_PREFER_ENV_PATH := 1
export JUPYTER_PLATFORM_DIRS := 1
export PYDEVD_DISABLE_FILE_VALIDATION := 1

ifeq ($(filter $(PROFILE),$(PROFILES)),)
$(error PROFILE=$(PROFILE) is unknown: use one of $(PROFILES))
endif

ifneq ($(filter-out 0 1,$(TRAIN)),)
$(error TRAIN=$(TRAIN) is unknown: TRAIN=1 trains what is not recorded; without it the profiles recorded, paper and one_cycle train nothing)
endif
ifneq ($(filter read,$(MAKECMDGOALS)),)
ifneq ($(PROFILE)$(filter 1,$(TRAIN)),recorded)
$(error make read draws what is recorded, without PyTorch, and trains nothing: leave out PROFILE and TRAIN, or use `make all`)
endif
endif
RUN = --profile $(PROFILE) $(if $(filter 1,$(TRAIN)),--train) $(ARGS)

# What a Python without PyTorch can do, as far as records go.
READS = all read 03 04 05 06 08 report
READ := $(if $(filter read,$(MAKECMDGOALS)),--make-read,$(if $(MAKECMDGOALS),$(if $(filter-out $(READS),$(MAKECMDGOALS)),,--read)))
export READ := $(if $(filter recorded,$(PROFILE)),$(if $(filter 1,$(TRAIN)),,$(READ)))
VERIFY = if $(PY) -c 'import importlib.util as u, sys; sys.exit(not u.find_spec("torch"))'; then \
	$(PY) -m snnlib.runs verify || status=$$?; else echo "verify is left out: it trains, for which it needs PyTorch"; fi;

# Drawing what is recorded asks the network for nothing.
DATA := $(if $(filter recorded,$(PROFILE)),,results/.data)

help:  ## this list
	@echo "make TARGET [PROFILE=NAME] [TRAIN=1]   profiles: $(PROFILES) (now: $(PROFILE))"
	@awk -F ':.*## ' '/^[0-9a-z ]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' Makefile

env:  ## use the active Python if it has everything, otherwise install requirements.lock into .venv
	@$(if $(BOOT),$(BOOT) snnlib/chapters/environment.py $(READ),echo "make env: Python 3.11 or newer is needed and none is on the PATH; install one (or \`conda env create -f environment.yml\` and activate it)" >&2; exit 1)

all: env $(DATA)  ## everything: chapters 00 to 06, 08 and the report; recorded: then a few runs trained again
	@trap 'exit 130' INT; status=0; $(PY) -m snnlib.chapters run all $(RUN) || status=$$?; \
	[ $$status -ge 2 ] && exit $$status; \
	$(PY) -m snnlib.chapters report --profile $(PROFILE) || exit $$?; \
	$(if $(filter recorded,$(PROFILE)),$(VERIFY)) exit $$status

read: all  ## the same without PyTorch, 0.6 GB installed instead of 7: what needs it is left out with a sentence

00 01 02 03 04 05 06 07 08: env $(DATA)  ## one chapter (trains what it lacks), e.g. make 03 PROFILE=smoke ARGS="-p seeds 3"
	@$(PY) -m snnlib.chapters run $@ $(RUN)

data: env  ## fetch the small data sets; larger ones by name, e.g. make data SETS="n_mnist cifar10_dvs"
	@$(PY) -m snnlib.datasets fetch --stamp results/.data $(SETS)

results/.data: | env
	@$(PY) -m snnlib.datasets fetch --stamp $@

plan: env  ## list the runs, which are recorded already, and the time that the others will take
	@$(PY) -m snnlib.chapters plan $(RUN)

fill: PROFILE = paper
fill: env results/.data  ## train what PROFILE (paper) lacks for a while, the most valuable first: make fill BUDGET=25m
	@$(PY) -m snnlib.chapters fill --profile $(PROFILE) $(if $(BUDGET),--budget "$$BUDGET") $(ARGS)

bench: env  ## speed beside other libraries (pip install -e ".[peers]") into results/bench, e.g. make bench ARGS="--only layer"
	@$(PY) -m snnlib.bench $(ARGS)

verify: env  ## test the kept networks and train a few recorded runs again on this machine, and compare
	@$(PY) -m snnlib.runs verify

archive: env  ## summary, NeurIPS checklist, codecheck draft, RO-Crate and Croissant (pip install -e ".[exchange]")
	@$(PY) -m snnlib.exchange archive

report: env  ## write results/PROFILE/report.html from what is there
	@$(PY) -m snnlib.chapters report --profile $(PROFILE)

test: env  ## lint, unit tests, every notebook as a test (smoke), and the checks of the committed notebooks
	@rm -rf results/smoke  # nothing old may pass for new
	@trap 'exit 130' INT; export TQDM_DISABLE=1 MPLBACKEND=Agg; failed=; \
	{ $(PY) -m ruff check . && $(PY) -m ruff format --check .; } || failed="$$failed lint,"; \
	$(PY) -c "from importlinter.cli import lint_imports_command as lint; lint()" --no-logo || failed="$$failed import rules,"; \
	$(PY) -m pytest || failed="$$failed unit tests,"; \
	$(PY) -m pytest --nbval-lax --nbval-current-env --nbval-cell-timeout=900 --durations=5 notebooks \
	  || failed="$$failed notebooks,"; \
	$(PY) -m snnlib.chapters check --artefacts smoke || failed="$$failed committed notebooks and artefacts,"; \
	[ -z "$$failed" ] || { echo "make test: failed:$${failed%,}" >&2; exit 1; }; \
	echo "make test: all parts passed"

lint: env  ## ruff over library and notebooks
	@$(PY) -m ruff check .

site: env  ## the notebooks, this README and the library as a site, into results/site/html (pip install -e ".[site]")
	@$(PY) -m snnlib.chapters site

lab: env  ## open JupyterLab on the notebooks
	@$(PY) -m jupyterlab notebooks

publish: env  ## put the outputs of the PROFILE's executed chapters into notebooks/, and the results into README.md; run the solutions
	@$(PY) -m snnlib.chapters publish --profile $(PROFILE)
	@$(PY) -m jupyter nbconvert --log-level=ERROR --to notebook --execute --inplace \
	  --ExecutePreprocessor.record_timing=False notebooks/solutions/*.ipynb

clean:  ## remove results and caches; keeps data, .venv and, unless you say yes, long runs
	@rm -rf $(addprefix results/,smoke quick bench site archive exchange .data) .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
	@for name in recorded paper one_cycle; do \
	  answer=y; if ls results/$$name/runs/*.json >/dev/null 2>&1; then answer=n; \
	    if [ -t 0 ]; then printf "Remove results/$$name too (long runs)? [y/N] "; read -r answer; fi; fi; \
	  case "$$answer" in [yY]*) rm -rf results/$$name;; *) echo "kept results/$$name";; esac; \
	done
	@echo "data/ and .venv/ are kept: remove them by hand if you mean to"
