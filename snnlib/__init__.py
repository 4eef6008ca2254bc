"""Spiking networks of two papers (MDN, PLIF) on compiled kernels: neurons, networks, training.

The core lies flat in this folder and needs torch, numpy and numba alone. The rooms beside it (papers,
datasets, runs, results, claims, figures, chapters, bench) hold the companion; README says what is where.
"""

import importlib

_HOME = {
    "surrogate": ("arctan", "window"),
    "neurons": ("FirstOrder", "Izhikevich", "LIF", "Neuron", "PLIF", "PRESETS", "SecondOrder"),
    "synapses": ("Linear", "Spikes"),
    "layers": ("TimeBatched", "TimeSharedDropout", "Voting", "spike_average_pool", "spike_max_pool"),
    "encoding": ("bernoulli", "direct", "latency", "poisson"),
    "networks": ("TABLE_S1", "conv_net", "mlp"),
    "training": ("evaluate", "fit"),
}
__all__ = [name for names in _HOME.values() for name in names]


def __getattr__(name: str):
    """Import what is asked for and nothing else: `import snnlib` costs milliseconds."""
    for module, names in _HOME.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted(__all__)
