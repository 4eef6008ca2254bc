"""Every kernel that the papers' networks launch compiles for a GPU, in processes side by side."""

import json
import os
import subprocess
import sys
from collections import Counter

import pytest
import torch

from snnlib import networks, paths

pytest.importorskip("triton")
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"


@pytest.mark.skipif(INTERPRETED, reason="the interpreter compiles nothing")
def test_every_launch_of_the_papers_networks_compiles():
    parts = min(len(os.sched_getaffinity(0)), 8)
    command = [sys.executable, "-m", "snnlib.tests.core.gpu_launches"]
    options = {"cwd": paths.ROOT, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    running = [subprocess.Popen([*command, str(part), str(parts)], **options) for part in range(parts)]
    found, expected = [], 0
    for process in running:
        out, problem = process.communicate(timeout=900)
        assert process.returncode == 0, problem
        *compiled, last = map(json.loads, out.splitlines())
        found, expected = found + compiled, last["of"]
    assert len(found) == expected
    kernels = Counter(one["kernel"] for one in found)
    assert set(kernels) == {
        *(f"{module}.{way}" for module in ("gpu", "gpu_block") for way in ("_forward", "_backward")),
        "gpu_block._through_statistics",
        "gpu_encoding._bernoulli",
    }
    assert kernels["gpu_block._forward"] == kernels["gpu_block._backward"] == 12, kernels
    assert {one["for"].split()[0] for one in found} >= {"float32", "bfloat16"}
    # A single rounding would move spikes.
    assert not [one for one in found if one["fused multiply-add"] and "statistics" not in one["kernel"]]


@pytest.mark.parametrize("task", networks.TABLE_S1)
def test_a_step_dispatches_few_operators(task):
    """Of Table S1's nets: one operator of ours each way for normalisation, neurons and pooling, and few of
    PyTorch's beside it.
    """
    from snnlib.tests.core import gpu_launches

    noted = gpu_launches.plif_step(task, torch.float32)
    convolutions = networks.expand(networks.TABLE_S1[task]).count("BN")
    assert [name for name, _ in noted.own].count("block") == convolutions
    assert [name for name, _ in noted.own].count("neuron") == 2
    assert noted.count < 120 + 40 * convolutions
