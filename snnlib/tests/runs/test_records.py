"""What a record keeps of the neurons: theta, tau, and W / tau of the first FC layer."""

import pytest

from snnlib import datasets, networks, training
from snnlib.neurons import PLIF, SecondOrder
from snnlib.results.tables import W_OVER_TAU_QUANTILES
from snnlib.runs import records

SETTINGS = {"seed": 3, "epochs": 3, "batch_size": 20, "learning_rate": 1e-2, "observe": records.observe}


def network(neuron):
    training.initialise(0)
    return networks.mlp(64, 24, 4, neuron)


def fit(network, task, **settings):
    sets = (task.train_x, task.train_y), (task.test_x, task.test_y)
    return training.fit(network, *sets, task.encode, **settings)


def test_theta_learns_with_its_own_rate_and_is_observed(task):
    history = fit(
        network(lambda size: SecondOrder(neurons=size, learnable=True)),
        task,
        theta_learning_rate=1e-3,
        **SETTINGS,
    )
    first, last = history[0]["theta_a"], history[-1]["theta_a"]
    assert len(first) == 24 + 4
    assert set(first) == {0.02}
    moved = max(abs(a - 0.02) for a in last)
    assert 0 < moved < 3 * 6 * 1e-3 * 1.5  # Adam moves a parameter by about its rate in each of 3 x 6 steps
    frozen = fit(network(lambda size: SecondOrder(neurons=size, learnable=True)), task, **SETTINGS)
    assert set(frozen[-1]["theta_a"]) == {0.02}


def test_tau_and_w_over_tau_are_observed(quarters):
    task = datasets.load("quarters", paper="plif")
    training.initialise(0)
    net = networks.conv_net(
        "c4k3s1-BN-PLIF-MPk2s2-DP-FC20-PLIF-DP-FC100-PLIF-APk10s10", (1, 8, 8), lambda size: PLIF(tau=2.0)
    )
    history = fit(net, task, schedule="cosine64", **SETTINGS)
    assert history[0]["tau"] == pytest.approx([2.0] * 3) and history[-1]["tau"] != history[0]["tau"]
    weight, tau = net[4][1].weight, net[5].tau
    assert history[-1]["w_over_tau"]["variance"] == pytest.approx(
        (weight / tau).var(correction=0).item(), rel=1e-4
    )
    assert len(history[-1]["w_over_tau"]["quantiles"]) == len(W_OVER_TAU_QUANTILES)
