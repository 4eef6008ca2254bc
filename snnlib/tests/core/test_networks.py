"""Layers, encodings and the two networks: shapes, parameter counts, and that time is treated as the papers
say.
"""

import json
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from snnlib import encoding, networks
from snnlib.layers import TimeBatched, TimeSharedDropout, Voting, spike_average_pool, spike_max_pool
from snnlib.neurons import LIF, PLIF, FirstOrder, SecondOrder
from snnlib.papers import published

INPUTS = {
    "mnist": (1, 28, 28),
    "fashion_mnist": (1, 28, 28),
    "n_mnist": (2, 34, 34),
    "cifar10": (3, 32, 32),
    "cifar10_dvs": (2, 128, 128),
    "dvs128_gesture": (2, 128, 128),
}


def by_hand(channels, convs, fc_in, fc, out, plifs):
    """Weights of convs (with 2 BN numbers a map), two FC layers without bias, and one a per PLIF layer."""
    ins = [channels] + [maps for maps in convs[:-1]]
    return sum(9 * i * o + 2 * o for i, o in zip(ins, convs, strict=True)) + fc_in * fc + fc * out + plifs


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("mnist", by_hand(1, [128] * 2, 128 * 7 * 7, 2048, 100, 4)),
        ("n_mnist", by_hand(2, [128] * 2, 128 * 8 * 8, 2048, 100, 4)),
        ("cifar10", by_hand(3, [256] * 6, 256 * 8 * 8, 2048, 100, 8)),
        ("cifar10_dvs", by_hand(2, [128] * 4, 128 * 8 * 8, 2048, 100, 6)),
        ("dvs128_gesture", by_hand(2, [128] * 5, 128 * 4 * 4, 512, 110, 7)),
    ],
)
def test_table_s1_parameter_counts(name, parameters):
    with torch.device("meta"):
        net = networks.conv_net(networks.TABLE_S1[name], INPUTS[name], lambda size: PLIF())
        assert net(torch.empty(3, 2, *INPUTS[name])).shape == (3, 2, 11 if name == "dvs128_gesture" else 10)
    assert sum(p.numel() for p in net.parameters()) == parameters


def test_cifar10_has_one_dropout_and_the_others_two():
    dropouts = {name: networks.expand(notation).count("DP") for name, notation in networks.TABLE_S1.items()}
    assert dropouts == {
        "mnist": 2,
        "fashion_mnist": 2,
        "n_mnist": 2,
        "cifar10": 1,
        "cifar10_dvs": 2,
        "dvs128_gesture": 2,
    }


def test_mlp_is_table_1():
    net = networks.mlp(784, 500, 10, lambda size: SecondOrder(neurons=size, learnable=True))
    assert sum(p.numel() for p in net.parameters()) == 784 * 500 + 500 + 500 * 10 + 10 + 4 * 510
    assert net(torch.rand(20, 3, 784)).shape == (20, 3, 10)
    assert len(networks.neuron_layers(net)) == 2


def test_notation_is_expanded_narrowed_and_refused():
    assert networks.expand("{{c8k3s1-PLIF}*2-MPk2s2}*2-FC10") == [
        "c8k3s1",
        "PLIF",
        "c8k3s1",
        "PLIF",
        "MPk2s2",
    ] * 2 + ["FC10"]
    narrow = networks.narrow(networks.TABLE_S1["mnist"], 8, 32)
    assert narrow == "{c8k3s1-BN-PLIF-MPk2s2}*2-DP-FC32-PLIF-DP-FC100-PLIF-APk10s10"
    assert networks.narrow(narrow, 0, 0) == narrow
    assert "APk2s2" in networks.with_pooling(narrow, "average")
    for wrong, sentence in [
        ("c8k3s1-RELU", "Cannot read 'RELU'"),
        ("c8k3s1-PLIF-FC10", "ends with synapses"),
        ("FC12-PLIF-APk10s10", "voting layer"),
        ("{c8k3s1-PLIF-MPk2s2}*5-FC10-PLIF-APk10s10", "too small"),
    ]:
        with pytest.raises(ValueError, match=sentence):
            networks.conv_net(wrong, (1, 16, 16), lambda size: LIF())
    with pytest.raises(ValueError, match="Unknown pooling"):
        networks.with_pooling(narrow, "median")


