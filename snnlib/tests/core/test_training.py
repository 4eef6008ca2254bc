"""Training learns, repeats, resumes, holds out what it says, and measures NETtalk as the authors do."""

import pytest
import torch

from snnlib import networks, training
from snnlib.neurons import PLIF, FirstOrder, SecondOrder

SETTINGS = {"seed": 3, "epochs": 3, "batch_size": 20, "learning_rate": 1e-2}


def network(neuron=lambda size: FirstOrder()):
    training.initialise(0)
    return networks.mlp(64, 24, 4, neuron)


def numbers(history):
    return [{key: value for key, value in epoch.items() if key != "seconds"} for epoch in history]


def test_it_learns_and_repeats(task):
    first, second = (training.fit(network(), task, **SETTINGS) for _ in range(2))
    assert numbers(first) == numbers(second)
    assert [epoch["epoch"] for epoch in first] == [0, 1, 2, 3]
    assert first[-1]["test_accuracy"] > 80 > 50 > first[0]["test_accuracy"]
    assert first[-1]["train_loss"] < first[1]["train_loss"] and first[0]["train_loss"] is None
    other_seed = training.fit(network(), task, **{**SETTINGS, "seed": 4})
    assert numbers(other_seed) != numbers(first)


def test_an_interrupted_run_goes_on_with_the_same_numbers(task, tmp_path):
    whole = training.fit(
        network(lambda size: SecondOrder(neurons=size, learnable=True)),
        task,
        theta_learning_rate=1e-2,
        **SETTINGS,
    )

    class Cut(Exception):
        pass

    def cut_after_two(history):
        if len(history) == 3:
            raise Cut

    learned = {"theta_learning_rate": 1e-2, "checkpoint": tmp_path / "run.ckpt", **SETTINGS}
    with pytest.raises(Cut):
        training.fit(
            network(lambda size: SecondOrder(neurons=size, learnable=True)),
            task,
            on_epoch=cut_after_two,
            **learned,
        )
    epochs = []
    resumed = training.fit(
        network(lambda size: SecondOrder(neurons=size, learnable=True)),
        task,
        on_epoch=lambda history: epochs.append(len(history)),
        **learned,
    )
    assert epochs == [4]
    assert numbers(resumed) == numbers(whole)


def test_theta_learns_with_its_own_rate_and_is_observed(task):
    history = training.fit(
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
    frozen = training.fit(network(lambda size: SecondOrder(neurons=size, learnable=True)), task, **SETTINGS)
    assert set(frozen[-1]["theta_a"]) == {0.02}


def test_tau_and_w_over_tau_are_observed(quarters):
    from snnlib import datasets

    task = datasets.load("quarters", paper="plif")
    training.initialise(0)
    net = networks.conv_net(
        "c4k3s1-BN-PLIF-MPk2s2-DP-FC20-PLIF-DP-FC100-PLIF-APk10s10", (1, 8, 8), lambda size: PLIF(2.0)
    )
    history = training.fit(net, task, schedule="cosine64", **SETTINGS)
    assert history[0]["tau"] == pytest.approx([2.0] * 3) and history[-1]["tau"] != history[0]["tau"]
    weight, tau = net[4][1].weight, net[5].tau
    assert history[-1]["w_over_tau"]["variance"] == pytest.approx(
        (weight / tau).var(correction=0).item(), rel=1e-4
    )
    assert len(history[-1]["w_over_tau"]["quantiles"]) == len(training.W_OVER_TAU_QUANTILES)


def test_validation_holds_out_a_share_of_each_class(task):
    kept, held = training.split(task.train_y, 0.15, seed=0)
    assert sorted([*kept.tolist(), *held.tolist()]) == list(range(120))
    assert torch.bincount(task.train_y[held]).tolist() == [4, 4, 4, 4]
    trained = network()
    history = training.fit(trained, task, validation=0.15, **SETTINGS)
    _, held = training.split(task.train_y, 0.15, SETTINGS["seed"])
    samples = task.train_x[held], task.train_y[held]
    now = training.evaluate(trained, task, *samples, SETTINGS["seed"], SETTINGS["batch_size"])[0]
    seen = [epoch["validation_accuracy"] for epoch in history]
    assert seen[-1] == now != seen[0] and seen != [epoch["test_accuracy"] for epoch in history]
    with pytest.raises(ValueError, match="several labels"):
        training.split(torch.rand(10, 26), 0.15, seed=0)


def test_score_is_argmax_or_nettalks_cosine():
    rates = torch.tensor([[0.5, 0.5, 0.0], [0.04, 0.0, 0.0], [0.0, 0.9, 0.3]])
    targets = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    assert training.score(rates, targets).tolist() == pytest.approx([1.0, 0.0, 0.0])
    assert training.score(rates, torch.tensor([1, 0, 1])).tolist() == [0.0, 1.0, 1.0]


def test_cross_entropy_is_least_where_one_neuron_always_fires():
    y = torch.tensor([1, 3])
    rates = torch.nn.functional.one_hot(y, 5).float().requires_grad_()
    assert training.cross_entropy(rates, y).backward() is None
    assert rates.grad.abs().max() < 1e-6
    assert training.cross_entropy(rates.flip(1), y) > training.cross_entropy(rates, y)
    assert training.squared_error(rates, y) == 0
    assert training.squared_error(rates, torch.zeros(2, 5)).item() == pytest.approx(1 / 5)


def test_schedules():
    parameter = torch.nn.Parameter(torch.zeros(1))
    for name, epoch, factor in (
        ("step50", 49, 1.0),
        ("step50", 50, 0.1),
        ("cosine64", 32, 0.5),
        ("cosine64", 64, 0.0),
        ("cosine16", 8, 0.5),
    ):
        optimiser = torch.optim.Adam([parameter], lr=1.0)
        schedule = training.scheduler_of(name, optimiser)
        for _ in range(epoch):
            optimiser.step()
            schedule.step()
        assert schedule.get_last_lr()[0] == pytest.approx(factor, abs=1e-9)
