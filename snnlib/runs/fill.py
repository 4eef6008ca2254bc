"""What a profile lacks, trained within a time budget, the most valuable first; it can be cut and goes on."""

import contextlib
import math
import re
import tarfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from snnlib import files, paths
from snnlib.runs import execute, jobs, plan, progress, store, work
from snnlib.runs.config import Run

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds_of(budget: str) -> float:
    """Seconds of "25m", "90s", "1.5h" or "2d"; "" is without end."""
    told = re.fullmatch(r"(\d+\.?\d*)([smhd])", budget)
    if budget and not told:
        raise ValueError(f"A budget of {budget!r} is none: give a number and s, m, h or d, such as 25m.")
    return float(told[1]) * UNITS[told[2]] if told else math.inf


def fill(runs: Sequence[Run], profile: str, budget: str = "", workers: int = 0) -> None:
    """Train what ``profile`` lacks of the ``runs`` for as long as the ``budget`` says, and put the records
    and the weights of seed 0 into results/<profile>/fill.tar.gz, after Ctrl-C too.

    One seed of every setting comes before any second seed, the cheap before the dear. Nothing is begun whose
    estimate does not fit, and what would end too late stops after an epoch; the next call goes on there.
    """
    until = time.time() + seconds_of(budget)
    runs = list(dict.fromkeys(runs))
    missing = [r for r in runs if store.read(r, profile, other_data=False) is None]
    print(f"fill: {len(missing)} of {len(runs)} runs are missing for profile {profile}", flush=True)
    if no := work.without_tf32(missing):
        print(f"fill: {len(no)} of these are in TF32 and left out: {jobs.NEEDS_TF32}", flush=True)
        missing = [r for r in missing if r not in no]
    if missing and work.device() == "CPU":
        cheapest = min(plan.left(missing, profile))
        if time.time() + cheapest > until:
            raise ValueError(f"None fits into {budget}: the cheapest needs about {plan.duration(cheapest)}.")
    try:
        with _told_by_the_minute(missing, profile, until):
            order = worth(runs, missing, profile)
            execute.train_missing(missing, profile, workers, progress=False, order=order, until=until)
    finally:
        archive(runs, profile)


def worth(runs: Sequence[Run], missing: Sequence[Run], profile: str) -> Callable[[work.Unit], object]:
    """What to sort units of runs by: how many seeds of their setting there are then, and their cost."""
    lacking = set(missing)
    seeds = Counter(replace(r, seed=0) for r in runs if r not in lacking)
    cost, rank = dict(zip(missing, plan.left(missing, profile), strict=True)), {}
    for r in sorted(missing, key=lambda r: r.seed):
        rank[r] = seeds[replace(r, seed=0)]
        seeds[replace(r, seed=0)] += 1
    return lambda unit: (min(map(rank.get, unit)), sum(map(cost.get, unit)), unit[0].title)


@contextlib.contextmanager
def _told_by_the_minute(runs: Sequence[Run], profile: str, until: float) -> Iterator[None]:
    """A printed line every minute in this block, and one at its end."""
    folder, began = store.folder(profile), time.time()

    def tell() -> None:
        done = sum((folder / f"{r.hash}.json").exists() for r in runs)
        begun = sum(store.epochs_seen(r, folder) > 0 for r in runs)
        left = f", {max(0, until - time.time()) / 60:.0f} min left" if until < math.inf else ""
        gone = (time.time() - began) / 60
        print(f"  {gone:.0f} min: {done} of {len(runs)} runs done, {begun} begun{left}", flush=True)

    with progress.every(60, tell):
        yield


def archive(runs: Sequence[Run], profile: str) -> Path:
    """One file with what was trained here of the ``runs``, for `python -m snnlib.runs collect`."""
    folder, path = store.folder(profile), paths.results(profile) / "fill.tar.gz"
    done = [r for r in runs if (folder / f"{r.hash}.json").exists()]

    def write(temporary: Path) -> None:
        with tarfile.open(temporary, "w:gz") as packed:
            for name in (f"{r.hash}{kind}" for r in done for kind in (".json", ".pt")):
                if (folder / name).exists():
                    packed.add(folder / name, name)

    files.write_atomically(path, write)
    print(f"fill: {len(done)} records in {paths.short(path)}, {path.stat().st_size / 1e6:.1f} MB", flush=True)
    return path
