"""Run a NIR graph in another simulator: this file alone, without the rest of the library, in an environment
that has torch, nir and the simulator:

    python simulators.py snntorch network.nir samples.npz        # x_seq [T, N, *] and labels y [N]
"""

import argparse
import contextlib
import io
import sys

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


def main(arguments=None) -> None:
    """Print the accuracy and the spike rates."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("platform", choices=PLATFORMS)
    parser.add_argument("graph")
    parser.add_argument("samples")
    options = parser.parse_args(arguments)
    with np.load(options.samples) as samples:
        x_seq, y = torch.from_numpy(samples["x_seq"]).float(), torch.from_numpy(samples["y"])
    outputs, rates = run(options.platform, options.graph, x_seq)
    accuracy = 100 * (outputs.mean(0).argmax(-1) == y).double().mean().item()
    print(f"{options.platform}: {accuracy:.2f} % of {len(y)}, spike rates", *(f"{r:.6f}" for r in rates))


if __name__ == "__main__":
    sys.exit(main())
