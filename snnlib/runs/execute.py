"""Many runs: the records that there are, and the missing ones trained side by side.

Over processes with joblib (any backend of processes, a cluster by name too: ``with
joblib.parallel_config(backend=...)``), one CPU thread each, so that the numbers do not depend on how many run
side by side. Finished runs are never repeated; one that was cut off goes on after its last whole epoch.
"""

import contextlib
import functools
import multiprocessing
import os
import threading
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

import joblib
import torch

from snnlib import files
from snnlib.runs import jobs, plan, store
from snnlib.runs.config import Run
from snnlib.runs.progress import follow


def run(
    grid: Sequence[Run], profile: str, workers: int = 0, train: bool = True, progress: bool = True
) -> list[dict]:
    """Records of the runs in ``grid``, in their order, from ``results/<profile>/runs`` and
    ``data/reference_runs``.

    Missing ones are trained by ``workers`` processes (0: one per CPU core; one process in all on a GPU).
    Without ``train`` they are left out, and one printed sentence says how many and how to train them;
    reference runs on other data than those at hand count then, if they are the same in everything else.
    """
    store.tidy(profile)
    missing = {r.hash: r for r in grid if store.read(r, profile, other_data=not train) is None}
    if missing and not train:
        print(
            f"{len(missing)} of {len(set(grid))} runs are not recorded for profile {profile!r} and left out: "
            f"`make plan PROFILE={profile}` lists them, `make all PROFILE={profile} TRAIN=1` trains them."
        )
    elif missing:
        _train(list(missing.values()), profile, workers, progress)
        missing = {}
    return [store.read(r, profile, other_data=not train) for r in grid if r.hash not in missing]


def _train(missing: list[Run], profile: str, workers: int, progress: bool) -> None:
    folder = store.folder(profile)
    wait = (
        f"Another command trains for profile {profile!r}; waiting for it, what it finishes is not repeated."
    )
    with files.alone(folder, wait):
        todo = [r for r in missing if store.read(r, profile, other_data=False) is None]
        todo.sort(key=lambda r: (-plan.seconds(r), r.title))
        if not todo:
            return
        workers = _possible(min(processes(workers), len(todo)))
        with follow(todo, folder, [plan.seconds(r) for r in todo]) if progress else contextlib.nullcontext():
            if torch.cuda.is_available():
                for column in jobs.columns(todo):
                    jobs.train_together(column, folder)
            elif workers == 1:
                for r in todo:
                    jobs.train_one(r, folder)
            else:
                work = (joblib.delayed(_train_there)(r, folder, os.getpid()) for r in todo)
                with warnings.catch_warnings():
                    # joblib renews a process whose memory has grown; here it grows by the data sets it keeps.
                    warnings.filterwarnings("ignore", message="A worker stopped while some jobs")
                    joblib.Parallel(n_jobs=workers, batch_size=1)(work)


def _train_there(r: Run, folder: Path, parent: int) -> None:
    """``jobs.train_one`` in a process of joblib's, which ends with the one that started it."""
    if multiprocessing.current_process().name.startswith("LokyProcess"):  # and not on a cluster
        _end_with(parent)
    jobs.train_one(r, folder)


@functools.cache
def _end_with(parent: int) -> None:
    """End this process, within a second, when ``parent`` is gone; a killed one cannot tell its workers."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _possible(workers: int) -> int:
    """1 instead of ``workers`` where the system has no room for the locks that processes share."""
    try:
        return workers if workers == 1 or multiprocessing.Semaphore() else 1
    except (OSError, ImportError) as error:
        print(f"One run at a time: no shared memory for more processes here (/dev/shm: {error}).")
        return 1


def processes(workers: int) -> int:
    """How many runs go side by side: as many as asked for, one per CPU core for 0, one on a GPU."""
    return 1 if torch.cuda.is_available() else workers or joblib.cpu_count()
