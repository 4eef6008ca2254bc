"""Where runs are trained: in this process, in others beside it or on a cluster's machines.

A cluster's worker needs no disk in common with the one who asks: it trains in its own cache folder and hands
back the files of the finished runs.
"""

import argparse
import contextlib
import functools
import math
import multiprocessing
import os
import platform
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import joblib
import torch
from joblib.externals.loky.process_executor import TerminatedWorkerError

from snnlib import datasets, files, paths, provenance
from snnlib.runs import jobs, store
from snnlib.runs.config import Run

SOURCES = provenance.sources()  # when this process read them
Unit = tuple[Run, ...]
"""Runs that are trained together: a column, or one run."""

_ONE = threading.Lock()


def train(
    unit: Unit, folder: Path | None, sources: str = SOURCES, until: float = math.inf, needs: float = 0.0
) -> tuple[dict[str, bytes], str]:
    """Train what ``folder`` lacks of the ``unit``, unless the seconds that it ``needs`` go beyond ``until``;
    returns the new files by name where ``folder`` is None, for the machine's own, and what went wrong. A
    column that fails is tried in halves: one member that diverges, or too many, do not cost the others.

    Raises ``jobs.Refused`` where the library is another than the asker's, or while another run is trained in
    this process: they would share torch's random numbers.
    """
    here = platform.node()
    if sources != SOURCES:
        raise jobs.Refused(
            f"{here} has another version of snnlib ({SOURCES}, not {sources}): put the same one everywhere "
            "and start the workers again."
        )
    if not _ONE.acquire(blocking=False):
        raise jobs.Refused(
            f"A worker on {here} was given two runs at once, which would change their numbers: start workers "
            "of one thread (`dask worker --nthreads 1`), more of them for more runs."
        )
    place, problems = folder or files.private_folder() / "runs", []
    try:
        missing = [r for r in unit if store.whole(r, place) is None]
        waiting = [missing] if missing and time.time() + needs <= until else []
        while waiting:
            group = waiting.pop()
            try:
                jobs.train_together(group, place, until)
            except (jobs.Refused, jobs.OutOfTime):
                raise
            except Exception as error:  # the other runs do not depend on this one
                all_alike = isinstance(error, OSError | datasets.SourceError)  # a full disk, data not here
                half = 0 if all_alike else len(group) // 2
                if half:
                    jobs.checkpoint_of(group, place).unlink(missing_ok=True)
                    waiting += [group[:half], group[half:]]
                else:
                    problems += [failure(r, error) for r in group]
    except jobs.OutOfTime:
        pass
    finally:
        _ONE.release()
    return ({} if folder else _content(unit, place)), " ".join(problems)


def failure(r: Run, error: BaseException) -> str:
    """What to tell of a training that failed: our own sentences as they are, others with type and place."""
    if isinstance(error, ValueError | OSError):
        return f"{r.title}: {error}"
    said = (str(error).splitlines() or [""])[-1]
    at = traceback.extract_tb(error.__traceback__)[-1:]
    place = "".join(f" ({paths.short(Path(last.filename))}, line {last.lineno})" for last in at)
    return f"{r.title}: {type(error).__name__}: {said}{place}"


def _content(unit: Unit, place: Path) -> dict[str, bytes]:
    """The files of the finished runs, weights before records: who has a record has its weights."""
    every = (place / f"{r.hash}{kind}" for r in unit for kind in (".pt", ".json"))
    return {path.name: path.read_bytes() for path in every if path.exists()}


def add_options(command: argparse.ArgumentParser) -> None:
    """What every training command can be told of where it trains."""
    command.add_argument(
        "--workers", type=int, default=0, help="processes here; 0: one per core, or as GPUs have room"
    )
    command.add_argument("--backend", default="loky", help="loky: processes here; dask, ray: a cluster")
    command.add_argument("--scheduler", default="", metavar="ADDRESS", help="of the cluster; else a new one")


@contextlib.contextmanager
def backend(name: str = "loky", scheduler: str = "") -> Iterator[None]:
    """In this block runs are trained by "loky" (processes of this machine), by the "dask" cluster whose
    scheduler is at an address, or by the "ray" cluster; without an address by a new one on this machine.
    """
    if name == "loky":
        if scheduler:
            raise ValueError(f"--scheduler {scheduler} needs --backend dask or ray; loky has none.")
        yield
    elif name == "dask":
        try:
            from distributed import Client
        except ImportError:
            raise ValueError("--backend dask needs a package: `pip install distributed`.") from None
        own = {} if scheduler else {"n_workers": joblib.cpu_count(), "threads_per_worker": 1}
        with Client(scheduler or None, **own) as client, joblib.parallel_config("dask", client=client):
            yield
    elif name == "ray":
        try:
            import ray
            from ray.util.joblib import register_ray
        except ImportError:
            raise ValueError("--backend ray needs a package: `pip install ray`.") from None
        ray.init(address=scheduler or None, log_to_driver=False)
        register_ray()
        try:
            with joblib.parallel_config("ray"):
                yield
        finally:
            ray.shutdown()
    else:
        raise ValueError(f"--backend {name} is unknown: use loky, dask or ray.")


