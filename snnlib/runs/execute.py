"""Many runs: the records that there are, and the missing ones trained side by side.

Over processes, one CPU thread each, so that the numbers do not depend on how many run side by side; on a
cluster with ``work.backend``, or ``joblib.parallel_config(backend="dask")``. Finished runs are never
repeated; one that was cut off goes on after its last whole epoch.
"""

import contextlib
import math
import multiprocessing
from collections.abc import Callable, Iterable, Sequence

import joblib
import torch

from snnlib import files
from snnlib.runs import gpus, jobs, plan, store, work
from snnlib.runs.config import Run
from snnlib.runs.progress import follow

WITHOUT_MPS = (
    f"NVIDIA's MPS is not running, so at most {jobs.ALONE} processes share a GPU: "
    f"`nvidia-cuda-mps-control -d` beforehand lets up to {jobs.WITH_MPS} (on an H100 that gave five times as "
    "many steps a second of nets with 8 maps), `echo quit | nvidia-cuda-mps-control` ends it."
)


def run(
    grid: Sequence[Run], profile: str, workers: int = 0, train: bool = True, progress: bool = True
) -> list[dict]:
    """Records of the runs in ``grid``, in their order, from ``results/<profile>/runs`` and
    ``data/reference_runs``.

    Missing ones are trained by ``workers`` processes (0: see ``processes``) or by a cluster. Those that fail
    do not end the others; ValueError names them at the end. Without ``train`` they are left out, and one
    printed sentence says how many and how to train them; reference runs on other data than those at hand
    count then, if they are the same in everything else.
    """
    store.tidy(profile)
    missing = {r.hash: r for r in grid if store.read(r, profile, other_data=not train) is None}
    if missing and not train:
        print(
            f"{len(missing)} of {len(set(grid))} runs are not recorded for profile {profile!r} and left out: "
            f"`make plan PROFILE={profile}` lists them, `make all PROFILE={profile} TRAIN=1` trains them."
        )
    elif missing:
        train_missing(list(missing.values()), profile, workers, progress)
        missing = {}
    return [store.read(r, profile, other_data=not train) for r in grid if r.hash not in missing]


def train_missing(
    runs: Sequence[Run],
    profile: str,
    workers: int = 0,
    progress: bool = True,
    order: Callable[[work.Unit], object] | None = None,
    until: float = math.inf,
) -> None:
    """Train those of the ``runs`` that have no record, the long ones first or in another ``order``, until a
    time (of ``time.time``) beyond which nothing is begun that would not end.
    """
    folder = store.folder(profile)
    wait = (
        f"Another command trains for profile {profile!r}; waiting for it, what it finishes is not repeated."
    )
    with files.alone(folder, wait):
        todo = [r for r in runs if store.read(r, profile, other_data=False) is None]
        if not todo:
            return
        if no := work.without_tf32(todo):
            raise jobs.Refused(
                f"{len(no)} of {len(todo)} runs are in TF32, as nothing here computes: {jobs.NEEDS_TF32}."
            )
        device = work.device()
        needs = dict(zip(todo, plan.left(todo, profile, device), strict=True))
        together = [[r] for r in todo] if device == "CPU" else jobs.columns(todo)
        units = sorted(map(tuple, together), key=order or (lambda u: (-sum(map(needs.get, u)), u[0].title)))
        rate = plan.speed(profile, device)[0]  # of a new GPU nothing is known: there the first epochs show it
        many = _possible(min(processes(workers, units), len(units)))
        share = 1 if device == "CPU" or work.cluster() else many  # each of a GPU's time
        seconds = [share * sum(map(needs.get, u)) if device == "CPU" or rate(u[0]) else 0.0 for u in units]
        if device != "CPU" and many > 1 and not work.cluster() and not jobs.mps():
            print(WITHOUT_MPS, flush=True)
        costs = [needs[r] for r in todo]
        problems = []
        with follow(todo, folder, costs) if progress else contextlib.nullcontext():
            for content, problem in work.outcomes(units, folder, many, until, seconds):
                store.receive(content, folder)
                problems += [problem] if problem else []
    if problems:
        others = "" if len(units) == 1 else f"{len(problems)} of {len(units)} trainings failed: "
        raise ValueError(others + " ".join(sorted(problems)))


def _possible(workers: int) -> int:
    """1 instead of ``workers`` where the system has no room for the locks that processes share."""
    try:
        return workers if workers == 1 or multiprocessing.Semaphore() else 1
    except (OSError, ImportError) as error:
        print(f"One run at a time: no shared memory for more processes here (/dev/shm: {error}).")
        return 1


def processes(workers: int, units: Iterable[work.Unit] = ()) -> int:
    """How many ``units`` go side by side: as asked for; for 0 one per CPU core, or fewer where GPUs train, as
    these have room and time for.
    """
    cores = joblib.cpu_count()
    if not workers and torch.cuda.is_available():
        need = max(map(gpus.memory, units), default=0)
        return max(min(len(jobs.gpu_places(need)), cores), 1)
    return workers or cores