def test_narrowing_keeps_the_last_fc_alone_whole():
    assert networks.narrow("FC10-PLIF-FC100-PLIF-APk10s10", 0, 50) == "FC50-PLIF-FC100-PLIF-APk10s10"
    in_braces = networks.narrow("c9k3s1-{FC100-PLIF}*2-APk10s10", 8, 50)
    assert networks.expand(in_braces) == "c8k3s1-FC50-PLIF-FC100-PLIF-APk10s10".split("-")


@pytest.mark.parametrize("token", ["c0k3s1", "c8k0s1", "c8k3s0", "c8k3s1-MPk2s0", "c8k3s1-APk0s2", "FC0"])
def test_sizes_of_nothing_are_refused_by_name(token):
    with pytest.raises(ValueError, match=f"'{token.split('-')[-1]}' in .* holds a 0"):
        networks.conv_net(f"{token}-PLIF-FC10-PLIF-APk2s2", (1, 16, 16), lambda size: LIF())


@pytest.mark.parametrize("shape", [(16, 16), (4, 1, 16, 16), (0, 16, 16), (1, 16.0, 16)])
def test_shapes_that_are_no_maps_are_refused(shape):
    with pytest.raises(ValueError, match="three whole numbers of at least 1, got"):
        networks.conv_net("c8k3s1-PLIF-FC10-PLIF-APk2s2", shape, lambda size: LIF())
    with pytest.raises(ValueError, match="three whole numbers of at least 1, got"):
        networks.mlp(0, 5, 2, lambda size: LIF())


@pytest.mark.parametrize("kind", [LIF, PLIF, FirstOrder, SecondOrder])
def test_a_class_is_no_factory(kind):
    for build in (
        lambda: networks.mlp(7, 5, 2, kind),
        lambda: networks.conv_net(networks.TABLE_S1["mnist"], (1, 28, 28), kind),
    ):
        with pytest.raises(ValueError, match=rf"give a function, lambda size: {kind.__name__}\(\)"):
            build()


@pytest.mark.parametrize("side", [8, 9])
def test_neurons_over_maps_share_one_set_of_parameters(side):
    """Even where a set of each map's own would fit, by chance, the columns of a map."""
    notation, shape = "c8k3s1-PLIF-FC10-PLIF-APk5s5", (1, side, side)
    each = {"kind": "PLIF", "tau": 2.0, "each": True}
    for build in (
        lambda: networks.conv_net(notation, shape, lambda size: SecondOrder(neurons=size)),
        lambda: networks.described({"network": notation, "input_shape": shape, "neuron": each}),
    ):
        with pytest.raises(ValueError, match="over maps in .* one set for the layer"):
            build()
    behind = networks.conv_net(
        "FC10-PLIF-APk5s5", shape, lambda size: SecondOrder(neurons=size, learnable=True)
    )
    assert behind(torch.rand(2, 3, *shape)).shape == (2, 3, 2)


def test_batch_normalisation_of_no_maps_is_refused():
    with pytest.raises(ValueError, match="BN need maps"):
        networks.conv_net("FC10-BN-PLIF-APk2s2", (1, 4, 4), lambda size: LIF())


def test_a_still_is_computed_once_and_means_the_same():
    calls = []
    net = networks.conv_net(
        networks.narrow(networks.TABLE_S1["mnist"], 4, 16), (1, 28, 28), lambda size: PLIF()
    ).eval()
    net[0][0].register_forward_hook(lambda _module, inputs, _out: calls.append(inputs[0].shape[0]))
    still = encoding.direct(torch.randn(3, 1, 28, 28), 8)
    repeated = still.contiguous()
    torch.testing.assert_close(net(still), net(repeated), rtol=0, atol=1e-6)
    assert calls == [3, 24]


