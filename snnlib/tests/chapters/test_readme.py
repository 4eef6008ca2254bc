"""The results block of README.md holds what the reference runs hold, between its marks and nowhere else."""

import pytest

from snnlib import paths
from snnlib.chapters import readme
from snnlib.runs import store


@pytest.fixture
def page(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    return tmp_path / "README.md"


def test_block_is_replaced_and_the_rest_stays(page, results_in):
    page.write_text("before\n<!-- results:begin -->\nstale\n<!-- results:end -->\nafter\n")
    assert "claims.png is missing" in readme.fault()
    (page.parent / "notebooks").mkdir()
    (page.parent / readme.PICTURE).write_bytes(b"picture")
    assert "make publish" in readme.fault()
    readme.write("recorded")
    text = page.read_text()
    assert text.startswith("before\n<!-- results:begin -->\nFrom the ") and "stale" not in text
    assert text.endswith("<!-- results:end -->\nafter\n")
    assert readme.fault() == ""
    page.write_text(text.replace(" → ", " -> ", 1))
    assert "README.md" in readme.fault()


def test_block_tells_of_the_records_and_of_what_is_missing(monkeypatch):
    text = readme.block()
    means = readme._table_3().set_index(["task", "neuron"]).ours
    assert f"91.46 → {means['nettalk', '2-FS']:.2f} ± " in text and "| verdict |" in text
    monkeypatch.setattr(store, "best", lambda _: None)
    empty = readme.block()
    assert "| MNIST | 98.67 → – |" in empty and "From the 0 runs" in empty
    assert "| not testable here |" in empty


def test_lost_marks_are_named(page):
    page.write_text("no marks")
    with pytest.raises(ValueError, match="lost its marks"):
        readme.write("recorded")


def test_the_picture_of_the_claims_comes_with_it(page, results_in):
    page.write_text("<!-- results:begin -->\n<!-- results:end -->")
    figures = results_in / "recorded" / "figures"
    figures.mkdir(parents=True)
    (figures / "claims_effects.png").write_bytes(b"picture")
    (page.parent / "notebooks").mkdir()
    readme.write("recorded")
    assert (page.parent / readme.PICTURE).read_bytes() == b"picture"
