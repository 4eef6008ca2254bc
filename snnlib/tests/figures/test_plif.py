"""The parts of the PLIF figures that compute something, and that every figure can be drawn from records."""

from itertools import pairwise, product

import numpy as np
import pytest
import torch
from matplotlib.collections import PathCollection

from snnlib import datasets, networks
from snnlib.figures import ladder, plif_encoder, plif_network, plif_training, pooling, style
from snnlib.papers import published
from snnlib.results.tables import W_OVER_TAU_QUANTILES
from snnlib.runs import grids


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


def test_only_moves_that_no_choice_avoids_are_counted():
    windowed = (np.random.default_rng(0).random((6, 1, 5, 6, 4)) < 0.4).astype(float)
    windowed[:, 0, 0, 0] = np.eye(4)[[3, 1, 0, 2, 0, 1]]  # the fourth fires throughout, others beside it
    windowed[:, 0, 0, 0, 3] = 1
    counted = pooling.changes(windowed)
    assert counted[0, 0, 0] == 0
    for row, column in np.ndindex(5, 6):
        passed = [np.flatnonzero(step) for step in windowed[:, 0, row, column] if step.any()]
        every = [sum(a != b for a, b in pairwise(way)) for way in product(*passed)]
        assert counted[0, row, column] == min(every)


def test_a_tie_is_drawn_among_those_that_fire():
    windowed = np.tile([0.0, 1.0, 1.0, 0.0], (200, 1, 1, 1, 1))
    drawn = pooling.winners(windowed, np.random.default_rng(0))
    assert set(drawn.flat) == {1, 2}


def record(neuron, tau, seed):
    """Three epochs of a network of four layers."""
    quantiles = np.linspace(-1, 1, len(W_OVER_TAU_QUANTILES)).tolist()
    return {
        "task": "fashion_mnist", "neuron": neuron, "seed": seed, "pooling": "max",
        "config": {"tau": tau, "epochs": 3, "validation": 0.0, "batch_size": 4},
        "dataset": "Synthetic, stand-in for Fashion-MNIST", "source": "stand-in",
        "train_samples": 10, "test_samples": 10,
        "curve": [{"epoch": e, "test_accuracy": 10.0 * e + seed} for e in range(4)],
        "tau": [[tau + e] * 4 for e in range(4)] if neuron == "PLIF" else [],
        "w_over_tau": [{"epoch": e, "variance": 1 / (1 + e), "quantiles": quantiles} for e in range(4)],
    }  # fmt: skip


def test_training_figures_show_ours_over_the_authors():
    records = [record(n, tau, seed) for n in ("PLIF", "LIF") for tau in (2.0, 16.0) for seed in (0, 1)]
    authors = published.author_curves()
    figure = plif_training.plif_fig6(records, authors, datasets.PAPER_TITLE, {"fashion_mnist": 60000})
    assert "stand-in" in figure.axes[0].texts[0].get_text()
    solid = [line for line in figure.axes[0].lines if line.get_linestyle() == "-"]
    assert len(solid) == 4 and solid[0].get_ydata()[-1] == 30.5  # mean of the two seeds
    figure = plif_training.plif_fig7(records, authors, datasets.PAPER_TITLE, {"fashion_mnist": 60000})
    ours = [line for line in figure.axes[0].lines if line.get_linewidth() == 2.2]
    assert len(ours) == 8 and {line.get_ydata()[0] for line in ours} == {2.0, 16.0}
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels[0] == "ours, from τ₀ = 2" and labels[-1] == "authors' logs, from 16"


def test_figS1_draws_bands_of_the_first_seed_and_a_line_for_every_run():
    records = [record("PLIF", tau, seed) for tau in (16.0, 2.0) for seed in (1, 0)]
    slow, fast, variance, tau = plif_training.plif_figS1([*records, record("LIF", 2.0, 0)]).axes
    assert slow.get_title(loc="left") == "from τ₀ = 2, seed 0"
    assert fast.get_title(loc="left") == "from τ₀ = 16, seed 0"
    assert len(slow.collections) == len(W_OVER_TAU_QUANTILES) // 2 - 1
    np.testing.assert_allclose(slow.lines[0].get_ydata(), 0, atol=1e-12)  # the median of -1 to 1
    assert [list(line.get_ydata()) for line in variance.lines] == [[1, 1 / 2, 1 / 3, 1 / 4]] * 4
    assert [line.get_ydata()[0] for line in tau.lines] == [2, 2, 16, 16]
    assert [text.get_text() for text in variance.get_legend().get_texts()] == ["τ₀ = 2", "τ₀ = 16"]


