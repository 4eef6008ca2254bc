"""Training learns, repeats, resumes, holds out what it says, and measures NETtalk as the authors do."""

import contextlib
import copy
import dataclasses

import numpy as np
import pytest
import torch

from snnlib import checkpoints, encoding, networks, training
from snnlib import optimiser as optimiser_
from snnlib.neurons import PLIF, FirstOrder, SecondOrder

SETTINGS = {"seed": 3, "epochs": 3, "batch_size": 20, "learning_rate": 1e-2}


def network(neuron=lambda size: FirstOrder()):
    training.initialise(0)
    return networks.mlp(64, 24, 4, neuron)


def fit(network, task, **settings):
    sets = (task.train_x, task.train_y), (task.test_x, task.test_y)
    return training.fit(network, *sets, task.encode, **settings)


def numbers(history):
    return [{key: value for key, value in epoch.items() if key != "seconds"} for epoch in history]


def test_it_learns_and_repeats(task):
    first, second = (fit(network(), task, **SETTINGS) for _ in range(2))
    assert numbers(first) == numbers(second)
    assert [epoch["epoch"] for epoch in first] == [0, 1, 2, 3]
    assert first[-1]["test_accuracy"] > 80 > 50 > first[0]["test_accuracy"]
    assert first[-1]["train_loss"] < first[1]["train_loss"] and first[0]["train_loss"] is None
    other_seed = fit(network(), task, **{**SETTINGS, "seed": 4})
    assert numbers(other_seed) != numbers(first)


def test_an_interrupted_run_goes_on_with_the_same_numbers(task, tmp_path):
    whole = fit(
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
        fit(
            network(lambda size: SecondOrder(neurons=size, learnable=True)),
            task,
            on_epoch=cut_after_two,
            **learned,
        )
    epochs = []
    resumed = fit(
        network(lambda size: SecondOrder(neurons=size, learnable=True)),
        task,
        on_epoch=lambda history: epochs.append(len(history)),
        **learned,
    )
    assert epochs == [4]
    assert numbers(resumed) == numbers(whole)


def test_checkpoints_are_rare_where_epochs_are_short_and_kept_when_a_run_is_stopped(
    task, tmp_path, monkeypatch
):
    """As on a GPU: none is due for a long time, but whoever stops the run finds its last epoch."""
    whole = fit(network(), task, **SETTINGS)
    monkeypatch.setitem(training.CHECKPOINT_SECONDS, "cpu", 1e9)
    written, write = [], checkpoints.write
    monkeypatch.setattr(checkpoints, "write", lambda *what: written.append(len(what[2][0])) or write(*what))

    def stop_after_two(history):
        if len(history) == 3:
            raise KeyboardInterrupt

    settings = SETTINGS | {"checkpoint": tmp_path / "run.ckpt"}
    with pytest.raises(KeyboardInterrupt):
        fit(network(), task, on_epoch=stop_after_two, **settings)
    assert written == [3]
    assert numbers(fit(network(), task, **settings)) == numbers(whole) and written == [3]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 4}, "seed"),
        ({"learning_rate": 1e-4}, "learning_rate"),
        ({"batch_size": 30, "schedule": "step2"}, "batch_size, schedule"),
        ({"validation": 0.2, "precision": "bfloat16"}, "validation, precision"),
        ({}, "data"),
    ],
)
def test_a_checkpoint_of_other_settings_or_data_is_not_taken(task, tmp_path, change, named):
    checkpoint = tmp_path / "run.ckpt"
    fit(network(), task, checkpoint=checkpoint, **SETTINGS)
    if not change:
        task = dataclasses.replace(task, train_x=task.train_x.flip(0))
    with pytest.warns(UserWarning, match=f"of another run, with other {named}.; its run starts afresh"):
        again = fit(network(), task, checkpoint=checkpoint, **SETTINGS | change)
    assert numbers(again) == numbers(fit(network(), task, **SETTINGS | change))


def test_a_checkpoint_with_numbers_of_numpy_is_read(task, tmp_path, recwarn):
    given = {"checkpoint": tmp_path / "run.ckpt", "observe": lambda network: {"seen": [np.float64(0.5)]}}
    given |= SETTINGS | {"learning_rate": np.float64(1e-2)}
    first = fit(network(), task, **given)
    epochs = []
    longer = given | {"epochs": 4, "on_epoch": lambda history: epochs.append(len(history))}
    assert numbers(fit(network(), task, **longer))[:4] == numbers(first)
    assert epochs == [5] and not recwarn


