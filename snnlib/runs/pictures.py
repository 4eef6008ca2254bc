"""What a picture of a trained network needs beyond its record: a few samples, and the layers that were kept.

``data/reference_runs/samples`` holds the test samples that chapters draw, where the licence of the data set
allows a copy, and ``data/reference_runs/networks`` the layers: a picture then shows the real thing offline.
"""

import functools
import io
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import nn

from snnlib import datasets, files, paths
from snnlib.runs import jobs, store
from snnlib.runs.config import Run

DRAWN = {("mdn", "mnist"): 100, ("plif", "fashion_mnist"): 0}
"""(paper, task) whose samples are kept -> test samples of which they are the first ones; 0: the whole set."""

FIRST = 20
"""So many of the first test samples are kept, and the first of every class."""


def trained(r: Run, profile: str) -> nn.Sequential | None:
    """The trained network of a run with seed 0, in eval mode; None where its weights were not kept.

    Of a conv net its first synapse and neuron layer, the learnable spiking encoder (PLIF, Sec. 3.5).
    """
    state = store.weights(r, profile)
    if state is None:
        return None
    network = jobs.build(r) if r.paper == "mdn" else jobs.build(r)[:2]
    try:
        network.load_state_dict({name: state[name] for name in network.state_dict() if name in state})
    except RuntimeError:  # other names or shapes
        raise ValueError(
            f"The weights kept of {r.title} ({r.hash}.pt in profile {profile!r}) are of older code; delete "
            "them and the record beside them, and the run will be trained again."
        ) from None
    return network.eval()


def samples(r: Run, profile: str, test: int = 0) -> datasets.Task | None:
    """The data of a run with the test samples that a picture of it shows: the ``test`` that the data set
    chooses (0: all), or, where the data at hand are not those of the run's record, the ones that are kept
    beside the reference runs. None where neither is there: the picture cannot show what the run saw.
    """
    record, options = store.read(r, profile), dict(r.task_options)
    if record is None:
        return None
    if datasets.identify(r.task, paper=r.paper, **options) == record["config"]["data"]:
        return datasets.load(r.task, paper=r.paper, train=50, test=test or None, **options)
    path = _file(r.paper, r.task)
    if not path.exists():
        return None
    with np.load(io.BytesIO(store.summed(path)), allow_pickle=False) as kept:
        x, y = torch.from_numpy(kept["x"]), torch.from_numpy(kept["y"])
        passport = datasets.Passport(**json.loads(str(kept["passport"])))
    view = datasets.view(r.task, r.paper, **options)
    return datasets.Task(r.task, r.paper, x[:0], y[:0], x, y, passport=passport, **view)


def keep_samples() -> None:
    """Write the files of DRAWN from the official data at hand. ValueError where those are not there."""
    for (paper, name), test in DRAWN.items():
        task = datasets.load(name, paper=paper, train=1, test=test or None)
        if task.passport.source != "official":
            raise ValueError(f"The samples of {name} are of the official files: `make data SETS={name}`.")
        first_of_class = [int((task.test_y == label).nonzero()[0]) for label in task.test_y.unique()]
        rows = sorted({*range(FIRST), *first_of_class})
        arrays = {"x": task.test_x[rows].numpy(), "y": task.test_y[rows].numpy()}
        passport = json.dumps(asdict(task.passport) | {"train_samples": 0, "test_samples": len(rows)})
        write = functools.partial(np.savez_compressed, passport=passport, **arrays)
        files.write_atomically(_file(paper, name), write)
    store.seal()


def _file(paper: str, task: str) -> Path:
    return paths.REFERENCE_RUNS / "samples" / f"{paper}_{task}.npz"
