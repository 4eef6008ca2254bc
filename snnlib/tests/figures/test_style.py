"""Palettes stay apart for colour-blind eyes."""

from itertools import combinations

import numpy as np
import pytest

from snnlib.figures import dynamics, schematics, style

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB
SEEN_BY = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}
TO_XYZ = [
    [0.4124564, 0.3575761, 0.1804375],
    [0.2126729, 0.7151522, 0.0721750],
    [0.0193339, 0.1191920, 0.9503041],
]
WHITE = (0.95047, 1.0, 1.08883)
LEAST = 15  # units of CIELAB; 2 to 3 are just noticeable side by side
FOUR = [style.NEURON_COLOURS[name] for name in ("2-FS", "2-RS", "2-SDS", "2-WDS")]


def lab(colour, seen):
    rgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    x = TO_XYZ @ np.clip(seen @ linear, 0, 1) / WHITE
    x, y, z = np.where(x > 0.008856, np.cbrt(x), 7.787 * x + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize(
    "palette",
    [
        [*style.NEURON_COLOURS.values()],
        [*style.VARIANT_COLOURS.values()],
        [style.TRACE_COLOURS[name] for name in ("V", "U", "input", "attractor")],
        [*style.KIND_COLOURS.values()],
        [*style.CLUSTER_COLOURS, *FOUR],
        [*dynamics.CURVE_COLOURS.values()],
        [schematics.CHARGE, schematics.FIRE, schematics.RESET],
    ],
)
def test_colours_of_a_palette_differ_for_all_eyes(palette):
    for eyes, seen in SEEN_BY.items():
        for a, b in combinations(palette, 2):
            apart = np.linalg.norm(lab(a, np.array(seen)) - lab(b, np.array(seen)))
            assert apart > LEAST, f"{a} and {b}: {apart:.0f} ({eyes})"


def test_a_run_without_a_colour_is_named():
    assert style.variant("PLIF", 2.0, "average") == "PLIF(2) average"
    with pytest.raises(ValueError, match=r"LIF\(3\).*valid"):
        style.variant("LIF", 3.0)
