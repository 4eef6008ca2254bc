"""Run a NIR graph in another simulator: this file alone, without the rest of the library, in an environment
that has torch, nir and the simulator:

    python simulators.py snntorch network.nir network.npz        # writes snntorch.csv and snntorch.json

The samples are inputs ``x_seq`` [T, N, *] and labels ``y`` [N], with what the network gives for them where it
comes from: ``outputs`` [T, N, classes], the ``rates`` of spikes of each layer, and the outputs of the graph
read back there (``folded``: a convolution's normalisation is in its weights, which rounds otherwise).
"""

import argparse
import contextlib
import csv
import io
import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch


def snntorch(path: str) -> torch.nn.Module:
    """snnTorch's network of a graph."""
    import nir
    from snntorch.import_nir import import_from_nir

    with contextlib.redirect_stdout(io.StringIO()):  # it prints every array
        return import_from_nir(nir.read(path))


def spikingjelly(path: str) -> torch.nn.Module:
    """SpikingJelly's network of a graph."""
    from spikingjelly.activation_based.nir_exchange import import_from_nir

    return import_from_nir(path)


PLATFORMS = {"snntorch": snntorch, "spikingjelly": spikingjelly}
NEURONS = ("Leaky", "_NIRStatefulModule")
"""Classes of the modules whose output is spikes."""

BATCH = 500
SAME = 1e-6
"""Within it two outputs are the same: a mean of ten spikes is summed in another order elsewhere."""


@torch.no_grad()
def run(platform: str, path: str, x_seq: torch.Tensor) -> tuple[torch.Tensor, list[float]]:
    """Outputs ``[T, N, classes]`` of a graph for inputs ``[T, N, *]``, and the spike rate of each layer of
    neurons, input side first.
    """
    network = PLATFORMS[platform](path).eval()
    spikes = {}
    for name, module in network.named_modules():
        if type(module).__name__ in NEURONS:
            spikes[name] = []
            module.register_forward_hook(lambda _m, _i, out, rates=spikes[name]: rates.append(_rate(out)))
    state, outputs = None, []
    for x in x_seq:
        output, state = network(x, state)
        outputs.append(output)
    return torch.stack(outputs), [float(np.mean(rates)) for rates in spikes.values()]


def _rate(out) -> float:
    spikes = out[0] if isinstance(out, tuple) else out  # beside their state
    return spikes.mean().item()


def compare(platform: str, graph: Path, samples: Path, to: Path) -> Path:
    """Write ``to``/<platform>.csv, a row for each quantity with the value of where the network comes from and
    the platform's, and ``to``/<platform>.json, which names network, data and versions; returns the table.
    """
    with np.load(samples) as held:
        about = json.loads(str(held["about"]))
        names = ("x_seq", "y", "outputs", "folded", "rates")
        x_seq, y, given, folded, rates = (torch.from_numpy(held[name]) for name in names)
    batches = x_seq.float().split(BATCH, 1)
    found = [run(platform, str(graph), x) for x in batches]
    outputs = torch.cat([part for part, _ in found], 1)
    measured = np.average([each for _, each in found], axis=0, weights=[x.shape[1] for x in batches])
    rows = [(f"accuracy, % of {len(y)} samples", _accuracy(given, y), _accuracy(outputs, y))]
    rows.append((f"samples with a tied vote, of {len(y)}", _tied(given), _tied(outputs)))
    for n, (ours, theirs) in enumerate(zip(rates.tolist(), measured.tolist(), strict=True), start=1):
        rows.append((f"spike rate, layer {n}", round(ours, 6), round(theirs, 6)))
    for words, other in (("ours", given), ("ours read back from the graph", folded)):
        apart = int(((outputs - other).abs() > SAME).sum())
        rows.append((f"outputs unlike {words}, of {other.numel()}", 0, apart))
    to.mkdir(parents=True, exist_ok=True)
    with (to / f"{platform}.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("quantity", "ours", platform), *rows])
    about["versions"] = {name: version(name) for name in (platform, "nir", "torch")}
    (to / f"{platform}.json").write_text(json.dumps(about, indent=1) + "\n")
    return to / f"{platform}.csv"


def _accuracy(outputs: torch.Tensor, y: torch.Tensor) -> float:
    return round(100 * (outputs.mean(0).argmax(-1) == y).double().mean().item(), 6)


def _tied(outputs: torch.Tensor) -> int:
    first, second = outputs.mean(0).topk(2).values.unbind(-1)
    return int((first - second < SAME).sum())


def main(arguments=None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("platform", choices=PLATFORMS)
    parser.add_argument("graph", type=Path)
    parser.add_argument("samples", type=Path)
    parser.add_argument("--to", type=Path, default=Path())
    options = parser.parse_args(arguments)
    try:
        print(compare(**vars(options)).read_text(), end="")
    except (OSError, ImportError) as error:  # a file or package that is not there
        sys.exit(str(error))


if __name__ == "__main__":
    sys.exit(main())
