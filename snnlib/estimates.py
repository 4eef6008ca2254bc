"""How long a run will take, roughly, before it starts."""

import functools

import torch

from snnlib import datasets, networks, neurons

# (train, test) samples of the whole sets.
SAMPLES = {
    "mnist": (60000, 10000),
    "fashion_mnist": (60000, 10000),
    "cifar10": (50000, 10000),
    "nettalk": (5033, 500),
    "tidigits": (2901, 1243),
    "timit": (4620, 1680),
    "n_mnist": (60000, 10000),
    "cifar10_dvs": (9000, 1000),
    "dvs128_gesture": (1176, 288),
}


def seconds(run) -> float:
    """Seconds that a run takes on one present-day CPU core."""
    multiply_adds, neuron_steps = _work(run.paper, run.task, run.network, run.task_options)
    train, test = run.train_samples or SAMPLES[run.task][0], run.test_samples or SAMPLES[run.task][1]
    passes = 3 * train + test  # backward costs about twice forward
    arithmetic = passes * (5e-11 * multiply_adds + 1e-8 * neuron_steps)
    return run.epochs * (arithmetic + 5e-4 * run.time_steps * train / run.batch_size) + 1


@functools.cache
def _work(paper: str, name: str, network: str, options: tuple) -> tuple[float, float]:
    """(multiply-adds, neuron-steps) of one sample, forward."""
    view = datasets.view(name, paper, **dict(options))
    shape, classes, steps = view["input_shape"], view["classes"], view["time_steps"]
    if paper == "mdn":
        hidden = int(network.removeprefix("mlp-"))
        return steps * hidden * (shape[0] + classes), steps * (hidden + classes)
    still = torch.zeros(1, *shape).expand(steps, 1, *shape)
    net = networks.conv_net(network, shape, lambda size: neurons.LIF())
    return networks.work_per_sample(net, still if view["encoding"] == "direct" else still.contiguous())
