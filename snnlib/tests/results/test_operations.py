"""Operations are those that a network really does, counted with ones in place of its weights."""

import pytest
import torch
from torch import nn

from snnlib import networks, neurons
from snnlib.results import operations


def test_operations_are_counted_as_neurobench_does():
    torch.manual_seed(0)
    network = networks.mlp(12, 9, 4, lambda size: neurons.FirstOrder())
    first, second = (m for m in network.modules() if isinstance(m, nn.Linear))
    with torch.no_grad():
        first.weight[:3] = 0  # pruned
    x_seq = torch.rand(5, 7, 12) * (torch.rand(5, 7, 12) < 0.4)
    with networks.recorded_spikes(network) as spikes, torch.no_grad():
        network(x_seq)
    share, rates = (x_seq != 0).float().mean().item(), [layer.mean().item() for layer in spikes]
    cost = operations.of(network, rates, 5, share)
    # NeuroBench: the layer with 1 for each weight that is not 0, no bias, on 1 for each input that is not 0
    counted = [
        torch.einsum("tbi,oi->", (seen != 0).double(), (layer.weight != 0).double()).item() / 7
        for seen, layer in ((x_seq, first), (spikes[0], second))
    ]
    assert cost["macs"] == pytest.approx(counted[0]) and cost["acs"] == pytest.approx(counted[1])
    assert cost["dense"] == 5 * (12 * 9 + 9 * 4) and cost["membrane_updates"] == 5 * 13
    assert cost["connection_sparsity"] == pytest.approx(36 / 144)
    silent = 1 - sum(layer.sum().item() for layer in spikes) / sum(layer.numel() for layer in spikes)
    assert cost["activation_sparsity"] == pytest.approx(silent)
    assert cost["footprint"] == 4 * (12 * 9 + 9 + 9 * 4 + 4)
    assert cost["energy"] == pytest.approx(4.6e-3 * counted[0] + 0.9e-3 * counted[1])
    assert operations.of(network, rates, 5, share, spikes_in=True)["macs"] == 0


def test_rates_and_layers_belong_together():
    network = networks.mlp(3, 4, 2, lambda size: neurons.FirstOrder())
    with pytest.raises(ValueError, match="2 fully connected layers and 1 spike rates"):
        operations.of(network, [0.1], 5)
    with pytest.raises(ValueError, match="no convolutions"):
        operations.of(nn.Sequential(nn.Conv2d(1, 1, 3), nn.Linear(2, 2)), [0.1], 5)