def picture(axis):
    """The picture in an axis [H, W, 3] and the words beside its rows and below its columns."""
    (image,) = axis.images
    ticks = (axis.get_yticklabels(), axis.get_xticklabels())
    return image.get_array(), *([text.get_text() for text in labels] for labels in ticks)


def dark(shown):
    """(row, column) of every pixel darker than the grey between the tiles."""
    return {tuple(map(int, at)) for at in np.argwhere(np.asarray(shown).max(-1) < plif_encoder.GAP)}


def scattered(axis):
    return [dots for dots in axis.collections if isinstance(dots, PathCollection)]


def one_spike(steps=2, channels=3, side=4):
    """Spikes [T, C, H, W]: channel 1 fires once, at t = 1, in row 2, column 3."""
    spikes = np.zeros((steps, channels, side, side))
    spikes[1, 1, 2, 3] = 1
    return spikes


def test_figS2_shows_samples_above_the_rates_of_the_chosen_channels():
    images, rates = np.zeros((2, 4, 4)), np.zeros((2, 3, 4, 4))
    images[1, 0, 0], rates[0, 2, 3, 3] = 1, 1
    axis, bar = plif_encoder.plif_figS2(images, rates, [2, 0], ["boot", "bag"]).axes
    shown, rows, columns = picture(axis)
    assert (rows, columns) == (["input", "channel 2", "channel 0"], ["boot", "bag"])
    assert shown.shape == (3 * 5 - 1, 2 * 5 - 1, 3)
    assert dark(shown) == {(0, 5), (5 + 3, 3)}
    assert bar.get_ylabel() == "spikes per step"


def test_figS3_shows_the_first_step_and_the_rates_of_all_channels():
    spikes = one_spike()
    first, rates, _ = plif_encoder.plif_figS3(spikes).axes
    assert dark(first.images[0].get_array()) == set()
    assert dark(rates.images[0].get_array()) == {(2, 5 + 3)}
    assert rates.get_title(loc="left") == "firing rates over t = 0 … 1"
    assert dark(plif_encoder.plif_figS3(spikes[::-1]).axes[0].images[0].get_array()) == {(2, 5 + 3)}


def test_figS4_shows_each_step_above_the_means_up_to_it():
    frames = np.zeros((2, 2, 4, 4))
    frames[0, 1, 0, 0] = 3  # an ON event at t = 0
    over_time, so_far, _ = plif_encoder.plif_figS4(frames, one_spike(), [1]).axes
    shown, rows, columns = picture(over_time)
    assert (rows, columns) == (["input $x_t$", "channel 1"], ["0", "1"])
    np.testing.assert_allclose(shown[0, 0], plif_encoder.ON)
    assert dark(shown[5:]) == {(2, 5 + 3)}
    means, rows, _ = picture(so_far)
    assert rows == ["mean input", "channel 1"] and (means[0, 5] < 1).any()  # seen at t = 0, still in the mean
    assert 0.4 < means[5 + 2, 5 + 3].mean() < 0.7  # fired at one of two steps


def test_figS5_puts_the_spikes_of_one_channel_below_each_gesture():
    frames = np.zeros((2, 2, 4, 4))
    samples = [("clap", frames, one_spike()), ("wave", frames, np.zeros((2, 3, 4, 4)))]
    (axis,) = plif_encoder.plif_figS5(samples, 1).axes
    shown, rows, columns = picture(axis)
    assert rows == ["clap", "channel 1", "wave", "channel 1"] and columns == ["0", "1"]
    assert dark(shown) == {(5 + 2, 5 + 3)}


def test_fig5_colours_each_window_by_who_passes():
    drawing, unfolded, window, maps = pooling.plif_fig5(one_spike()).axes
    assert "channel 1, row 1, column 1" in window.get_title(loc="left")
    coloured = {tuple(at) for at in np.argwhere((maps.images[0].get_array() < plif_encoder.GAP).any(-1))}
    assert coloured == {(1, 3 + 1)}  # the second step's map, its lower right window
    filled = [dots.get_offsets() for dots in scattered(window) if dots.get_zorder() == 3]
    np.testing.assert_array_equal(np.concatenate(filled), [[1, 5 - 1]])  # t = 1, upper right of the window
    assert [text.get_text() for text in drawing.texts][:3] == ["0", "1", "2"]
    assert len(unfolded.lines) == 4 * len(pooling.FIRING)
    silent = scattered(pooling.plif_fig5(np.zeros((2, 3, 4, 4))).axes[2])
    assert len(silent) == 8 and not any(len(dots.get_offsets()) for dots in silent)


