"""The parts of the PLIF figures that compute something, and that every figure can be drawn from records."""

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt

from snnlib import datasets, networks
from snnlib.figures import plif_encoder, plif_network, plif_training, pooling
from snnlib.papers import published
from snnlib.results.tables import W_OVER_TAU_QUANTILES


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def test_structure_of_table_s1_is_table_1():
    for row in published.table("plif_table1").itertuples():
        counted = plif_network.structure(networks.TABLE_S1[row.dataset])
        assert counted == (row.n_conv, row.n_down, row.n_fc)


def test_stages_have_the_shapes_and_parameters_of_the_real_net():
    notation = "{c3k3s1-BN-PLIF-MPk2s2}*2-DP-FC7-PLIF-DP-FC20-PLIF-APk10s10"
    stages = plif_network.stages(notation, (2, 9, 9))
    assert list(stages.kind) == ["input", "conv", "pool", "conv", "pool", "FC", "FC", "vote"]
    assert list(stages["shape"]) == [(2, 9, 9), (3, 9, 9), (3, 4, 4), (3, 4, 4), (3, 2, 2), (7,), (20,), (2,)]
    assert list(stages.dropout) == [False] * 5 + [True, True, False]
    by_hand = (2 * 3 * 9 + 6 + 1) + (3 * 3 * 9 + 6 + 1) + (12 * 7 + 1) + (7 * 20 + 1)  # weights, BN, a
    assert plif_network.parameters(notation, (2, 9, 9)) == by_hand


def test_channels_are_chosen_by_structure_then_by_difference():
    edge, other = np.zeros((4, 4)), np.zeros((4, 4))
    edge[:, 1], other[2, :] = 1, 1
    rates = np.stack([np.full((4, 4), 0.5), 0.9 * edge, edge, 0.6 * other])[None]  # flat, copy, edge, other
    assert plif_encoder.choose_channels(rates, 2) == [2, 3]
    assert sorted(plif_encoder.choose_channels(rates, 9)) == [0, 1, 2, 3]
    assert len(plif_encoder.choose_channels(np.zeros((1, 3, 4, 4)), 2)) == 2  # silent channels, no NaN


def test_running_mean_ends_at_the_mean():
    sequence = np.random.default_rng(0).random((5, 2, 3))
    means = plif_encoder.running_mean(sequence)
    np.testing.assert_allclose(means[0], sequence[0])
    np.testing.assert_allclose(means[-1], sequence.mean(0))


def test_mosaic_puts_every_tile_in_its_place():
    tiles = np.arange(4.0).reshape(2, 2, 1, 1, 1) * np.ones((1, 1, 2, 3, 3)) / 10
    picture = plif_encoder.mosaic(tiles)
    assert picture.shape == (5, 7, 3)
    assert picture[4, 6, 0] == tiles[1, 1, 0, 0, 0] and picture[2, 0, 0] == plif_encoder.GAP


def test_windows_pool_as_pytorch_does():
    spikes = (torch.rand(3, 2, 7, 6, generator=torch.Generator().manual_seed(0)) < 0.3).float()
    windowed = pooling.windows(spikes.numpy())
    np.testing.assert_array_equal(windowed.max(-1), torch.nn.functional.max_pool2d(spikes, 2).numpy())
    np.testing.assert_array_equal(windowed.mean(-1), torch.nn.functional.avg_pool2d(spikes, 2).numpy())


def test_winner_is_where_pytorch_sends_the_gradient():
    spikes = (torch.rand(4, 1, 6, 6, generator=torch.Generator().manual_seed(1)) < 0.5).float()
    spikes.requires_grad_()
    torch.nn.functional.max_pool2d(spikes, 2).sum().backward()
    towards = pooling.windows(spikes.grad.numpy())
    passing = pooling.winners(pooling.windows(spikes.detach().numpy()))
    assert (passing >= 0).any() and (passing < 0).any()
    fired = passing >= 0
    np.testing.assert_array_equal(towards.argmax(-1)[fired], passing[fired])


def test_connection_moves_are_counted_across_silent_steps():
    places = np.array([0, -1, 2, 2, 0])  # moves twice: 0 -> 2, 2 -> 0
    windowed = np.eye(5)[places][:, None, None, None, :4]
    assert pooling.changes(windowed).item() == 2
    assert pooling.liveliest(windowed) == (0, 0, 0)


def record(neuron, tau, seed, epochs=3, layers=4):
    config = {"neuron": neuron, "tau": tau, "seed": seed, "epochs": epochs, "validation": 0.0}
    points = [
        {
            "epoch": e,
            "variance": 1.0 / (1 + e),
            "mean": 0.0,
            "quantiles": list(np.linspace(-1, 1, len(W_OVER_TAU_QUANTILES))),
        }
        for e in range(epochs + 1)
    ]
    return {
        "task": "fashion_mnist",
        "neuron": neuron,
        "seed": seed,
        "config": config,
        "pooling": "max",
        "dataset": "Synthetic, stand-in for Fashion-MNIST",
        "source": "stand-in",
        "train_samples": 10,
        "test_samples": 10,
        "curve": [{"epoch": e, "test_accuracy": 10.0 * e + seed} for e in range(epochs + 1)],
        "tau": [[tau + e] * layers for e in range(epochs + 1)] if neuron == "PLIF" else [],
        "w_over_tau": points,
    }


def test_training_figures_show_ours_over_the_authors():
    records = [record(n, tau, seed) for n in ("PLIF", "LIF") for tau in (2.0, 16.0) for seed in (0, 1)]
    authors = published.author_curves()
    figure = plif_training.plif_fig6(records, authors, datasets.PAPER_TITLE)
    assert "stand-in" in figure.axes[0].texts[0].get_text()
    solid = [line for line in figure.axes[0].lines if line.get_linestyle() == "-"]
    assert len(solid) == 4 and solid[0].get_ydata()[-1] == 30.5  # mean of the two seeds
    figure = plif_training.plif_fig7(records, authors, datasets.PAPER_TITLE)
    ours = [line for line in figure.axes[0].lines if line.get_linewidth() == 2.0]
    assert len(ours) == 8 and {line.get_ydata()[0] for line in ours} == {2.0, 16.0}
    assert len(plif_training.plif_figS1(records).axes) == 4


def test_drawings_take_small_and_silent_input():
    silent = np.zeros((2, 3, 4, 4))
    frames = np.zeros((2, 2, 4, 4))
    assert plif_encoder.plif_figS3(silent).axes
    assert plif_encoder.plif_figS4(frames, silent, [0, 1]).axes
    assert plif_encoder.plif_figS5([("clap", frames, silent)], 0).axes
    assert plif_encoder.plif_figS2(np.zeros((2, 4, 4)), np.zeros((2, 3, 4, 4)), [0], ["a", "b"]).axes
    assert len(pooling.plif_fig5(silent).axes) == 4
