"""The animations play, are small, and show in each frame what they were given."""

import io

import numpy as np
import pytest
from matplotlib import pyplot as plt
from PIL import Image

from snnlib.figures import animations
from snnlib.neurons import PRESETS, SecondOrder
from snnlib.papers import theory


def frames(content):
    picture = Image.open(io.BytesIO(content))
    assert picture.format == "PNG" and picture.is_animated and picture.info["loop"] == 0
    shown, lasting = [], []
    for place in range(picture.n_frames):
        picture.seek(place)
        shown.append(np.asarray(picture.convert("RGB")).astype(int))
        lasting.append(picture.info["duration"])
    return shown, lasting


def test_each_frame_is_the_figure_as_drawn_though_only_changes_are_stored():
    figure, axis = plt.subplots(figsize=(2, 1.5), dpi=60)
    (dot,) = axis.plot([0], [0], "o", color="#D55E00", ms=8)
    axis.set(xlim=(-1, 4), ylim=(-1, 1))

    def draw(frame):
        dot.set_data([frame % 3], [0])

    content = animations.animated(figure, draw, 6, seconds=0.6, rest=0.5)
    shown, lasting = frames(content)
    assert len(shown) == 6 and lasting == pytest.approx([100] * 5 + [500])
    for first, later in ((0, 3), (1, 4), (2, 5)):  # the dot has been back: nothing of it stayed behind
        np.testing.assert_array_equal(shown[first], shown[later])
    assert all((a != b).any() for a, b in zip(shown, shown[1:], strict=False))
    orange = [np.argwhere(np.abs(one - [213, 94, 0]).sum(-1) < 30)[:, 1].mean() for one in shown[:3]]
    assert orange[0] < orange[1] < orange[2]  # in its own colour, where it was put
    assert not plt.fignum_exists(figure.number)


def test_the_orbits_take_a_frame_a_step_and_are_small():
    current = theory.sine_stimulus(40, 20)
    runs = {
        name: theory.simulate(SecondOrder(*PRESETS[name]), current) | {"theta_b": PRESETS[name][1]}
        for name in ("2-RS", "2-SDS")
    }
    content = animations.orbits(runs, current)
    shown, _ = frames(content)
    assert len(shown) == 40 and len(content) < 200_000
    assert all((a != b).any() for a, b in zip(shown, shown[1:], strict=False))


def test_theta_spreads_from_its_start_and_what_ends_sooner_waits():
    names, rng = ("theta_a", "theta_b", "theta_c", "theta_d"), np.random.default_rng(0)
    learned = {
        title: [
            {"epoch": epoch} | {name: (0.1 * epoch * rng.standard_normal(50)).tolist() for name in names}
            for epoch in range(epochs)
        ]
        for title, epochs in (("short", 3), ("long", 5))
    }
    shown, _ = frames(animations.spreading(learned, dict.fromkeys(names, 0.0)))
    assert len(shown) == 1 + 5
    np.testing.assert_array_equal(shown[0], shown[5])  # a picture without movement shows the end
    half = len(shown[0]) // 2
    np.testing.assert_array_equal(shown[3][:half], shown[5][:half])
    assert (shown[3][half:] != shown[5][half:]).any()
