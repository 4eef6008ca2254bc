"""Spiking networks of two papers (MDN, PLIF) on compiled kernels: neurons, networks, training.

A network with learned membrane time constants on tensors of one's own, samples ``[N, *]`` and labels:

    import torch
    from snnlib import PLIF, conv_net, direct, fit

    y = torch.randint(2, (400,))
    x = torch.rand(400, 1, 8, 8)
    x[y == 1, :, :, 4:] += 0.5  # the right half is brighter
    network = conv_net("c8k3s1-BN-PLIF-MPk2s2-FC20-PLIF-APk10s10", (1, 8, 8), lambda size: PLIF(tau=2.0))
    train, test = (x[:300], y[:300]), (x[300:], y[300:])
    encode = lambda x, generator, train: direct(x, 4)  # 4 time steps
    history = fit(network, train, test, encode, epochs=5, batch_size=20, learning_rate=1e-2)
    print(history[-1]["test_accuracy"], [layer.tau.item() for layer in network if isinstance(layer, PLIF)])

The core lies flat in this folder and needs torch, numpy and numba alone. The rooms beside it (papers,
datasets, runs, results, claims, figures, chapters, bench, exchange) hold the companion; README says what is
where.
"""

import importlib

from snnlib import interrupt

_HOME = {
    "surrogate": ("arctan", "window"),
    "neurons": ("FirstOrder", "Izhikevich", "LIF", "Neuron", "PLIF", "PRESETS", "SecondOrder"),
    "synapses": ("Linear", "Spikes"),
    "layers": ("TimeBatched", "TimeSharedDropout", "Voting", "spike_average_pool", "spike_max_pool"),
    "encoding": ("bernoulli", "bernoulli_spikes", "direct", "latency", "poisson"),
    "networks": ("TABLE_S1", "conv_net", "mlp", "narrow", "neuron_layers", "recorded_spikes"),
    "saved": ("load",),
    "training": ("cross_entropy", "evaluate", "fit", "squared_error"),
    "kernels.memory": ("keep_freed",),
}
__all__ = [name for names in _HOME.values() for name in names]

if interrupt.is_command():
    interrupt.told()


def __getattr__(name: str):
    """Import what is asked for and nothing else: `import snnlib` costs milliseconds."""
    for module, names in _HOME.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted(__all__)