def test_dropout_holds_one_mask_per_sample_for_all_steps():
    torch.manual_seed(0)
    kept = TimeSharedDropout(0.5)(torch.ones(8, 50, 40))
    assert torch.equal(kept, kept[:1].expand_as(kept))
    assert set(kept.unique().tolist()) == {0.0, 2.0}
    assert not torch.equal(kept[0, 0], kept[0, 1])
    assert torch.equal(TimeSharedDropout(0.5).eval()(torch.ones(2, 3, 4)), torch.ones(2, 3, 4))


def test_pooling_and_voting():
    spikes = (torch.rand(4, 2, 3, 6, 6, generator=torch.Generator().manual_seed(0)) < 0.3).float()
    windows = spikes.unfold(3, 2, 2).unfold(4, 2, 2).flatten(-2)
    assert torch.equal(spike_max_pool(2, 2)(spikes), windows.amax(-1))
    torch.testing.assert_close(spike_average_pool(2, 2)(spikes), windows.mean(-1))
    votes = torch.arange(20.0).expand(2, 1, 20)
    assert Voting(10)(votes)[0, 0].tolist() == [4.5, 14.5]


def test_time_batched_equals_a_loop_over_time():
    layer = TimeBatched(torch.nn.Linear(5, 3))
    x_seq = torch.randn(7, 4, 5)
    torch.testing.assert_close(layer(x_seq), torch.stack([layer[0](x) for x in x_seq]))


def test_encodings():
    x = torch.tensor([[0.0, 0.25, 0.8, 1.0]])
    spikes = encoding.bernoulli(x, 4000, torch.Generator().manual_seed(0))
    assert set(spikes.unique().tolist()) == {0.0, 1.0}
    assert (spikes.mean(0) - x).abs().max() < 0.03
    assert spikes[:, 0, 0].sum() == 0 and spikes[:, 0, 3].sum() == 4000
    assert torch.equal(spikes, encoding.bernoulli(x, 4000, torch.Generator().manual_seed(0)))
    counts = encoding.poisson(3 * x, 4000, torch.Generator().manual_seed(0))
    assert (counts.mean(0) - 3 * x).abs().max() < 0.12 and counts.max() > 1
    late = encoding.latency(x, 9)
    assert late.sum(0).tolist() == [[1.0] * 4]
    assert late.argmax(0).tolist() == [[8, 6, 1, 0]]
    assert encoding.direct(x, 5).shape == (5, 1, 4) and encoding.direct(x, 5).stride(0) == 0


def test_table_s1_is_the_published_one_as_corrected():
    assert networks.TABLE_S1 == published.table("plif_tableS1").set_index("dataset")["corrected"].to_dict()


def test_recorded_spikes():
    net = networks.mlp(6, 5, 2, lambda size: FirstOrder())
    with networks.recorded_spikes(net) as spikes:
        net(torch.rand(3, 4, 6))
    net(torch.rand(3, 4, 6))
    assert [tuple(s.shape) for s in spikes] == [(3, 4, 5), (3, 4, 2)]


def test_recorded_spikes_are_those_of_the_neurons_in_training_in_bfloat16_too():
    net = networks.conv_net("c4k3s1-BN-PLIF-MPk2s2-FC10-PLIF-APk5s5", (1, 8, 8), lambda size: PLIF())
    with networks.recorded_spikes(net) as spikes, torch.autocast("cpu", torch.bfloat16):
        net(torch.rand(2, 3, 1, 8, 8))
    assert [tuple(s.shape) for s in spikes] == [(2, 3, 4, 8, 8), (2, 3, 10)]


def test_a_config_holds_the_numbers_of_neurons_as_pythons():
    net = networks.mlp(4, 5, 2, lambda size: FirstOrder(threshold=np.float32(0.75), decay=np.float64(0.5)))
    config = networks.neuron_config(net)
    assert json.loads(json.dumps(config)) == config
    assert config == {"kind": "FirstOrder", "decay": 0.5, "threshold": 0.75, "half_width": 0.5}


# --- any net that the notation can write --------------------------------------------------------------------