def test_the_histogram_shows_shares_in_percent():
    spikes = np.array([0, 0, 0, 1])
    axis = pooling.value_histogram({"spikes": spikes, "average": np.array([0.25, 0.5])}).axes[0]
    ours, other = ([bar.get_height() for bar in bars] for bars in axis.containers)
    assert ours == [75, 0, 0, 0, 25] and other == [0, 50, 50, 0, 0]
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["spikes", "average"]


def test_fig4_names_every_stage_and_its_shape():
    notation = "{c3k3s1-BN-PLIF-MPk2s2}*1-DP-FC7-PLIF-DP-FC20-PLIF-APk10s10"
    figure = plif_network.plif_fig4({"a small net": plif_network.stages(notation, (2, 8, 8))})
    general, unfolded, net = figure.axes
    said = [text.get_text() for text in net.texts]
    assert net.get_title(loc="left") == "a small net" and said.count("dropout") == 2
    shapes = ["2 × 8 × 8", "3 × 8 × 8", "3 × 4 × 4", "7", "20", "2"]
    assert [words for words in said if words in shapes] == shapes
    assert "max-\npooling" in said and len(net.patches) == 6
    assert "voting" in [text.get_text() for text in general.texts]
    assert "$X_{T-1}$" in [text.get_text() for text in unfolded.texts]


def test_ladder_draws_a_line_for_each_width_and_the_papers_numbers_at_its_own():
    made = []
    for (size, cost), (neuron, tau, kind), seed in product(((8, 8.0), (16, 3.0)), grids.VARIANTS, range(2)):
        last = 90.0 - cost * (neuron == "LIF" and tau == 16) + seed
        accuracies = enumerate((10.0, last - 5, last))
        made.append(
            {
                "network": f"{{c{size}k3s1-BN-PLIF-MPk2s2}}*2-DP-FC{16 * size}-PLIF",
                "neuron": neuron, "pooling": kind, "seed": seed, "config": {"tau": tau},
                "curve": [{"epoch": epoch, "test_accuracy": accuracy} for epoch, accuracy in accuracies],
                "tau": [[tau, tau]] * 3 if neuron == "PLIF" else [],
            }
        )  # fmt: skip
    names = [style.variant(*variant) for variant in grids.VARIANTS]
    logs = published.author_runs().query("dataset == 'fashion_mnist' and in_paper_table and protocol == 'A'")
    logs = logs.assign(variant=list(map(style.variant, logs.neuron, logs.tau, logs.pooling)))
    logs = published.author_curves().merge(logs[["run_id", "variant"]], on="run_id")
    logs["at"] = 2 * (logs.epoch + 1)
    figure = ladder.ladder(iter(made), logs, dict.fromkeys(names, 94.0), 128)
    accuracy, effects, cost, tau = figure.axes
    lines = {line.get_label(): line for line in effects.get_lines()}
    np.testing.assert_allclose(lines["τ = 16 costs LIF"].get_ydata(), [8.0, 3.0])
    np.testing.assert_allclose(lines["PLIF − LIF, τ = 2"].get_ydata(), [0.0, 0.0])
    assert list(lines["max − average"].get_xdata()) == [8, 16]
    assert sum(line.get_marker() == "D" for line in accuracy.get_lines()) == len(names)
    np.testing.assert_allclose(cost.get_lines()[0].get_ydata(), [8.0, 8.0])
    theirs = next(line for line in cost.get_lines() if line.get_marker() == "x")
    assert theirs.get_xdata()[0] == 2 and theirs.get_ydata()[0] == pytest.approx(89.07 - 86.47)
    assert len(tau.get_lines()) == 2 * 2 + 2
    early = ladder.ladder(iter(made), logs[:0], dict.fromkeys(names, 94.0), 128)  # no log of theirs so early
    assert all(line.get_marker() != "x" for axis in early.axes[2:] for line in axis.get_lines())
