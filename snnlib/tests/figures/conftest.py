"""Every figure that a test draws can be read where a page shows it 900 pixels wide."""

import matplotlib

matplotlib.use("agg")

import pytest
from matplotlib import pyplot as plt

PAGE = 900  # pixels
LEAST = 7.0  # pixels of the font


@pytest.fixture(autouse=True)
def readable_figures():
    yield
    small = [
        f"{text.get_text()!r}: {size:.1f} pixels"
        for figure in map(plt.figure, plt.get_fignums())
        for text in figure.findobj(lambda artist: isinstance(artist, plt.Text) and artist.get_visible())
        if text.get_text() and (size := text.get_fontsize() / 72 * PAGE / figure.get_figwidth()) < LEAST
    ]
    plt.close("all")
    assert not small, f"too small on a page of {PAGE} pixels: {small}"
