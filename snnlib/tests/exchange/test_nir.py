"""Networks as NIR graphs: they come back with the same spikes, and run in other simulators."""

import dataclasses
import json
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from snnlib import LIF, PLIF, FirstOrder, SecondOrder, conv_net, mlp, paths, recorded_spikes
from snnlib.exchange import __main__ as command
from snnlib.exchange import compare, simulators
from snnlib.runs import execute, kept, store
from snnlib.tests.runs.samples import PLIF as RUN

nir = pytest.importorskip("nir")
from snnlib.exchange import nir_graph  # noqa: E402

NOTATION = "c4k3s1-BN-PLIF-MPk2s2-c4k3s1-BN-PLIF-APk2s2-DP-FC20-PLIF-DP-FC20-PLIF-APk10s10"


def busy(notation=NOTATION, neuron=lambda size: PLIF(tau=2.3), seed=0):
    """A network with statistics of its own, each of whose layers spikes."""
    torch.manual_seed(seed)
    network = conv_net(notation, (1, 8, 8), neuron).eval()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
                module.weight.uniform_(1, 3)
                module.bias.normal_(1)
            if isinstance(module, torch.nn.Linear):
                module.weight.uniform_(-0.2, 1)
    return network


X = torch.rand(7, 16, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 4


@torch.no_grad()
def spikes_of(network):
    with recorded_spikes(network) as spikes:
        network(X)
    return spikes


@pytest.mark.parametrize(
    "neuron", [lambda n: PLIF(tau=2.3), lambda n: LIF(tau=3.0, threshold=0.7, v_reset=-0.1)]
)
def test_a_network_comes_back_from_its_file_with_the_same_spikes(neuron, tmp_path):
    network = busy(neuron=neuron)
    nir.write(str(tmp_path / "a.nir"), nir_graph.to_nir(network, (1, 8, 8)))
    again = nir_graph.from_nir(tmp_path / "a.nir")
    kinds = [[type(layer).__name__ for layer in each] for each in (network, again)]
    assert kinds[1] == [name for name in kinds[0] if name != "TimeSharedDropout"]
    for ours, theirs in zip(spikes_of(network), spikes_of(again), strict=True):
        assert 0.02 < ours.mean() < 0.98
        assert (ours != theirs).float().mean() < 1e-3  # the folded normalisation rounds otherwise
    with torch.no_grad():
        assert (network(X) != again(X)).float().mean() < 0.01


def test_each_layer_is_written_as_the_table_says():
    graph = nir_graph.to_nir(busy(), (1, 8, 8))
    kinds = [type(node).__name__ for node in graph.nodes.values()]
    assert kinds == [
        *("Input", "Conv2d", "LIF", "SumPool2d", "Threshold", "Conv2d", "LIF", "AvgPool2d", "Flatten"),
        *("Linear", "LIF", "Linear", "LIF", "Linear", "Output"),
    ]
    lif = graph.nodes["layer1_plif"]
    assert lif.tau == pytest.approx(2.3e-4) and lif.tau.shape == (4, 8, 8)
    assert (lif.r == 1).all() and (lif.v_threshold == 1).all() and not lif.v_reset.any()
    assert (graph.nodes["layer2_any"].threshold == 0.5).all()
    voting = graph.nodes[list(graph.nodes)[-2]].weight
    assert voting.shape == (2, 20) and voting.sum(1) == pytest.approx(1) and voting[0, 10:].sum() == 0


def test_nir_fires_above_its_threshold_and_plif_on_it():
    """By NIR's equations: tau dv/dt = v_leak - v + r I, a spike where v > v_threshold."""
    current = torch.tensor([2.0, 0.0, 2.0, 3.0]).view(4, 1, 1)  # H = 1 exactly, tau = 2
    graph = nir_graph.to_nir(torch.nn.Sequential(PLIF(tau=2.0)), (1,))
    (node,) = (node for node in graph.nodes.values() if isinstance(node, nir.LIF))
    v, theirs = np.zeros(1), []
    for step in current.numpy():
        v = v + nir_graph.DT / node.tau * (node.v_leak - v + node.r * step[0])
        theirs.append(float((v > node.v_threshold)[0]))
        v = np.where(v > node.v_threshold, node.v_reset, v)
    assert PLIF(tau=2.0)(current).flatten().tolist() == [1, 0, 1, 1]
    assert theirs == [0, 0, 1, 1]  # on the threshold it is silent, and remembers


def test_max_pooling_of_spikes_is_a_sum_above_one_half():
    spikes = (torch.rand(50, 3, 8, 8) < 0.2).float()
    pooled = torch.nn.functional.max_pool2d(spikes, 2)
    assert torch.equal(pooled, (4 * torch.nn.functional.avg_pool2d(spikes, 2) > 0.5).float())


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        (mlp(4, 5, 2, lambda n: LIF(tau=2.0)), "NIR has no node for Sigmoid"),
        (torch.nn.Sequential(SecondOrder()), "NIR has no node for SecondOrder"),
        (torch.nn.Sequential(FirstOrder()), "NIR has no node for FirstOrder"),
    ],
)
def test_what_nir_cannot_say_is_one_sentence(network, sentence):
    with pytest.raises(ValueError, match=sentence):
        nir_graph.to_nir(network, (4,))