def cluster():
    """The backend of a cluster that trains in this block, or None."""
    active = joblib.parallel.get_active_backend()[0]
    return active if type(active).__name__ in ("DaskDistributedBackend", "RayBackend") else None


def device() -> str:
    """Name of the GPU of those who train, or "CPU"; waits for the first worker of a Dask cluster."""
    return _of_who_trains(_device)


def without_tf32(runs: Sequence[Run]) -> list[Run]:
    """Those of the runs that are in TF32, if those who train have none."""
    found = [r for r in runs if r.precision == "tf32"]
    return [] if found and _of_who_trains(jobs.has_tf32) else found


def _of_who_trains(question: Callable):
    there = cluster()
    if not there:
        return question()
    if hasattr(there, "client"):
        return there.client.submit(question, pure=False).result()
    import ray

    return ray.get(_for_ray(question).remote())


def _for_ray(function: Callable):
    """A task of Ray's with a core and, if the cluster has any, a GPU of its own."""
    import ray

    gpu = min(1, ray.cluster_resources().get("GPU", 0))
    return ray.remote(num_cpus=1, num_gpus=gpu, max_retries=0)(function)


def _device() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"


def outcomes(
    units: Sequence[Unit], folder: Path, workers: int, until: float, needs: Sequence[float]
) -> Iterator[tuple[dict[str, bytes], str]]:
    """What ``train`` returns for each of the ``units``, in the order in which they end."""
    there = cluster()
    asked = [
        (unit, None if there else folder, SOURCES, until, seconds)
        for unit, seconds in zip(units, needs, strict=True)
    ]
    if there:
        yield from _on_dask(there.client, asked) if hasattr(there, "client") else _on_ray(asked)
    elif workers == 1:
        yield from (train(*one) for one in asked)
    else:
        work = (joblib.delayed(_train_for)(os.getpid(), *one) for one in asked)
        with warnings.catch_warnings():
            # joblib renews a process whose memory has grown; here it grows by the data sets it keeps.
            warnings.filterwarnings("ignore", message="A worker stopped while some jobs")
            try:
                yield from joblib.Parallel(workers, batch_size=1, return_as="generator_unordered")(work)
            except TerminatedWorkerError:
                raise ChildProcessError(
                    "A training process was killed, often for lack of memory; the same command goes on where "
                    "it was, with less memory under `--workers 1`."
                ) from None


def _on_dask(client, asked: list[tuple]) -> Iterator[tuple[dict[str, bytes], str]]:
    """Without joblib, which trains here if the cluster has one worker, and gives up if one dies."""
    from distributed import as_completed

    units = {client.submit(train, *one, pure=False): one[0] for one in asked}
    try:
        for future in as_completed(list(units)):
            try:
                yield future.result()
            except jobs.Refused:
                raise
            except Exception as error:  # of the cluster: a worker was killed, or cannot read what it is sent
                yield {}, failure(units[future][0], error)
    finally:
        client.cancel(list(units))


def _on_ray(asked: list[tuple]) -> Iterator[tuple[dict[str, bytes], str]]:
    """Without joblib, whose Ray backend hands nothing back before all is done."""
    import ray

    task = _for_ray(train)
    units = {task.remote(*one): one[0] for one in asked}
    waiting = list(units)
    try:
        while waiting:
            (done,), waiting = ray.wait(waiting)
            try:
                yield ray.get(done)
            except jobs.Refused:
                raise
            except Exception as error:  # of the cluster: a worker was killed, or cannot read what it is sent
                yield {}, failure(units[done], error)
    finally:
        for task_left in waiting:
            ray.cancel(task_left)


def _train_for(parent: int, *asked) -> tuple[dict[str, bytes], str]:
    """``train`` in a process of joblib's, which ends with the one that started it."""
    if multiprocessing.current_process().name.startswith("LokyProcess"):
        _end_with(parent)
    return train(*asked)


@functools.cache
def _end_with(parent: int) -> None:
    """End this process, within a second, when ``parent`` is gone; a killed one cannot tell its workers."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
