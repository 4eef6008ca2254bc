"""Run the chapters: `python -m snnlib.chapters run 01 03 --profile quick -p seeds 3`, plan, publish, check.

A thin wrapper around papermill: parameters are checked before anything starts, missing runs are trained here
with one progress bar, the executed copy appears under results/<profile>/notebooks/ whole or not at all.
"""

import argparse
import contextlib
import os
import sys
import time
import traceback
from pathlib import Path

from snnlib import ledger, parameters, paths

# For the kernels: start from this Python, find snnlib from any folder, draw no second progress bar.
KERNEL_ENVIRONMENT = {
    "JUPYTER_PREFER_ENV_PATH": "1",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    "TQDM_DISABLE": "1",
}


class ChapterFailed(RuntimeError):
    """A cell of a chapter raised; the message holds the cell and the last lines of the error."""


@contextlib.contextmanager
def kernel_environment():
    """Environment variables for a kernel, set while one is started and then put back."""
    before = dict(os.environ)
    os.environ.update(KERNEL_ENVIRONMENT)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(paths.ROOT), before.get("PYTHONPATH")]))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def execute(notebook: Path, output: Path, injected: dict) -> None:
    """Execute `notebook` with `injected` parameters into `output`, which is replaced only by a complete copy.

    Raises ChapterFailed when a cell does; what there is then is kept as <stem>.failed.ipynb beside `output`.
    """
    import papermill
    from papermill.exceptions import PapermillExecutionError

    output.parent.mkdir(parents=True, exist_ok=True)
    output.unlink(missing_ok=True)  # an older copy must not pass for the result of this run
    temporary = output.with_name(f".{output.stem}.{os.getpid()}.ipynb")
    failed = output.with_name(f"{output.stem}.failed.ipynb")
    try:
        with kernel_environment():
            papermill.execute_notebook(
                notebook,
                temporary,
                injected,
                kernel_name="python3",
                cwd=notebook.parent,
                progress_bar=sys.stderr.isatty(),
                log_output=False,
                # no advice about encryption of loopback traffic
                extra_arguments=["--IPKernelApp.log_level=40"],
            )
        os.replace(temporary, output)
        failed.unlink(missing_ok=True)
    except PapermillExecutionError as error:
        os.replace(temporary, failed)
        lines = "\n    ".join(str(error.evalue).splitlines()[-6:])
        raise ChapterFailed(
            f"{notebook.stem} stopped in cell {error.cell_index}: {error.ename}: {lines}\n"
            f"  everything up to there is in {_short(failed)}"
        ) from None
    finally:
        temporary.unlink(missing_ok=True)


def runs_of(chapter: str, complete: dict) -> list:
    """The training runs that a chapter needs with these parameters."""
    from snnlib import chapter_runs

    return list(chapter_runs.for_chapter(chapter, complete))


def run(
    chapters, profile: str, overrides: dict[str, str], workers: int, folder: Path = parameters.NOTEBOOKS
) -> int:
    """Train what is missing and execute the chapters in turn; returns the number of chapters that failed."""
    plans = _with_generation(_resolve(chapters, profile, overrides, folder), profile, folder)
    failures = 0
    for position, (chapter, (injected, complete)) in enumerate(plans.items(), start=1):
        started = time.monotonic()
        print(f"[{position}/{len(plans)}] {chapter}: {ledger.CHAPTERS[chapter]}", flush=True)
        try:
            needed, records = runs_of(chapter, complete), []
            if needed:
                from snnlib import experiments

                records = experiments.run(needed, profile, workers or complete.get("workers", 0))
            _remove_artefacts(chapter, profile)  # what an earlier run left must not pass for this one's
            output = paths.results(profile) / "notebooks" / f"{chapter}.ipynb"
            if needed and not records:
                _leave_out(chapter, profile, output)
                continue
            execute(folder / f"{chapter}.ipynb", output, injected)
            print(f"      {time.monotonic() - started:.0f} s, {_short(output)}", flush=True)
        except Exception as error:  # the other chapters do not depend on this one
            failures += 1
            print(f"      {_sentence(error)}{_place(error)}", file=sys.stderr, flush=True)
    return failures