def test_a_normalisation_that_no_convolution_takes_in_is_one_sentence():
    with pytest.raises(ValueError, match="NIR has no node for BatchNorm2d that follows no convolution"):
        nir_graph.to_nir(busy("BN-" + NOTATION), (1, 8, 8))


def test_the_network_stays_as_it_is_and_the_graph_too():
    network = busy().train()
    network[0].eval()  # one layer is held
    modes = [module.training for module in network.modules()]
    graph = nir_graph.to_nir(network, (1, 8, 8))
    assert [module.training for module in network.modules()] == modes
    written = [node.weight.copy() for node in graph.nodes.values() if hasattr(node, "weight")]
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    left = [node.weight for node in graph.nodes.values() if hasattr(node, "weight")]
    assert all(np.array_equal(a, b) for a, b in zip(written, left, strict=True))


def spoilt(change):
    graph = nir_graph.to_nir(busy(), (1, 8, 8))
    change(graph)
    return graph


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda g: g.nodes["layer1_plif"].tau.__setitem__((0, 0, 0), 1.0), "layer1_plif .* several tau"),
        (lambda g: g.nodes["layer1_plif"].r.fill(2.0), "layer1_plif .* must have r = 1"),
        (
            lambda g: g.nodes["layer2_any"].threshold.fill(1.5),
            "layer2_pool .* is SumPool2d, which is not read",
        ),
        (lambda g: g.nodes.update(layer1_plif=nir.IF(np.ones(4), np.ones(4))), "layer1_plif .* is IF, which"),
        (lambda g: g.edges.append(("input", "output")), "branches"),
        (lambda g: g.nodes["layer5_pool"].padding.fill(1), "pads its pooling"),
    ],
)
def test_what_is_not_read_is_one_sentence(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        nir_graph.from_nir(spoilt(change))


def test_a_file_that_is_no_graph_is_one_sentence(tmp_path):
    (tmp_path / "a.nir").write_bytes(b"abc")
    with pytest.raises(ValueError, match="a.nir is no NIR graph"):
        nir_graph.from_nir(tmp_path / "a.nir")


def test_without_nir_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "nir", None)
    with pytest.raises(ValueError, match="needs the package nir: `pip install"):
        nir_graph.to_nir(busy(), (1, 8, 8))


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"run": "nosuchrun"}, "not of a recorded run .'nosuchrun' is none"),
        ({}, "not of a recorded run"),
        ({"run": "nosuchrun", "layers": 2}, "Only the first 2 layers of this network are kept"),
    ],
)
def test_a_network_without_a_known_test_set_is_one_sentence(config, sentence):
    with pytest.raises(ValueError, match=sentence):
        compare.tested_on(config)


def test_a_kept_network_is_tested_as_its_record_was(folder, results_in, small_world, capsys):
    (record,) = execute.run([RUN], "test", workers=1, progress=False)
    store.add([(record, results_in / "test" / "runs" / f"{RUN.hash}.pt")])
    place = kept.place(RUN.hash)
    assert command.main(["test", str(place)]) == 0
    right = record["accuracy_last"]
    assert capsys.readouterr().out.startswith(f"{right} % on 40 test samples of Bright quarters (stand-in)")
    config = json.loads((place / "config.json").read_text())
    for changed, sentence in (
        ({"time_steps": 2}, "says time_steps 2, but quarters as plif uses it has 4"),
        ({"input_shape": [1, 8, 9]}, "describes no network|says input_shape|does not hold this network"),
        ({"encoding": "bernoulli"}, "says encoding bernoulli, but quarters as plif uses it has direct"),
    ):
        (place / "config.json").write_text(json.dumps(config | changed))
        assert command.main(["test", str(place)]) == 2
        assert re.search(sentence, capsys.readouterr().err)


