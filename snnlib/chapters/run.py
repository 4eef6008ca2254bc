"""Run chapters in turn, or say what they would train.

Parameters are checked before anything starts, and missing runs are trained here with one progress bar.
"""

import contextlib
import os
import resource
import sys
import time
import traceback
from pathlib import Path

import joblib
import torch

from snnlib import files, paths, reading
from snnlib.chapters import parameters, planned
from snnlib.chapters.execute import ChapterFailed
from snnlib.chapters.execute import execute as execute_notebook
from snnlib.results import artefacts, ledger
from snnlib.runs import execute, gpus, store
from snnlib.runs import plan as estimate
from snnlib.runs.config import Run

OPEN_FILES = 128
"""A kernel and its channels take a few dozen."""


def run(
    chapters, profile: str, overrides: dict[str, str], workers: int, folder: Path = parameters.NOTEBOOKS
) -> int:
    """Train what is missing and execute the chapters in turn; returns the number of chapters that failed."""
    plans = _with_generation(_resolve(chapters, profile, overrides, folder), profile, folder)
    if os.pathsep in str(paths.ROOT):
        raise ValueError(f"Notebooks find snnlib by a search path, which {paths.ROOT} would split; move it.")
    few = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if 0 <= few < OPEN_FILES:
        raise ValueError(f"Only {few} files may be open at once here, too few: `ulimit -n 1024` first.")
    with files.told(paths.results(profile)):
        paths.results(profile).mkdir(parents=True, exist_ok=True)
    failures = 0
    for position, (chapter, (injected, complete)) in enumerate(plans.items(), start=1):
        started = time.monotonic()
        print(f"[{position}/{len(plans)}] {chapter}: {ledger.CHAPTERS[chapter]}", flush=True)
        output, drawing = paths.results(profile) / "notebooks" / f"{chapter}.ipynb", False
        try:
            runs = planned.evaluate(folder / f"{chapter}.ipynb", complete)
            many = workers or complete.get("workers", 0)
            records = execute.run(runs, profile, many, complete["train"]) if runs else []
            _remove_artefacts(chapter, profile)  # what an earlier run left must not pass for this one's
            drawing = True
            if runs and not records:
                _leave_out(chapter, profile, output)
                continue
            execute_notebook(folder / f"{chapter}.ipynb", output, injected)
            print(f"      {time.monotonic() - started:.0f} s, {paths.short(output)}", flush=True)
            if reading.WITHOUT_TORCH:
                names = _leave_out_undrawn(chapter, profile, "it needs PyTorch, which is not installed here")
                if names:
                    named = ", ".join(map(ledger.title, names))
                    print(f"      left out, for want of PyTorch: {named}", flush=True)
        except Exception as error:  # the other chapters do not depend on this one
            failures += 1
            print(f"      {_sentence(error)}{_place(error)}", file=sys.stderr, flush=True)
            with contextlib.suppress(OSError):  # a full disk, say, which the sentence above has named
                if not drawing:
                    _remove_artefacts(chapter, profile)
                    output.unlink(missing_ok=True)
                _leave_out_undrawn(chapter, profile, "the chapter failed")
    return failures


def needed(chapters, profile: str, overrides: dict[str, str]) -> list[Run]:
    """The distinct runs of chapters; those of one whose neurons are not generated yet are left out."""
    plans = _resolve(chapters, profile, overrides, parameters.NOTEBOOKS)
    return [r for runs, _ in _by_chapter(plans) for r in runs]


def _by_chapter(plans):
    """(runs that no chapter before needs, parameters) of each chapter that has runs of its own."""
    seen = set()
    for chapter, (_, complete) in plans.items():
        try:
            runs = planned.evaluate(parameters.NOTEBOOKS / f"{chapter}.ipynb", complete)
        except FileNotFoundError as error:  # its neurons are another chapter's result
            print(f"{chapter}: not known yet. {error}\n")
            continue
        runs = [run for run in runs if run not in seen]
        seen.update(runs)
        if runs:
            yield runs, complete | {"chapter": chapter}
        else:
            print(f"{chapter}: no runs of its own\n")


