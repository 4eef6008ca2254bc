"""Reference runs: `python -m snnlib.runs collect results/recorded/runs` adds the finished runs of a folder,
`example` trains and adds the small one that a test repeats, `list` says what there is, `verify` trains a few
again and compares, `seal` renews SHA256SUMS after a change that was meant. `fill` and `work` train what a
profile lacks: of the papers' main tables, or of the runs in a file that `python -m snnlib.chapters plan --to`
wrote. They need no notebook and none of the packages that the chapters need.
"""

import argparse
import contextlib
import json
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from snnlib import datasets, files, paths
from snnlib.runs import check, claims, grids, jobs, store, work
from snnlib.runs.config import Run, code_of, from_config
from snnlib.runs.fill import fill, seconds_of
from snnlib.runs.pictures import keep_samples
from snnlib.runs.verify import verify


def collect(places: list[Path], repeats: bool = False) -> None:
    """Add the finished runs of folders (results/<profile>/runs), or of archives that `fill` left, that were
    made by the present code.
    """
    with contextlib.ExitStack() as unpacked:
        found, older = [], 0
        for folder in [unpacked.enter_context(_folder(place)) for place in places]:
            for path in store.finished(folder):
                record = check.accepted(path.read_bytes(), path.name)
                config = record["config"]
                present = code_of(config["paper"], config["task"], **dict(config["task_options"]))
                current = config["code"] == present
                older += not current
                found += [(record, path.with_suffix(".pt"))] if current else []
        added = store.add(found, repeats=repeats)
    print(f"{added} records added, {len(found) - added} were there already, {older} of older code left out")


@contextlib.contextmanager
def _folder(place: Path) -> Iterator[Path]:
    """The folder, or a temporary one with what an archive holds."""
    if place.is_dir():
        yield place
        return
    if not place.exists():
        raise FileNotFoundError(
            f"There is no folder or archive {place}; give one like results/recorded/runs."
        )
    with tempfile.TemporaryDirectory() as folder:
        try:
            with tarfile.open(place) as packed:
                packed.extractall(folder, filter="data")
        except (tarfile.TarError, EOFError, OSError) as error:
            raise ValueError(f"{place} is no whole archive ({error}); copy it again.") from None
        yield Path(folder)


def listed(path: Path | None) -> list[Run]:
    """The runs in a file of configs, one JSON line each; without a file those of the papers' main tables."""
    if path is None:
        return grids.papers()
    runs = []
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            runs.append(_present(json.loads(line)))
    except OSError as error:
        raise ValueError(f"The list of runs {path} cannot be read ({error.strerror}).") from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        where = f"line {len(runs) + 1}: {error}"
        raise ValueError(
            f"{path} is no list of runs ({where}); `python -m snnlib.chapters plan --to` writes one."
        ) from None
    return runs


def _present(config: dict) -> Run:
    """The run of a config; ValueError where the present code would train another one under its hash."""
    r = from_config(config)
    if differ := sorted(config.keys() ^ r.config.keys()):
        raise ValueError(f"{', '.join(differ)} is missing, or empty where it should be left out")
    options = dict(r.task_options)
    steps, code = datasets.view(r.task, r.paper, **options)["time_steps"], code_of(r.paper, r.task, **options)
    if (r.time_steps, r.code) != (steps, code):
        raise ValueError(
            f"it has time_steps {r.time_steps} and code {r.code}, and here the task has {steps} and {code}"
        )
    return r


def example() -> None:
    """Train and add the cheapest record of all: three epochs on the handwritten digits of scikit-learn."""
    run = grids.mdn_run("mnist", "2-FS", 0, epochs=3, hidden=100, source="stand-in")
    with tempfile.TemporaryDirectory() as folder:
        record = jobs.train_one(run, Path(folder))
        store.add([(record, Path(folder) / "none")], replace=True)
        print(f"made anew: {run.title}")


def overview() -> None:
    """Print what there is: records by task, data and code, and the size of it all."""
    counted = Counter(
        (record["paper"], record["task"], record["dataset"], record["source"], record["config"]["code"])
        for record in store.records().values()
    )
    for (paper, task, dataset, source, code), number in sorted(counted.items()):
        print(f"{number:4d}  {paper}  {task:15s} {dataset} ({source}), code {code}")
    size = sum(path.stat().st_size for path in paths.REFERENCE_RUNS.rglob("*") if path.is_file())
    print(f"{len(store.records()):4d}  records in all, {size / 1e6:.1f} MB")


def main(arguments=None) -> int:
    """Exit status: 0, 1 if a run trained again is another one, 2 after one sentence on wrong input."""
    parser = argparse.ArgumentParser(prog="python -m snnlib.runs", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("collect", help="add the finished runs of folders or archives")
    command.add_argument("places", nargs="+", type=Path, metavar="results/PROFILE/runs or fill.tar.gz")
    repeats = "keep networks of runs that came out otherwise here, as repeats"
    command.add_argument("--repeats", action="store_true", help=repeats)
    commands.add_parser("example", help="train and add the small record that a test trains again")
    commands.add_parser("samples", help="keep the test samples that pictures show, of the official data")
    words = "renew SHA256SUMS, after a change of these files that was meant: nothing is checked or signed"
    commands.add_parser("seal", help=words)
    commands.add_parser("list", help="say what there is")
    commands.add_parser("verify", help="train a few recorded runs again, two minutes at most, and compare")
    filling = commands.add_parser("fill", help="train what a profile lacks, within a budget")
    shard = commands.add_parser("work", help="train a share of what a profile lacks, beside others who do")
    shard.add_argument("--shard", required=True, metavar="I/N", help="this is number I of N, say 3/8")
    for command in (filling, shard):
        command.add_argument("file", nargs="?", type=Path, help="the runs; without it, the papers' tables")
        command.add_argument("--profile", default="paper")
    filling.add_argument("--budget", default="", help="how long, such as 25m or 2h; else until all is done")
    work.add_options(filling)
    options = parser.parse_args(arguments)
    try:
        if options.command == "work":
            claims.train_shard(listed(options.file), options.profile, options.shard)
            return 0
        if options.command == "fill":
            seconds_of(options.budget)  # refuses nonsense before the runs are planned
            if options.workers < 0:
                raise ValueError(f"--workers is {options.workers}; it must be 0 (one per core) or more.")
            with work.backend(options.backend, options.scheduler):
                fill(listed(options.file), options.profile, options.budget, options.workers)
            return 0
        if options.command == "verify":
            return min(1, verify())
        with files.alone(paths.REFERENCE_RUNS, "Another command changes the reference runs; waiting."):
            if options.command == "collect":
                collect(options.places, options.repeats)
            elif options.command == "example":
                example()
            elif options.command == "samples":
                keep_samples()
            elif options.command == "seal":
                store.seal()
        overview()
        return 0
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