def test_training_leaves_the_global_random_state_alone(task):
    net = network()
    before = torch.random.get_rng_state()
    fit(net, task, **SETTINGS)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_tf32_is_on_where_it_is_asked_for_and_as_before_afterwards(task, monkeypatch):
    """A GPU's flags, set here without one."""
    backends = torch.backends.cudnn, torch.backends.cuda.matmul
    before = [backend.allow_tf32 for backend in backends]
    plain, seen = training.multiplying, set()
    monkeypatch.setattr(training, "multiplying", lambda device, precision: plain("cuda", precision))

    def encode(x, generator, train):
        seen.add((train, *(backend.allow_tf32 for backend in backends)))
        return task.encode(x, generator, train)

    sets = (task.train_x, task.train_y), (task.test_x, task.test_y)
    for precision, on in (("tf32", True), ("", False), ("bfloat16", False)):
        seen.clear()
        training.fit(network(), *sets, encode, precision=precision, **SETTINGS | {"epochs": 1})
        assert seen == {(True, on, on), (False, on, on)}
        assert [backend.allow_tf32 for backend in backends] == before


def test_learning_rates_on_the_device_follow_the_schedule():
    """What a recorded step reads: a tensor, changed in place."""
    parameter = torch.nn.Parameter(torch.zeros(1))
    for name in ("step3", "cosine8"):
        plain, there = (torch.optim.Adam([parameter], lr=0.1) for _ in range(2))
        rate = there.param_groups[0]["lr"] = torch.tensor(0.1)
        schedules = [optimiser_.scheduler_of(name, one) for one in (plain, there)]
        for _ in range(9):
            for one, schedule in zip((plain, there), schedules, strict=True):
                one.step()
                schedule.step()
            assert there.param_groups[0]["lr"] is rate
            assert rate.item() == pytest.approx(plain.param_groups[0]["lr"], rel=1e-4, abs=1e-8)


def test_weights_that_are_not_finite_stop_the_training(task, tmp_path):
    """A network of NaN is silent, and its loss looks like that of one that has not learned yet."""
    dead = network()
    with torch.no_grad():
        dead[2][0].weight[1, 1] = float("nan")
    with pytest.raises(ValueError, match=r"not finite after epoch 0 \(2.0.weight\)"):
        fit(dead, task, **SETTINGS)
    broken = task.train_x.float()
    broken[7] = float("inf")
    sets = (broken, task.train_y), (task.test_x.float(), task.test_y)
    encode = lambda x, generator, train: x.flatten(1).expand(3, -1, -1)  # noqa: E731
    checkpoint = tmp_path / "run.ckpt"
    with pytest.raises(ValueError, match="not finite after epoch 1.*Lower the learning rate"):
        training.fit(network(), *sets, encode, checkpoint=checkpoint, **SETTINGS)
    assert not checkpoint.exists()


def test_validation_holds_out_a_share_of_each_class(task):
    kept, held = training.split(task.train_y, 0.15, seed=0)
    assert sorted([*kept.tolist(), *held.tolist()]) == list(range(120))
    assert torch.bincount(task.train_y[held]).tolist() == [4, 4, 4, 4]
    trained = network()
    history = fit(trained, task, validation=0.15, **SETTINGS)
    _, held = training.split(task.train_y, 0.15, SETTINGS["seed"])
    samples = task.train_x[held], task.train_y[held]
    size = task.test_batch_size(SETTINGS["batch_size"])
    now = training.evaluate(trained, *samples, task.encode, size, SETTINGS["seed"])[0]
    seen = [epoch["validation_accuracy"] for epoch in history]
    assert seen[-1] == now != seen[0] and seen != [epoch["test_accuracy"] for epoch in history]
    with pytest.raises(ValueError, match="several labels"):
        training.split(torch.rand(10, 26), 0.15, seed=0)


@pytest.mark.parametrize("share", [-0.1, 1.0, 10, float("nan"), 0.001, 0.999])
def test_a_share_that_leaves_no_sample_on_one_side_is_refused(task, share):
    with pytest.raises(ValueError, match="validation.*(at least 0 and below 1|on both sides)"):
        fit(network(), task, validation=share, **SETTINGS)