sizes = st.sampled_from([1, 2, 3, 8])
convolutions = st.builds("c{}k{}s{}".format, sizes, st.sampled_from([1, 3, 5]), st.sampled_from([1, 2]))
blocks = st.tuples(convolutions, st.booleans(), st.sampled_from(["", "MPk2s2", "APk2s2", "MPk3s2"])).map(
    lambda parts: "-".join(filter(None, (parts[0], "BN" if parts[1] else "", "PLIF", parts[2])))
)
repeated = st.recursive(
    blocks.map(lambda block: (block, block.split("-"))),
    lambda inner: st.tuples(st.lists(inner, min_size=1, max_size=2), st.integers(1, 2)).map(
        lambda made: (
            f"{{{'-'.join(text for text, _ in made[0])}}}*{made[1]}",
            [token for _, flat in made[0] for token in flat] * made[1],
        )
    ),
    max_leaves=3,
)


@st.composite
def notations(draw):
    """(notation, its tokens one by one): convolutions, some in braces, then FC layers and the votes."""
    parts = draw(st.lists(repeated, max_size=2))
    for size in draw(st.lists(st.sampled_from([2, 7, 20, 200]), max_size=2)):
        parts.append((f"FC{size}-PLIF", [f"FC{size}", "PLIF"]))
    if draw(st.booleans()):
        parts.append(("DP", ["DP"]))
    parts.append(("FC20-PLIF-APk10s10", ["FC20", "PLIF", "APk10s10"]))
    return "-".join(text for text, _ in parts), [token for _, flat in parts for token in flat]


def side_after(token, side):
    """The width of the maps after a token, by PyTorch's formula for convolution and pooling."""
    kernel, stride = map(int, re.search(r"k(\d+)s(\d+)", token).groups())
    return (side + 2 * (kernel // 2 if token[0] == "c" else 0) - kernel) // stride + 1


@settings(max_examples=60, deadline=None)
@given(notations(), st.sampled_from([(1, 8, 8), (2, 17, 12)]))
def test_any_notation_reads_back_and_its_shapes_follow(made, shape):
    notation, tokens = made
    assert networks.expand(notation) == tokens
    assert networks.expand("-".join(tokens)) == tokens
    neurons, maps, channels, weights = [], shape[1:], shape[0], 0
    for token in tokens[:-1]:
        if token[0] == "c":
            out, kernel = map(int, re.match(r"c(\d+)k(\d+)", token).groups())
            channels, weights = out, weights + out * channels * kernel**2
        elif token.startswith("FC"):
            out, inputs = int(token[2:]), channels * (maps[0] * maps[1] if maps else 1)
            channels, maps, weights = out, (), weights + out * inputs
        elif token == "BN":
            weights += 2 * channels
        elif token == "PLIF":
            neurons.append((channels, *maps))
        if re.match("c|MP|AP", token):
            maps = tuple(side_after(token, side) for side in maps)
            if min(maps) < 1:
                with pytest.raises(ValueError, match="too small"):
                    networks.conv_net(notation, shape, lambda size: FirstOrder())
                return
    with torch.device("meta"):
        net = networks.conv_net(notation, shape, lambda size: FirstOrder())
        with networks.recorded_spikes(net) as spikes:
            assert net(torch.empty(3, 2, *shape)).shape == (3, 2, 2)
    assert [tuple(layer.shape) for layer in spikes] == [(3, 2, *neuron) for neuron in neurons]
    assert sum(p.numel() for p in net.parameters()) == weights


@given(notations(), st.sampled_from([0, 4, 16]), st.sampled_from([0, 5, 32]))
def test_narrowing_changes_sizes_and_nothing_else(made, channels, features):
    notation, tokens = made
    last = max(i for i, token in enumerate(tokens) if token.startswith("FC"))

    def narrowed(i, token):
        if channels and token.startswith("c"):
            return re.sub(r"^c\d+", f"c{channels}", token)
        return f"FC{features}" if features and token.startswith("FC") and i != last else token

    narrow = networks.narrow(notation, channels, features)
    assert networks.expand(narrow) == [narrowed(i, token) for i, token in enumerate(tokens)]
    assert re.sub(r"\d", "", narrow) == re.sub(r"\d", "", notation)
    assert networks.narrow(narrow, channels, features) == narrow
    average = networks.with_pooling(notation, "average")
    assert networks.expand(average) == [token.replace("MP", "AP") for token in tokens]
    assert networks.with_pooling(notation, "max") == notation
