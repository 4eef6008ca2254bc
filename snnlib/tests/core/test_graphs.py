"""Captured training steps: the same numbers as the step itself, on a CPU and, if there is one, on a GPU."""

import contextlib
import copy
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from snnlib import encoding, graphs, networks, training
from snnlib.neurons import PLIF, FirstOrder

DEVICES = ["cpu"] + ["cuda"] * torch.cuda.is_available()


def a_step(device):
    torch.manual_seed(1)
    first = nn.Sequential(nn.Linear(12, 20), nn.BatchNorm1d(20), nn.Unflatten(0, (4, 6)))
    net = nn.Sequential(first, PLIF(), nn.Linear(20, 3)).to(device)
    optimiser = torch.optim.Adam(net.parameters(), lr=0.01, capturable=device == "cuda")

    def step(x, y):
        optimiser.zero_grad()
        loss = nn.functional.mse_loss(net(x).mean(0), y)
        loss.backward()
        optimiser.step()
        return loss.detach()

    return net, optimiser, step


@pytest.mark.parametrize("device", DEVICES)
def test_same_numbers_as_the_step_itself(device):
    batches = [(3 * torch.randn(24, 12, device=device), torch.randn(6, 3, device=device)) for _ in range(5)]
    net, _, step = a_step(device)
    losses = [step(*batch).item() for batch in batches]
    other, optimiser, step = a_step(device)
    fast = graphs.captured(step, (other, optimiser))
    torch.testing.assert_close([fast(*batch).item() for batch in batches], losses)
    assert losses[-1] != losses[0]
    for mine, plain in zip(other.state_dict().values(), net.state_dict().values(), strict=True):
        torch.testing.assert_close(mine, plain)


def same(one: dict, other: dict) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_recording_leaves_no_trace():
    net, optimiser, step = a_step("cpu")
    before = copy.deepcopy(net.state_dict())
    restore = graphs.remembered((net, optimiser))
    x, y = torch.randn(24, 12), torch.randn(6, 3)
    first = step(x, y).item()
    for _ in range(3):
        assert step(x, y).item() != first
    assert not same(before, net.state_dict())
    restore()
    assert same(before, net.state_dict())
    assert step(x, y).item() == first
    fresh, _, step = a_step("cpu")
    step(x, y)
    assert same(fresh.state_dict(), net.state_dict())


@pytest.mark.parametrize("device", DEVICES)
def test_other_inputs_are_computed_afresh(device):
    fast = graphs.captured(lambda x: x.sum())
    assert fast(torch.ones(4, 3, device=device)) == 12
    assert fast(torch.ones(1, 3, device=device)) == 3
    double = fast(torch.full((4, 3), 2, dtype=torch.float64, device=device))
    assert double == 24 and double.dtype == torch.float64


class Tape:
    """Stands for a CUDA graph: what is recorded runs again, on the memory that it was recorded with."""

    def __init__(self, log):
        self.log, self.generators = log, []
        log.append(self)

    def register_generator_state(self, generator):
        self.generators.append(generator)

    def replay(self):
        self.result.copy_(self.step(*self.inputs))
        self.replays = getattr(self, "replays", 0) + 1


@pytest.fixture
def tapes(monkeypatch):
    """The tapes that were recorded, on a CPU that passes for a GPU."""
    log, nothing = [], contextlib.nullcontext
    stream = SimpleNamespace(wait_stream=lambda other: None)
    cuda = {
        "device": lambda device: nothing(),
        "Stream": lambda: stream,
        "current_stream": lambda: stream,
        "stream": lambda one: nothing(),
        "current_device": lambda: 0,
        "default_generators": (torch.default_generator,),
        "CUDAGraph": lambda: Tape(log),
        "graph": lambda tape: nothing(),
    }
    for name, stand_in in cuda.items():
        monkeypatch.setattr(torch.cuda, name, stand_in)
    record = graphs._record

    def recorded(step, inputs, changes):
        def noted(*given):
            result = step(*given)
            if log:
                log[-1].step, log[-1].inputs, log[-1].result = step, given, result
            return result

        return record(noted, inputs, changes)

    monkeypatch.setattr(graphs, "_on_gpu", lambda tensor: True)
    monkeypatch.setattr(graphs, "_record", recorded)
    return log