@pytest.mark.parametrize("platform", simulators.PLATFORMS)
def test_another_simulator_gives_the_same_spikes_and_says_what_it_does_on_the_threshold(platform, tmp_path):
    pytest.importorskip(platform)
    network = busy(NOTATION.replace("MP", "AP"))
    nir.write(str(tmp_path / "a.nir"), nir_graph.to_nir(network, (1, 8, 8)))
    outputs, rates = simulators.run(platform, str(tmp_path / "a.nir"), X)
    ours = spikes_of(network)
    assert rates == pytest.approx([layer.mean().item() for layer in ours], abs=2e-3)
    with torch.no_grad():
        assert (outputs - network(X)).abs().max() < 1e-6 or (outputs != network(X)).float().mean() < 0.01
    nir.write(str(tmp_path / "b.nir"), nir_graph.to_nir(torch.nn.Sequential(PLIF(tau=2.0)), (1,)))
    on_it, _ = simulators.run(platform, str(tmp_path / "b.nir"), torch.full((1, 1, 1), 2.0))
    assert on_it.item() == {"snntorch": 0, "spikingjelly": 1}[platform]


def test_a_kept_network_beside_itself_elsewhere(
    folder, results_in, small_world, tmp_path, monkeypatch, capsys
):
    """With a stand-in for the simulators: the way through, the file and the table."""
    run = dataclasses.replace(RUN, network=RUN.network.replace("MP", "AP"))
    (record,) = execute.run([run], "test", workers=1, progress=False)
    store.add([(record, results_in / "test" / "runs" / f"{run.hash}.pt")])
    place = kept.place(run.hash)
    assert command.main(["nir", str(place), str(tmp_path / "a.nir")]) == 0

    def here(platform, path, x_seq):
        network = nir_graph.from_nir(path)
        with torch.no_grad(), recorded_spikes(network) as spikes:
            return network(x_seq), [layer.mean().item() for layer in spikes]

    monkeypatch.setattr(simulators, "PLATFORMS", {"numpy": None})  # a package that is always there
    monkeypatch.setattr(simulators, "run", here)
    assert command.main(["compare", str(place), "--to", str(tmp_path), "--samples", "30"]) == 0
    assert "accuracy, % of 30" in capsys.readouterr().out
    table = pd.read_csv(tmp_path / "numpy.csv")
    assert list(table.columns) == ["quantity", "ours", "numpy"] and len(table) == 2 + 3 + 2
    assert table.numpy[:4].tolist() == pytest.approx(table.ours[:4].tolist(), abs=5e-3)
    assert (
        table.numpy[5] == 0 <= table.numpy[4]
    )  # it is the graph read back; a folded norm may round otherwise
    about = json.loads((tmp_path / "numpy.json").read_text())
    assert about["folder"] == place.name and about["versions"]["nir"] and "stand-in" in about["data"]
    assert command.main(["compare", str(place), "--to", str(tmp_path), "--samples", "-1"]) == 2
    assert "-1 samples make no test set" in capsys.readouterr().err

    def otherwise(*arguments):
        outputs, rates = here(*arguments)
        outputs[0, 0] += 0.1  # one sample's votes of one step
        return outputs, rates

    monkeypatch.setattr(simulators, "run", otherwise)
    command.main(["compare", str(place), "--to", str(tmp_path), "--samples", "30"])
    assert pd.read_csv(tmp_path / "numpy.csv").numpy[6] == 10
    monkeypatch.setattr(simulators, "PLATFORMS", {"no_such_simulator": None})
    assert command.main(["compare", str(place), "--to", str(tmp_path)]) == 2
    assert "Neither snnTorch nor SpikingJelly is installed" in capsys.readouterr().err


def test_the_file_for_other_environments_needs_nothing_of_ours(tmp_path):
    code = (paths.ROOT / "snnlib" / "exchange" / "simulators.py").read_text()
    assert "snnlib" not in code
    (tmp_path / "simulators.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "simulators.py", "--help"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0 and "spikingjelly" in done.stdout
