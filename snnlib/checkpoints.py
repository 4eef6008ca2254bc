"""What a run that is cut off leaves behind, so that it goes on with the numbers that it would have had."""

import copy
import io
import warnings
from pathlib import Path

import torch

from snnlib import files


def write(checkpoint: Path | None, parts: dict, histories: list[list[dict]]) -> None:
    """The states of the ``parts`` (modules, optimiser, scheduler) and the histories so far, in one step."""
    if checkpoint:
        state = {name: part.state_dict() for name, part in parts.items()} | {"histories": histories}
        files.write_sealed(checkpoint, state)


def read(
    checkpoint: Path | None, parts: dict, networks: int, epochs: int, device: str
) -> list[list[dict]] | None:
    """Put what a run that was cut off left behind into ``parts``; returns its histories, or None.

    A checkpoint that is not what was written under its name, or does not fit, counts as none, with a warning.
    """
    if checkpoint is None or not checkpoint.exists():
        return None
    fresh = {name: copy.deepcopy(part.state_dict()) for name, part in parts.items()}
    try:
        content = io.BytesIO(files.read_sealed(checkpoint))
        saved = torch.load(content, map_location=device, weights_only=True)
        histories = saved["histories"]
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
