"""Checkpoints of the PLIF authors: synthetic ones with their classes' names and their shapes."""

import sys
import types

import pytest
import torch
from torch import nn

import snnlib
from snnlib import networks
from snnlib.exchange import __main__ as command
from snnlib.exchange import authors

NETS = ("MNIST", "FashionMNIST", "Cifar10", "NMNIST", "CIFAR10DVS", "DVS128Gesture")
SHAPES = {  # task -> (channels in, maps, convolutions, first FC, sides, classes)
    "mnist": (1, 128, 2, 6272, 2048, 10),
    "fashion_mnist": (1, 128, 2, 6272, 2048, 10),
    "cifar10": (3, 256, 6, 16384, 2048, 10),
    "n_mnist": (2, 128, 2, 8192, 2048, 10),
    "cifar10_dvs": (2, 128, 4, 8192, 2048, 10),
    "dvs128_gesture": (2, 128, 5, 2048, 512, 11),
}


@pytest.fixture
def theirs(monkeypatch):
    """Modules with the names of theirs, there while a checkpoint is written and gone when it is read."""
    made = {}
    for name in ("models", "spikingjelly", "spikingjelly.clock_driven", "spikingjelly.clock_driven.neuron",
                 "spikingjelly.clock_driven.layer", "spikingjelly.clock_driven.surrogate"):  # fmt: skip
        made[name] = types.ModuleType(name)

    def named(module, name, base=nn.Module):
        cls = type(name, (base,), {"__module__": module})
        setattr(made[module], name, cls)
        return cls

    driven = "spikingjelly.clock_driven"
    classes = {
        "atan": named(f"{driven}.surrogate", "ATan"),
        "dropout": named(f"{driven}.layer", "Dropout"),
        "LIF": named(f"{driven}.neuron", "LIFNode"),
        "PLIF": named("models", "PLIFNode"),
        **{task: named("models", f"{name}Net") for task, name in zip(SHAPES, NETS, strict=True)},
    }

    def node(kind, a=0.3):
        neuron = classes[kind]()
        neuron.surrogate_function, neuron.v, neuron.v_threshold = classes["atan"](), 0.0, 1.0
        if kind == "PLIF":
            neuron.w = nn.Parameter(torch.tensor(a))
        return neuron

    def checkpoint(task, path, kind="PLIF", plain=False):
        torch.manual_seed(3)
        inputs, maps, convolutions, flat, features, classes_ = SHAPES[task]
        net, still, layers = classes[task](), task in ("mnist", "fashion_mnist", "cifar10"), []
        for number in range(convolutions):
            norm = nn.BatchNorm2d(maps)
            norm.running_mean.normal_()
            layers += [nn.Conv2d(maps if number else inputs, maps, 3, padding=1, bias=False), norm]
            layers += [node(kind, 0.1 * number), nn.MaxPool2d(2, 2)]
        net.T, net.epoch, net.max_test_accuracy = 8, 3, 0.5
        if still:
            net.static_conv = nn.Sequential(*layers[:2])
        net.conv = nn.Sequential(*layers[2 * still :])
        net.fc = nn.Sequential(
            *(nn.Flatten(), classes["dropout"](), nn.Linear(flat, features, bias=False), node(kind, 1.0)),
            *(classes["dropout"](), nn.Linear(features, 10 * classes_, bias=False), node(kind, -1.0)),
        )
        net.boost = nn.AvgPool1d(10, 10)
        with monkeypatch.context() as patch:
            for name, module in made.items():
                patch.setitem(sys.modules, name, module)
            torch.save(
                net.state_dict() if plain else {"net": net, "optimizer": {}, "log_data_list": [[]]}, path
            )
        return net

    return checkpoint


@pytest.mark.parametrize(
    ("task", "kind", "plain"),
    [("fashion_mnist", "PLIF", False), ("dvs128_gesture", "PLIF", True), ("cifar10", "LIF", False)],
)
def test_a_checkpoint_becomes_a_folder_with_their_weights(theirs, tmp_path, task, kind, plain):
    path = tmp_path / "net_init_tau_16.0.pt"
    net = theirs(task, path, kind, plain)
    assert "models" not in sys.modules
    network = authors.convert(path, task, tmp_path / "folder")
    assert network.config["neuron"]["kind"] == kind and network.config["network"] == networks.TABLE_S1[task]
    convs, ours = ([m for m in each.modules() if isinstance(m, nn.Conv2d)] for each in (net, network))
    assert all(torch.equal(a.weight, b.weight) for a, b in zip(convs, ours, strict=True))
    norms, ours = ([m for m in each.modules() if isinstance(m, nn.BatchNorm2d)] for each in (net, network))
    assert all(torch.equal(a.running_mean, b.running_mean) for a, b in zip(norms, ours, strict=True))
    if kind == "PLIF":
        learned = [m.w.item() for m in net.modules() if hasattr(m, "w")]
        assert [n.a.item() for n in snnlib.neuron_layers(network)] == learned
    else:
        assert {n.tau for n in snnlib.neuron_layers(network)} == {16.0}


def test_what_is_no_such_checkpoint_is_one_sentence(theirs, tmp_path, capsys):
    def said(path, task="fashion_mnist"):
        arguments = ["authors", str(path), "--task", task, "--to", str(tmp_path / "folder")]
        assert command.main(arguments) == 2 and not (tmp_path / "folder").exists()
        return capsys.readouterr().err

    path = tmp_path / "a.pt"
    assert "No such file" in said(path)
    path.write_bytes(b"abc")
    assert "is no checkpoint of the PLIF authors" in said(path)
    theirs("fashion_mnist", path, "LIF")
    assert "whose tau is not in its weights" in said(path)
    theirs("dvs128_gesture", path)
    assert "does not hold Table S1's net for fashion_mnist" in said(path)
    assert "Table S1 has no net for 'imagenet'" in said(path, "imagenet")


def test_a_checkpoint_with_code_in_it_runs_none(tmp_path):
    class Evil:
        def __reduce__(self):
            return (print, ("run",))

    torch.save({"net": Evil()}, tmp_path / "a.pt")
    with pytest.raises(ValueError, match="is no checkpoint of the PLIF authors"):
        authors.read(tmp_path / "a.pt")


def test_average_pooling_is_read_from_the_files_name(theirs, tmp_path):
    path = tmp_path / "FashionMNIST_use_max_pool_False.pt"
    theirs("fashion_mnist", path)
    assert "APk2s2" in authors.convert(path, "fashion_mnist", tmp_path / "folder").config["network"]


def test_the_network_of_a_folder_is_tested_beside_table_2(theirs, tmp_path, capsys, monkeypatch):
    theirs("fashion_mnist", tmp_path / "a.pt")
    monkeypatch.setattr(command, "evaluate", lambda network, *_: (12.5, [0.25]))
    authors.convert(tmp_path / "a.pt", "fashion_mnist", tmp_path / "folder")
    assert command.main(["test", str(tmp_path / "folder")]) == 0
    said = capsys.readouterr().out
    assert said.startswith("12.5 % on ") and "the PLIF paper's Table 2 has 94.38 %." in said