def test_targets_of_another_width_than_the_output_are_refused(task):
    wide = torch.nn.functional.one_hot(task.train_y).float()
    tests = task.test_x, task.test_y
    for train, test in (
        ((task.train_x, wide[:, :1]), tests),
        ((task.train_x, wide), (task.test_x, task.test_y[:, None])),
    ):
        with pytest.raises(ValueError, match=r"4 outputs and a sample a target of shape \[1\]; give class"):
            training.fit(network(), train, test, task.encode, **SETTINGS)
    fitted = training.fit(network(), (task.train_x, wide), tests, task.encode, **SETTINGS)
    assert fitted[-1]["train_loss"] < fitted[1]["train_loss"]


@pytest.mark.parametrize("stopped", [False, True])
def test_a_test_leaves_each_layer_in_its_mode(stopped):
    net = networks.conv_net("c4k3s1-BN-PLIF-FC10-PLIF-APk5s5", (1, 8, 8), lambda _: PLIF()).train()
    net[0][1].eval()
    before = [module.training for module in net.modules()]
    y = torch.zeros(4, 3) if stopped else torch.zeros(4, dtype=torch.long)
    with pytest.raises(ValueError, match="2 outputs") if stopped else contextlib.nullcontext():
        training.evaluate(net, torch.rand(4, 1, 8, 8), y, direct_4, 2)
    assert [module.training for module in net.modules()] == before


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
    for smoothing in (0.0, 1.0):
        with pytest.raises(ValueError, match="smoothing above 0 and below 1"):
            training.cross_entropy(rates, y, smoothing)


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
        schedule = optimiser_.scheduler_of(name, optimiser)
        for _ in range(epoch):
            optimiser.step()
            schedule.step()
        assert schedule.get_last_lr()[0] == pytest.approx(factor, abs=1e-9)


def test_bad_input_is_refused_in_one_sentence(task):
    for sets, name in (
        (((task.train_x, task.train_y[:-1]), (task.test_x, task.test_y)), "training set has 120 samples"),
        (((task.train_x, task.train_y), (task.test_x[:0], task.test_y[:0])), "test set has 0 samples"),
    ):
        with pytest.raises(ValueError, match=name):
            training.fit(network(), *sets, task.encode, **SETTINGS)
    with pytest.raises(ValueError, match="Unknown schedule 'linear'"):
        fit(network(), task, schedule="linear", **SETTINGS)
    with pytest.raises(ValueError, match="precision 'bf16' is unknown; use one of '', 'tf32', 'bfloat16'"):
        fit(network(), task, precision="bf16", **SETTINGS)


def test_a_checkpoint_of_another_version_is_not_taken(task, tmp_path):
    checkpoint = tmp_path / "run.ckpt"
    torch.save({"network": network().state_dict(), "history": []}, checkpoint)
    with pytest.warns(UserWarning, match="starts afresh"):
        again = fit(network(), task, checkpoint=checkpoint, **SETTINGS)
    assert numbers(again) == numbers(fit(network(), task, **SETTINGS))


def test_bfloat16_learns_what_float32_learns():
    """Products are rounded; rates, loss and weights stay in float32."""
    x = torch.rand(60, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    y = (x[:, 0, :4].mean((1, 2)) > x[:, 0, 4:].mean((1, 2))).long()
    x[y == 1, 0, :4] += 0.5
    found = {}
    for precision in ("", "bfloat16"):
        training.initialise(0)
        net = networks.conv_net("c8k3s1-BN-PLIF-MPk2s2-FC20-PLIF-APk10s10", (1, 8, 8), lambda _: PLIF())
        history = training.fit(
            net, (x, y), (x, y), direct_4, epochs=6, batch_size=10, learning_rate=1e-2, precision=precision
        )
        assert all(p.dtype == torch.float32 for p in net.parameters())
        found[precision] = history
    assert found[""][-1]["test_accuracy"] > 90 and found["bfloat16"][-1]["test_accuracy"] > 90
    assert found[""][1]["train_loss"] != found["bfloat16"][1]["train_loss"]
    assert abs(found[""][1]["train_loss"] - found["bfloat16"][1]["train_loss"]) < 0.05


def direct_4(x, generator, train):
    return encoding.direct(x, 4)


@pytest.fixture
def rounded(monkeypatch):
    """A layer that is large, its twin that trains as PyTorch has it, and Adam for both."""
    monkeypatch.setattr(optimiser_, "LARGE", 64 * 32)
    torch.manual_seed(0)
    layers = [torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.Linear(32, 4))]
    layers.append(copy.deepcopy(layers[0]))
    return [(layer, optimiser_.adam(layer, 1e-2)) for layer in layers]


