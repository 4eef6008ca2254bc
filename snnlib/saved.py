"""A trained network as a folder, shaped like one of the Hugging Face Hub: its weights in
``model.safetensors`` and what it is in ``config.json``. Needs the package safetensors beside the core.
"""

import json
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from snnlib import files, networks

WEIGHTS, CONFIG = "model.safetensors", "config.json"


def load(folder: str | Path) -> nn.Sequential:
    """The network in ``folder``, in eval mode, weights in float32. Its ``config`` is what config.json says:
    how to build it (``networks.described``; of some only the first ``layers`` are kept), and of MDN's and
    PLIF's own the ``encoding`` and the number of ``time_steps`` that it was trained with.

    Raises FileNotFoundError where one of the two files is missing, and ValueError for a file that is no such
    file, for weights that do not fit the config, and without safetensors.
    """
    folder = Path(folder)
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder} holds no {name}; give the folder of a network.")
    try:
        config = json.loads((folder / CONFIG).read_bytes())
        with torch.random.fork_rng(devices=[]):  # first weights are drawn, and replaced
            network = networks.described(config)[: config.get("layers")]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{folder / CONFIG} describes no network ({error}); restore it.") from None
    try:
        network.load_state_dict(tensors((folder / WEIGHTS).read_bytes()))
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{folder / WEIGHTS} does not hold this network ({reason}); restore it.") from None
    if broken := networks.not_finite(network):
        raise ValueError(f"{folder / WEIGHTS} holds weights that are not finite ({broken}); restore it.")
    network.config = config
    return network.eval()


def tensors(content: bytes) -> dict[str, Tensor]:
    """What is in the bytes of a .safetensors file; ValueError if they are none."""
    try:
        return _safetensors("load")(content)
    except Exception as error:  # its own kind, of a package that need not be there
        raise ValueError(f"{type(error).__name__}: {error}".splitlines()[0]) from None


def write(folder: Path, config: dict, state: dict[str, Tensor]) -> None:
    """Write a network's two files, each in one step; ``load`` reads them."""
    content = _safetensors("save")({name: value.contiguous() for name, value in state.items()})
    files.write_atomically(folder / WEIGHTS, lambda temporary: temporary.write_bytes(content))
    files.write_text(folder / CONFIG, json.dumps(config, indent=1, allow_nan=False) + "\n")


def _safetensors(name: str) -> Callable:
    try:
        import safetensors.torch
    except ImportError:
        raise ValueError(
            "Networks in folders need the package safetensors: `pip install safetensors`."
        ) from None
    return getattr(safetensors.torch, name)
