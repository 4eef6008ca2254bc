"""Commands on many machines that see one folder share out its runs by claims, each a file that only one can
make: for the arrays of a batch system such as SLURM.
"""

import contextlib
import os
import platform
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from snnlib import files
from snnlib.runs import jobs, progress, store, work
from snnlib.runs.config import Run

STALE = 600.0
"""Seconds without a sign of life after which a claim counts for nothing (clocks may differ by less)."""


def train_shard(runs: Sequence[Run], profile: str, shard: str) -> None:
    """Train the missing ``runs`` of a profile in this process: of ``"3/8"`` its own eighth first, then what
    nobody else has begun. ValueError names at the end those that failed.
    """
    told = re.fullmatch(r"(\d+)/([1-9]\d*)", shard)
    if not told:
        raise ValueError(f"--shard {shard} is none: give its number and how many there are, such as 3/8.")
    number, count = map(int, told.groups())
    runs, folder = sorted(dict.fromkeys(runs), key=lambda r: r.hash), store.folder(profile)
    if no := work.without_tf32(runs):
        print(f"{len(no)} of {len(runs)} runs are in TF32 and left out: {jobs.NEEDS_TF32}", flush=True)
        runs = [r for r in runs if r not in no]
    units = [[r] for r in runs] if work.device() == "CPU" else jobs.columns(runs)  # alike in all shards
    own = units[number % count :: count]
    problems, trained = [], 0
    for unit in own + [unit for unit in units if unit not in own]:
        missing = tuple(r for r in unit if store.read(r, profile, other_data=False) is None)
        with claimed(folder / f"{unit[0].hash}.claim") if missing else contextlib.nullcontext() as mine:
            if mine:
                problem = work.train(missing, folder)[1]
                problems += [problem] if problem else []
                trained += 0 if problem else len(missing)
                print(problem or f"{missing[0].title}: done", flush=True)
    print(f"shard {shard}: {trained} runs trained")
    if problems:
        raise ValueError(f"{len(problems)} trainings failed: " + " ".join(sorted(problems)))


@contextlib.contextmanager
def claimed(path: Path) -> Iterator[bool]:
    """Whether what ``path`` stands for is this process's alone in the block. A claim ends with its process:
    at once on this machine, elsewhere STALE seconds after its last sign of life.
    """
    # Two that see a dead claim at once may both train: the same numbers, in files written in one step.
    if _dead(path):
        path.unlink(missing_ok=True)
    with files.told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("x") as file:
                file.write(f"{platform.node()} {os.getpid()}")
        except FileExistsError:
            yield False
            return

    def live() -> None:
        with contextlib.suppress(OSError):
            os.utime(path)

    try:
        with progress.every(STALE / 20, live):
            yield True
    finally:
        path.unlink(missing_ok=True)


def _dead(path: Path) -> bool:
    try:
        host, _, process = path.read_text().partition(" ")
        if time.time() - path.stat().st_mtime > STALE:
            return True
        if host != platform.node():
            return False
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError):  # no claim, one that is being written, or another user's process
        return False
    return False