def trained(network, encode, batch=12, device="cpu", precision=""):
    training.initialise(0)
    net = network().to(device)
    x = torch.randint(0, 255, (40, 1, 6, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    y = torch.arange(40) % 2
    settings = {"epochs": 2, "batch_size": batch, "learning_rate": 1e-2, "seed": 1, "precision": precision}
    history = training.fit(net, (x, y), (x, y), encode, **settings)
    return [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in history], net.state_dict()


NETS = {
    "conv net": (
        lambda: networks.conv_net(
            "c4k3s1-BN-PLIF-MPk2s2-DP-FC20-PLIF-APk10s10", (1, 6, 6), lambda _: PLIF(tau=1.2)
        ),
        lambda x, generator, train: encoding.direct(x.float() / 64, 4),
    ),
    "perceptron": (
        lambda: networks.mlp(36, 8, 2, lambda _: FirstOrder()),
        lambda x, generator, train: encoding.bernoulli(x.flatten(1) / 255, 5, generator),
    ),
}


@pytest.mark.parametrize("name", NETS)
def test_training_by_replay_is_training_step_by_step(name, tapes, monkeypatch):
    """Recording leaves no trace in weights, momenta and random streams; encoders are seeded anew each epoch;
    the last, shorter batch goes step by step.
    """
    replayed = trained(*NETS[name])
    (tape,) = tapes
    assert tape.replays == 2 * 3 and len(tape.generators) == 1
    assert tape.inputs[0].dtype == torch.uint8 and tape.inputs[0].shape[0] == 12
    monkeypatch.setattr(graphs, "_on_gpu", lambda tensor: False)
    plain = trained(*NETS[name])
    assert replayed[0] == plain[0] and replayed[0][-1]["train_loss"] != replayed[0][1]["train_loss"]
    assert same(replayed[1], plain[1])


def test_a_still_stays_one(tapes):
    fast = graphs.captured(lambda x: x.new_tensor(float(x.stride(0))) + x.sum())
    still = torch.rand(1, 3).expand(4, 3)
    assert fast(still) == still.sum() and fast((2 * still[:1]).expand(4, 3)) == 2 * still.sum()
    assert tapes[0].inputs[0].stride(0) == 0
    whole = still.contiguous()  # another form: not replayed on a still's memory
    assert fast(whole) == 3 + whole.sum() and tapes[0].replays == 2


def test_what_cannot_be_recorded_runs_step_by_step(tapes, monkeypatch):
    @contextlib.contextmanager
    def refusing(tape):
        yield
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(torch.cuda, "graph", refusing)
    net, optimiser, step = a_step("cpu")
    before = copy.deepcopy(net.state_dict())
    fast = graphs.captured(step, (net, optimiser))
    x, y = torch.randn(24, 12), torch.randn(6, 3)
    with pytest.warns(UserWarning, match="cannot be recorded.*not permitted"):
        first = fast(x, y).item()
    other, _, plain = a_step("cpu")
    assert same(before, other.state_dict()) and first == plain(x, y).item()
    assert fast(x, y) == plain(x, y)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", training.PRECISIONS)
@pytest.mark.parametrize("name", NETS)
def test_on_a_gpu_replay_is_training_step_by_step(name, precision, monkeypatch, recwarn):
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    replayed = trained(*NETS[name], device="cuda", precision=precision)
    assert not [w for w in recwarn if "cannot be recorded" in str(w.message)]
    monkeypatch.setattr(graphs, "_on_gpu", lambda tensor: False)
    plain = trained(*NETS[name], device="cuda", precision=precision)
    for mine, eager in zip(replayed[0][1:], plain[0][1:], strict=True):
        assert mine["train_loss"] == pytest.approx(eager["train_loss"], rel=1e-4)
    for mine, eager in zip(replayed[1].values(), plain[1].values(), strict=True):
        torch.testing.assert_close(mine, eager, rtol=1e-2, atol=1e-4)
