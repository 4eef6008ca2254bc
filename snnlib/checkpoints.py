"""What a run that is cut off leaves behind, so that it goes on with the numbers that it would have had."""

import copy
import hashlib
import io
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from snnlib import files


def write(checkpoint: Path | None, parts: dict, histories: list[list[dict]], run: dict) -> None:
    """The states of the ``parts`` (modules, optimiser, scheduler), the histories so far and what ``run`` they
    are of, in one step.
    """
    if checkpoint:
        state = {name: part.state_dict() for name, part in parts.items()}
        files.write_sealed(checkpoint, _plain(state | {"histories": histories, "run": run}))


def digest(*data: Tensor) -> str:
    """A digest of the types, shapes and values of tensors, wherever they lie."""
    found = hashlib.sha256()
    for x in data:
        found.update(f"{x.dtype} {list(x.shape)} ".encode())
        found.update(x.detach().cpu().flatten().view(torch.uint8).numpy())
    return found.hexdigest()


def _plain(value):
    """NumPy's numbers as Python's: a checkpoint is read without the classes of other libraries."""
    if type(value) is dict:
        return {key: _plain(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_plain(item) for item in value)
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value


def read(
    checkpoint: Path | None, parts: dict, run: dict, networks: int, epochs: int, device: str
) -> list[list[dict]] | None:
    """Put what a run that was cut off left behind into ``parts``; returns its histories, or None.

    A checkpoint that is not what was written under its name, is not of this ``run`` or does not fit, counts
    as none, with a warning.
    """
    if checkpoint is None or not checkpoint.exists():
        return None
    fresh = {name: copy.deepcopy(part.state_dict()) for name, part in parts.items()}
    try:
        content = io.BytesIO(files.read_sealed(checkpoint))
        saved = torch.load(content, map_location=device, weights_only=True)
        histories, settings = saved["histories"], _plain(run)
        if differing := [name for name in settings if saved["run"].get(name) != settings[name]]:
            raise ValueError(f"it is of another run, with other {', '.join(differing)}")
        told = [[entry["epoch"] for entry in history] for history in histories]
        if told != [list(range(len(told[0])))] * networks or len(told[0]) > epochs + 1:
            raise ValueError("it is of another run")
        for name, part in parts.items():
            part.load_state_dict(saved[name])
        return histories
    except Exception as problem:  # torch raises whatever bytes and shapes of older code lead to
        for name, part in parts.items():
            part.load_state_dict(fresh[name])
        reason = f"{type(problem).__name__} {problem}".splitlines()[0].strip()
        warnings.warn(f"{checkpoint.name} cannot be read ({reason}); its run starts afresh.", stacklevel=2)
        return None
