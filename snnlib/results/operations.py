"""What a spiking network costs, as NeuroBench 2.3 defines it, from its notation and its recorded spike rates.

Per sample, all time steps together; biases are no synaptic operations. A synapse whose input is a spike
accumulates (AC), any other multiplies first (MAC); *dense* counts every synapse at every step, *effective*
those with an input and a weight that are not 0.
"""

from collections.abc import Sequence

from torch import nn

MAC, AC = 4.6e-3, 0.9e-3
"""Usual energies of one operation in nJ: a multiply-accumulate and an accumulate, 32-bit floats in 45 nm."""

SPARSE_RATE, FEW_STEPS = 0.06, (5, 10)
"""Below about which spike rate, at how many steps, a spiking net spends less than a quantised one on usual
hardware, memory included (Yan, Bai and Wong 2024, arXiv:2409.08290)."""


def of(
    network: nn.Module, rates: Sequence[float], steps: int, input_share: float = 1, spikes_in: bool = False
) -> dict[str, float]:
    """The costs of a net of fully connected layers, each followed by neurons that spike at ``rates``.

    ``input_share``: share of the input values that are not 0; ``spikes_in``: whether the others are spikes.
    Returns footprint (bytes of parameters and buffers), connection_sparsity and activation_sparsity (shares
    of 0), dense, macs and acs (operations a sample), membrane_updates (a sample; every neuron at every step,
    the most that can change) and energy (nJ a sample, of MACs and ACs alone). ValueError where rates and
    layers do not belong together.
    """
    synapses = [module.weight for module in network.modules() if isinstance(module, nn.Linear)]
    if len(synapses) != len(rates) or any(isinstance(module, nn.Conv2d) for module in network.modules()):
        raise ValueError(
            f"The network has {len(synapses)} fully connected layers and {len(rates)} spike rates; give one "
            "for each, and no convolutions."
        )
    there = [weight.count_nonzero().item() for weight in synapses]
    used = [steps * share * n for share, n in zip([input_share, *rates[:-1]], there, strict=True)]
    macs = 0.0 if spikes_in else used[0]
    acs = sum(used) - macs
    weights, neurons = sum(weight.numel() for weight in synapses), [len(weight) for weight in synapses]
    spikes = sum(n * rate for n, rate in zip(neurons, rates, strict=True))
    stored = [*network.parameters(), *network.buffers()]
    return {
        "footprint": sum(tensor.numel() * tensor.element_size() for tensor in stored),
        "connection_sparsity": 1 - sum(there) / weights,
        "activation_sparsity": 1 - spikes / sum(neurons),
        "dense": steps * weights,
        "macs": macs,
        "acs": acs,
        "membrane_updates": steps * sum(neurons),
        "energy": MAC * macs + AC * acs,
    }
