"""What a run costs is counted on the network itself."""

import json
from dataclasses import replace

import pytest
import torch

from snnlib import networks
from snnlib.neurons import FirstOrder
from snnlib.runs import plan, store
from snnlib.tests.runs.samples import BASE, PLIF, made


def test_work_of_a_sample():
    net = networks.mlp(6, 5, 2, lambda size: FirstOrder())
    assert plan.work_per_sample(net, torch.rand(3, 4, 6)) == (3 * (6 * 5 + 5 * 2), 3 * 7)


def test_sizes_are_those_of_the_data_at_hand(small_world):
    one = plan.seconds(BASE) - 1
    assert plan.seconds(replace(BASE, train_samples=0, test_samples=0)) - 1 > 1.4 * one
    more = replace(BASE, train_samples=10**6, test_samples=10**6)  # all there are
    assert plan.seconds(more) == plan.seconds(replace(BASE, train_samples=120, test_samples=60))


def test_a_gpu_is_known_by_its_own_runs_alone(small_world, results_in, folder):
    assert plan.gpus("test") == [] and plan.speed("test", "NVIDIA T")[0](BASE) is None
    store.folder("test").mkdir(parents=True)
    measured = made(BASE, seconds=500.0, device="NVIDIA T1000")
    (store.folder("test") / f"{BASE.hash}.json").write_text(json.dumps(measured))
    assert plan.gpus("test") == ["NVIDIA T1000"]
    rate, basis = plan.speed("test", "NVIDIA T1000")
    assert basis == "this profile's finished runs" and rate(PLIF) is None
    assert plan.left([replace(BASE, seed=1)], "test", "NVIDIA T1000")[0] == pytest.approx(500, rel=0.01)
    assert plan.speed("test")[0](BASE) is None  # nothing on a CPU
