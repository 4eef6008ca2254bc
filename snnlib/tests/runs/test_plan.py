"""What a run costs is counted on the network itself."""

import torch

from snnlib import networks
from snnlib.neurons import FirstOrder
from snnlib.runs import plan


def test_work_of_a_sample():
    net = networks.mlp(6, 5, 2, lambda size: FirstOrder())
    assert plan.work_per_sample(net, torch.rand(3, 4, 6)) == (3 * (6 * 5 + 5 * 2), 3 * 7)