def plan(chapters, profile: str, overrides: dict[str, str], workers: int = 0, gpu: str = "") -> list[Run]:
    """Print for each chapter its runs, which are recorded on which data, and an estimate for the rest, also
    on a named ``gpu``; train nothing. Returns the runs without a record on the data at hand.
    """
    workers = workers or joblib.cpu_count()
    missing, at_hand = [], {}
    total, trains = 0.0, False
    for runs, complete in _by_chapter(_resolve(chapters, profile, overrides, parameters.NOTEBOOKS)):
        trains = trains or complete.get("train", False)
        at_hand |= {run.task: run.data.split(":")[0] for run in runs}
        table = estimate.plan(runs, profile, complete["train"])
        missing += [run for run in runs if store.read(run, profile, other_data=False) is None]
        seconds = table["seconds"].sum() / workers  # a recorded run has 0 s left
        total += seconds
        rest = f"about {estimate.duration(seconds)} for the rest" if seconds else "nothing to train"
        print(f"{complete['chapter']}: {len(table)} runs, {table['recorded'].sum()} recorded, {rest}")
        print(estimate.by_setting(table).to_string(index=False) + "\n")
    if at_hand and not trains:
        print(f"profile {profile} trains nothing: it draws what is recorded. With TRAIN=1:")
    in_all = estimate.duration(total)
    print(f"profile {profile}: about {in_all} of training in all, on the CPU, {workers} at a time")
    print(f"  The estimate rests on {estimate.speed(profile)[1]}.")
    here = [torch.cuda.get_device_name()] if torch.cuda.is_available() else []
    names = [gpu] if gpu else here or estimate.gpus(profile)
    for said in [_on(name, missing, profile) for name in names] or ["On a GPU: not measured."]:
        print(f"  {said}")
    if here:
        print("  There is a GPU, and the runs will use it.")
    if at_hand and not trains:
        print(f"  Only `make all PROFILE={profile} TRAIN=1` trains what is missing, on the data at hand.")
    others = ", ".join(f"{task} ({kind})" for task, kind in sorted(at_hand.items()) if kind != "official")
    if others:
        print(f"  Not the official data here: {others}. `make data` and data/README.md help.")
    return missing


def _on(gpu, missing, profile):
    """What is known of the time that runs take on a GPU."""
    rate, basis = estimate.speed(profile, gpu)
    known = [run for run in missing if rate(run)]
    rest = [run for run in missing if not rate(run)]
    modelled = rest and gpus.sheet(gpu)
    if not known and not modelled:
        return f"On {gpu}: not known, no run was measured there. Estimates: --gpu {' | '.join(gpus.SHEETS)}."
    said = []
    if known:
        seconds = sum(estimate.left(known, profile, gpu))
        said.append(f"about {estimate.duration(seconds)}, by {basis}")
    if modelled:
        seconds = estimate.duration(gpus.left(rest, profile, gpu))
        said.append(f"about {seconds} for {len(rest)} runs, one at a time: estimated, never measured")
    elif rest:
        said.append(f"without {len(rest)} runs of a paper that was not measured there")
    return f"On {gpu}: {'; '.join(said)}."


def _with_generation(plans, profile, folder):
    """The plans, chapter 02 first if another one uses the neurons that it generates and has not made yet."""
    source = "02_mdn_generation"
    wanted = any(complete.get("neuron_source") == "generated" for _, complete in plans.values())
    made = (paths.results(profile) / "tables" / "mdn_table2.csv").exists()
    if not wanted or made or source in plans:
        return plans
    print(f"{source} comes first: the neurons are generated there")
    return {source: parameters.resolve(source, profile, {}, folder)} | plans


def _resolve(chapters, profile, overrides, folder):
    """{chapter: (injected, complete)}; all is checked here, before anything starts."""
    known = {chapter: parameters.read(folder / f"{chapter}.ipynb") for chapter in chapters}
    everything = {name: parameter for names in known.values() for name, parameter in names.items()}
    for name in overrides:  # -p goes to the chapters that have the parameter, and one of them must
        value = parameters.from_text(overrides[name], everything.get(name))
        parameters.check({name: value}, everything, "-p")
    plans = {}
    for chapter, names in known.items():
        own = {
            name: parameters.from_text(text, names[name]) for name, text in overrides.items() if name in names
        }
        plans[chapter] = parameters.resolve(chapter, profile, own, folder)
    return plans


def _remove_artefacts(chapter, profile):
    for stem in ledger.stems(chapter):
        for path in paths.results(profile).glob(f"*/{stem}.*"):
            path.unlink()


def _leave_out(chapter, profile, output):
    """A chapter of which no run is recorded is not drawn; the report says why."""
    output.unlink(missing_ok=True)  # an older copy must not pass for the result of this run
    for stem in ledger.stems(chapter):
        artefacts.leave_out(stem, profile, f"no run of chapter {chapter[:2]} is recorded", say=False)
    print("      not drawn: none of its runs is recorded", flush=True)


def _leave_out_undrawn(chapter, profile, reason):
    """Tell the report why a chapter did not make what it lacks; returns the stems."""
    names = [stem for stem in ledger.stems(chapter) if not any(paths.results(profile).glob(f"*/{stem}.*"))]
    for stem in names:
        artefacts.leave_out(stem, profile, reason, say=False)
    return names


def _sentence(error):
    """What to tell of an error: our own sentences as they are, a library's with its type."""
    known = isinstance(error, ChapterFailed | ValueError | OSError)
    return str(error) if known else f"{type(error).__name__}: {(str(error).splitlines() or [''])[-1]}"


def _place(error):
    """Where in the library an error of the training came from; a chapter names its cell itself."""
    if isinstance(error, ChapterFailed):
        return ""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"\n  (raised in {paths.short(Path(last.filename))}, line {last.lineno})"