def bfloat16_step(layer, optimiser, x):
    with training.computing("cpu", "bfloat16"):
        out = layer(x)
    optimiser.zero_grad()
    out.float().square().sum().backward()
    optimiser.step()
    return out.detach()


def test_a_large_weight_learns_by_its_copy_what_it_would_learn_itself(rounded):
    (layer, optimiser), (twin, plain) = rounded
    with optimiser_.rounded(layer, optimiser, "bfloat16"):
        for x in torch.randn(20, 10, 64):
            one, other = bfloat16_step(layer, optimiser, x), bfloat16_step(twin, plain, x)
            torch.testing.assert_close(one, other, rtol=0.02, atol=0.02)
        assert layer[0].weight.grad is None and layer[1].weight.grad is not None
    for _ in range(3):  # the optimiser is what it would be: without the block it goes on
        for name, value in layer.state_dict().items():
            torch.testing.assert_close(value, twin.state_dict()[name], rtol=1e-4, atol=1e-5)
        kept, expected = (one.state_dict()["state"] for one in (optimiser, plain))
        assert kept.keys() == expected.keys()
        assert all(kept[i].keys() == expected[i].keys() for i in kept)
        assert kept[0]["step"] == expected[0]["step"]
        bfloat16_step(layer, optimiser, x), bfloat16_step(twin, plain, x)
    assert "forward" not in vars(layer[0])


@torch.no_grad()
def change_in_place(layer):
    layer[0].weight[3] += 1


def change_by_a_file(layer):
    layer.load_state_dict({name: value + 0.5 for name, value in layer.state_dict().items()})


def change_memory(layer):
    layer[0].weight.data = layer[0].weight.detach() * 2


def change_parameter(layer):
    layer[0].weight = torch.nn.Parameter(layer[0].weight.detach() - 1)


@pytest.mark.parametrize("change", [change_in_place, change_by_a_file, change_memory, change_parameter])
def test_the_copy_of_a_weight_is_never_an_old_one(rounded, change):
    (layer, optimiser), _ = rounded
    x = torch.randn(10, 64)

    def same_as_without():
        with training.computing("cpu", "bfloat16"):
            return torch.equal(layer(x), copy.deepcopy(net_without_copies(layer))(x))

    with optimiser_.rounded(layer, optimiser, "bfloat16"):
        assert same_as_without()
        bfloat16_step(layer, optimiser, x)
        before = layer(x)
        assert same_as_without()
        change(layer)
        assert same_as_without() and not torch.equal(layer(x), before)
        bfloat16_step(layer, optimiser, x)
        assert same_as_without()
    assert same_as_without()


def net_without_copies(layer):
    plain = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.Linear(32, 4))
    plain.load_state_dict(layer.state_dict())
    return plain


def test_training_in_bfloat16_uses_copies_in_float32_none(monkeypatch):
    """And a run that stops within an epoch leaves the network as it was."""
    monkeypatch.setattr(optimiser_, "LARGE", 64 * 32)
    steps, step = [], optimiser_._step
    monkeypatch.setattr(optimiser_, "_step", lambda *what: steps.append(what[2].shape) or step(*what))
    x, y = torch.rand(20, 1, 8, 8), torch.arange(20) % 4
    found = {}
    for precision in ("", "bfloat16"):
        net = networks.conv_net("FC32-PLIF-FC40-PLIF-APk10s10", (1, 8, 8), lambda _: PLIF())
        budget = {"epochs": 2, "batch_size": 10, "learning_rate": 1e-2, "precision": precision}
        training.fit(net, (x, y), (x, y), direct_4, **budget)
        found[precision] = len(steps)

        def stop(rates, y):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            training.fit(net, (x, y), (x, y), direct_4, **budget, loss=stop)
        assert not any("forward" in vars(module) for module in net.modules())
    assert found == {"": 0, "bfloat16": 4}
    assert set(steps) == {(32, 64)}