def plan(
    chapters, profile: str, overrides: dict[str, str], workers: int = 0, folder: Path = parameters.NOTEBOOKS
) -> None:
    """Print for each chapter its runs, which are recorded on which data, and an estimate for the rest; train
    nothing.
    """
    import torch

    from snnlib import experiments, planning

    workers = experiments.processes(workers)
    plans, total, seen, at_hand = _resolve(chapters, profile, overrides, folder), 0.0, set(), {}
    for chapter, (_, complete) in plans.items():
        try:
            needed = [run for run in runs_of(chapter, complete) if run not in seen]  # chapters share runs
        except FileNotFoundError as error:  # its neurons are another chapter's result
            print(f"{chapter}: not known yet. {error}\n")
            continue
        seen.update(needed)
        at_hand |= {run.task: run.data.split(":")[0] for run in needed}
        if not needed:
            print(f"{chapter}: no runs of its own\n")
            continue
        table = planning.plan(needed, profile)
        seconds = table["seconds"].sum() / workers  # a recorded run has 0 s left
        total += seconds
        rest = f"about {_duration(seconds)} for the rest" if seconds else "nothing to train"
        print(f"{chapter}: {len(table)} runs, {table['recorded'].sum()} recorded, {rest}")
        print(planning.by_setting(table).to_string(index=False) + "\n")
    print(f"profile {profile}: about {_duration(total)} of training in all, on the CPU, {workers} at a time")
    print(f"  The estimate rests on {planning.speed(profile)[1]}. On a GPU: not measured.")
    if torch.cuda.is_available():
        print("  There is a GPU, and the runs will use it: expect another time than the CPU's.")
    if not experiments.trains(profile):
        print(f"  Only `make all PROFILE={profile} TRAIN=1` trains what is missing, on the data at hand.")
    others = ", ".join(f"{task} ({kind})" for task, kind in sorted(at_hand.items()) if kind != "official")
    if others:
        print(f"  Not the official data here: {others}. `make data` and data/README.md help.")


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
    for kind, stems in (("figures", ledger.FIGURES[chapter]), ("tables", ledger.TABLES[chapter])):
        for stem in stems:
            for folder in (kind, "missing"):
                for path in (paths.results(profile) / folder).glob(f"{stem}.*"):
                    path.unlink()


def _leave_out(chapter, profile, output):
    """A chapter of which no run is recorded is not drawn; the report says why."""
    from snnlib import artefacts

    output.unlink(missing_ok=True)  # an older copy must not pass for the result of this run
    for stem in (*ledger.FIGURES[chapter], *ledger.TABLES[chapter]):
        artefacts.leave_out(stem, profile, f"no run of chapter {chapter[:2]} is recorded", say=False)
    print("      not drawn: none of its runs is recorded", flush=True)


def _sentence(error):
    """What to tell of an error: our own sentences as they are, a library's with its type."""
    if type(error).__name__ == "TerminatedWorkerError":
        return (
            "A training process was killed, often for lack of memory; the same command goes on where it was, "
            "with less memory under `--workers 1`."
        )
    known = isinstance(error, ChapterFailed | ValueError | OSError)
    return str(error) if known else f"{type(error).__name__}: {(str(error).splitlines() or [''])[-1]}"


def _place(error):
    """Where in the library an error of the training came from; a chapter names its cell itself."""
    if isinstance(error, ChapterFailed):
        return ""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"\n  (raised in {_short(Path(last.filename))}, line {last.lineno})"


def _duration(seconds):
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:,.0f} days"


def _short(path):
    return path.relative_to(paths.ROOT) if path.is_relative_to(paths.ROOT) else path


def _arguments(arguments):
    parser = argparse.ArgumentParser(prog="python -m snnlib.chapters", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (("run", "execute chapters"), ("plan", "list the runs of chapters")):
        command = commands.add_parser(name, help=text)
        command.add_argument("chapters", nargs="*", default=["all"], help="01 ... 07, or all (01 to 06)")
        command.add_argument("--profile", default="quick")
        command.add_argument("--workers", type=int, default=0, help="training processes; 0: one per core")
        command.add_argument(
            "--train", action="store_true", help="in the paper profile too, train what is not recorded"
        )
        command.add_argument(
            "-p",
            dest="overrides",
            nargs=2,
            action="append",
            default=[],
            metavar=("NAME", "VALUE"),
            help="set a parameter in the chapters that have it",
        )
    command = commands.add_parser("publish", help="put the outputs of executed chapters into notebooks/")
    command.add_argument("--profile", default="paper")
    command = commands.add_parser("check", help="check the committed notebooks")
    command.add_argument(
        "--artefacts", metavar="PROFILE", help="also ask for every artefact under results/PROFILE"
    )
    return parser.parse_args(arguments)


def main(arguments=None) -> int:
    """Exit status: 0, 1 after an error in a chapter or a check, 2 for wrong input, 130 after Ctrl-C."""
    options = _arguments(arguments)
    try:
        if options.command in ("publish", "check"):
            from snnlib import publishing

            if options.command == "publish":
                from snnlib import readme

                status = publishing.publish(options.profile)
                if status == 0:
                    readme.write(options.profile)
                return status
            return publishing.check(options.artefacts)
        every = [chapter for chapter in ledger.CHAPTERS if chapter not in ledger.BY_ITSELF]
        names = every if "all" in options.chapters else options.chapters
        chapters = sorted({ledger.find(name) for name in names})
        overrides = dict(options.overrides)
        if options.train:
            os.environ["SNN_TRAIN"] = "1"  # for experiments.trains, here and in the kernels
        if options.workers < 0:
            raise ValueError(f"--workers is {options.workers}; it must be 0 (one per core) or more.")
        if not paths.DATA.exists():
            print(f"The data root {paths.DATA} does not exist: packages and stand-ins are used.")
        if options.command == "plan":
            plan(chapters, options.profile, overrides, options.workers)
            return 0
        return min(1, run(chapters, options.profile, overrides, options.workers))
    except (ValueError, FileNotFoundError) as error:
        print(f"{error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nInterrupted: the same command goes on from the last finished epoch.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
