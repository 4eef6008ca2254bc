"""What a run costs is counted on the network itself."""

import json
from dataclasses import replace

import pytest
import torch

from snnlib import networks
from snnlib.neurons import FirstOrder
from snnlib.runs import gpus, plan, store
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
    assert basis == "this profile's finished runs (one run or column at a time)" and rate(PLIF) is None
    assert plan.left([replace(BASE, seed=1)], "test", "NVIDIA T1000")[0] == pytest.approx(500, rel=0.01)
    assert plan.speed("test")[0](BASE) is None  # nothing on a CPU


def at(clock, run, seconds, parts=1):
    """A record of a run that ended at ``clock`` on a GPU after so many seconds."""
    finished = f"2026-01-01T{clock}Z"
    return made(run, seconds=seconds / parts, device="NVIDIA T1000", finished=finished)


def test_runs_that_shared_a_gpu_count_with_their_share_of_its_time(small_world, results_in, folder):
    seeds = [replace(PLIF, seed=seed) for seed in range(4)]
    apart = [at("10:10:00", seeds[0], 600), at("10:30:00", seeds[1], 660)]
    assert plan.side_by_side(apart) == 1 == plan.side_by_side([])
    assert plan.side_by_side([*apart, made(seeds[2]), at("now", seeds[3], 1)]) == 1  # not told when
    shared = [at("10:10:00", seeds[0], 600), at("10:10:30", seeds[1], 630), at("10:09:00", seeds[2], 270)]
    assert plan.side_by_side(shared) == pytest.approx(1500 / 630)
    column = [at("10:10:00", seeds[0], 600, parts=2), at("10:10:01", seeds[1], 600, parts=2)]
    assert plan.side_by_side(column) == 1  # trained as one network
    place = store.folder("test")
    place.mkdir(parents=True)
    for run, record in zip(seeds, shared, strict=False):
        (place / f"{run.hash}.json").write_text(json.dumps(record))
    assert plan.speed("test", "NVIDIA T1000")[1] == "this profile's finished runs (about 2 side by side)"
    assert plan.left(seeds[3:], "test", "NVIDIA T1000") == [pytest.approx(630 / 3, rel=0.01)]
    for run, record in zip(seeds, shared, strict=False):  # CPU runs have a core each
        (place / f"{run.hash}.json").write_text(json.dumps(record | {"device": "CPU, 1 thread"}))
    assert plan.left(seeds[3:], "test") == [pytest.approx(1500 / 3, rel=0.01)]


def test_a_gpu_that_was_never_measured_is_estimated_from_its_data_sheet(small_world, results_in, folder):
    names = ("NVIDIA H100 80GB HBM3", "h100", "NVIDIA GeForce RTX 4090", "Tesla T4", "NVIDIA A100-SXM4-80GB")
    assert [gpus.sheet(name) for name in names] == [
        gpus.SHEETS[n] for n in ("H100", "H100", "RTX 4090", "T4", "A100")
    ]
    others = ("NVIDIA H100 PCIe", "NVIDIA H100 NVL", "NVIDIA A100-PCIE-40GB", "NVIDIA A100-SXM4-40GB")
    assert {gpus.sheet(name) for name in others} == {None}
    assert gpus.sheet("NVIDIA T1000") is gpus.sheet("RTX 3090") is gpus.sheet("") is None
    long = replace(PLIF, epochs=10)
    assert gpus.seconds(long, "H100") == pytest.approx(10 * gpus.seconds(replace(PLIF, epochs=1), "H100"))
    assert gpus.left([long], "test", "H100") == gpus.seconds(long, "H100")
    launched = gpus.LAUNCHES * gpus.LAUNCH * 10 * plan.samples_of(long)[0] / long.batch_size
    assert launched < gpus.seconds(long, "H100") < gpus.seconds(long, "T4")


def test_the_estimate_of_a_paper_size_run_is_counted_by_hand(small_world, monkeypatch):
    """Table S1's Fashion-MNIST net: 335 million multiply-adds and 1.02 million neuron-steps a sample."""
    monkeypatch.setattr(plan, "_sizes", lambda *_: (60_000, 10_000))
    net = {"task": "fashion_mnist", "network": networks.TABLE_S1["fashion_mnist"], "task_options": ()}
    run = replace(PLIF, **net, train_samples=0, test_samples=0, batch_size=16, epochs=1)
    multiply_adds, neuron_steps, weights = plan.work(run)
    products = 8 * (128 * 128 * 9 * 14**2 + 128 * 49 * 2048 + 2048 * 100)
    assert multiply_adds == pytest.approx(products + 128 * 9 * 28**2)
    assert neuron_steps == 8 * (128 * (28**2 + 14**2) + 2048 + 100)
    assert weights == pytest.approx(128 * 9 * 129 + 128 * 49 * 2048 + 2048 * 100, rel=1e-3)
    assert gpus.memory([run]) == 2 * 2**30 + 16 * 40 * neuron_steps + 16 * weights
    assert gpus.memory([run]) / 2**30 == pytest.approx(3.0, rel=0.1)  # on an H100
    assert gpus.memory([run, run]) - gpus.memory([run]) == gpus.memory([run]) - gpus.memory([])
    sample = 6 * multiply_adds / (0.4 * 67e12) + 40 * neuron_steps / (0.6 * 3350e9)
    step = 28 * weights / (0.6 * 3350e9) + 200 * 1.5e-6
    assert gpus.seconds(run, "H100") == pytest.approx((60_000 + 10_000 / 3) * sample + 3750 * step)
    assert gpus.seconds(replace(run, precision="bfloat16"), "H100") < gpus.seconds(run, "H100") / 2
