"""Random numbers that every recorded run rests on, written down: move one, and all runs are others."""

import pytest
import torch

from snnlib import encoding, networks, training
from snnlib.neurons import FirstOrder

PROBABILITIES = torch.tensor([[0.1, 0.5, 0.9, 1.0], [0.0, 0.3, 0.75, 0.62]])
SPIKES = [  # generator seed 7; [B, N], the seven steps of one value side by side
    ["0000100", "1100011", "1111111", "1111111"],
    ["0000000", "1000010", "1110111", "1001100"],
]


def _side_by_side(spikes):
    return [["".join(str(int(s)) for s in value) for value in sample] for sample in spikes.permute(1, 2, 0)]


@pytest.mark.parametrize("way", ["compiled", "listed", "in torch's own operations"])
def test_the_spikes_of_the_bernoulli_encoder(way, monkeypatch):
    generator = torch.Generator().manual_seed(7)
    if way == "listed":
        spikes = encoding.bernoulli_spikes(PROBABILITIES, 7, generator).dense()
    else:
        if way != "compiled":
            monkeypatch.setattr(encoding.ops, "has_kernel", lambda _: False)
        spikes = encoding.bernoulli(PROBABILITIES, 7, generator)
    assert _side_by_side(spikes) == SPIKES


STREAMS = {
    "weights": (684422423885802804, 1217782203868100011),
    "order": (2642214822200754157, 7350971890082205601),
    "encode": (3701806381839087582, 3615190336403320489),
    "dropout": (7877870650150680537, 3811389899448621179),
    "evaluate": (2030670886058631263, 5190598035338474525),
    "test order": (8287349854214123503, 7675330395176726739),
    "validation": (5629096080518810441, 5792235623972979172),
}


@pytest.mark.parametrize("purpose", sorted(STREAMS))
def test_the_seed_of_each_stream(purpose):
    """(seed 0, epoch 0) and (seed 3, epoch 2) of every purpose that the library draws for."""
    assert tuple(training.stream_seed(*at, purpose) for at in ((0, 0), (3, 2))) == STREAMS[purpose]


def test_each_use_draws_from_the_stream_of_its_name(task, monkeypatch):
    """What training asks for, with its epoch: a purpose renamed or shared would move the numbers."""
    asked = []
    plain = training.stream_seed
    monkeypatch.setattr(training, "stream_seed", lambda *stream: asked.append(stream) or plain(*stream))
    training.initialise(3)
    network = networks.mlp(64, 8, 4, lambda size: FirstOrder())
    sets = (task.train_x, task.train_y), (task.test_x, task.test_y)
    budget = {"epochs": 1, "batch_size": 60, "learning_rate": 1e-2, "validation": 0.5}
    training.fit(network, *sets, task.encode, seed=3, **budget)
    assert set(asked) == {
        (3, 0, "weights"),
        (3, 0, "validation"),
        (3, 0, "evaluate"),
        (0, 0, "test order"),
        (3, 1, "order"),
        (3, 1, "encode"),
        (3, 1, "dropout"),
    }
    assert {purpose for *_, purpose in asked} == set(STREAMS)
