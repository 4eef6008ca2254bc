"""The blocks of README.md hold what the reference runs hold, between their marks and nowhere else."""

import pytest

from snnlib import claims, paths
from snnlib.chapters import readme
from snnlib.runs import store

MARKS = "<!-- {0}:begin -->\n{1}<!-- {0}:end -->\n"


@pytest.fixture(scope="module")
def everything():
    return readme.recorded("06_claims")


@pytest.fixture(scope="module")
def board(everything):
    return claims.scoreboard(everything)


@pytest.fixture(scope="module")
def blocks(everything, board):
    return {"findings": readme.findings(board, everything), "results": readme.block(everything, board)}


@pytest.fixture
def page(tmp_path, monkeypatch, blocks):
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setattr(readme, "_blocks", lambda: blocks)
    (tmp_path / "notebooks").mkdir()
    text = "before\n" + MARKS.format("findings", "stale\n") + "between\n" + MARKS.format("results", "stale\n")
    (tmp_path / "README.md").write_text(text + "after\n")
    return tmp_path / "README.md"


def test_blocks_are_replaced_and_the_rest_stays(page, results_in):
    assert "claims.png is missing" in readme.fault()
    for name in readme.PICTURES:
        (page.parent / "notebooks" / name).write_bytes(b"picture")
    assert "make publish" in readme.fault()
    readme.write("recorded")
    text = page.read_text()
    assert text.startswith("before\n<!-- findings:begin -->\n- **") and "stale" not in text
    assert "<!-- findings:end -->\nbetween\n<!-- results:begin -->\nFrom " in text
    assert text.endswith("<!-- results:end -->\nafter\n")
    assert readme.fault() == ""
    page.write_text(text.replace(" → ", " -> ", 1))
    assert "README.md" in readme.fault()


def test_block_tells_of_the_records_and_of_what_is_missing(everything, board, monkeypatch):
    text = readme.block(everything, board)
    means = readme._table_3().set_index(["task", "neuron"]).ours
    assert f"91.46 → {means['nettalk', '2-FS']:.2f} ± " in text and "| at our size | undecided |" in text
    assert "94.38 → 93.71 |" in text and "128 channels, FC 2048-100, tf32; 1 seed |" in text
    findings = readme.findings(board, everything)
    assert "the loss is 4.3 points with 8 maps and 1.8 with 128, one seed each" in findings
    assert (
        "after 16 of the paper's 1,024 epochs on 10,000 of 60,000 samples; in" in findings
    )  # of the profile's file and the paper
    assert "with 5 seeds after 15 of the paper's 30 epochs." in findings
    monkeypatch.setattr(store, "best", lambda _: None)
    nothing = claims.scoreboard([])
    empty = readme.block([], nothing)
    assert "| MNIST | 98.67 → – |" in empty and "From 0 of the runs" in empty
    assert "| not testable here |" in empty and readme.findings(nothing, []) == "No run is recorded.\n"


def test_a_finding_whose_verdict_has_changed_is_stale(everything, board):
    assert readme.findings(board, everything).count("\n- ") == len(readme.FINDINGS) - 1
    claim = next(iter(readme.FINDINGS[0][0]))
    with pytest.raises(ValueError, match=f"presumes that {claim} holds, and it is 'undecided' now"):
        readme.findings(board.assign(verdict=board.verdict.where(board.id != claim, "undecided")), everything)


def test_findings_take_sizes_from_the_records(everything, board):
    text = readme.findings(board, everything)
    assert "(100 test clips, on which" in text and "with 8 times as many maps" in text
    wider = [r | {"network": r["network"].replace("c16k", "c32k")} for r in everything]
    fewer = [r | {"test_samples": 50 if r["task"] == "timit" else r["test_samples"]} for r in wider]
    text = readme.findings(board, fewer)
    assert "(50 test clips, on which" in text and "with 4 times as many maps" in text and "of 32 maps" in text


@pytest.mark.parametrize("text", ["no marks", MARKS.format("results", ""), MARKS.format("findings", "") * 2])
def test_lost_marks_are_named(page, text):
    page.write_text(text)
    with pytest.raises(ValueError, match="lost its marks"):
        readme.write("recorded")


def test_the_pictures_come_with_it(page, results_in):
    figures = results_in / "recorded" / "figures"
    figures.mkdir(parents=True)
    for stem in readme.PICTURES.values():
        (figures / f"{stem}.png").write_bytes(stem.encode())
    readme.write("recorded")
    for name, stem in readme.PICTURES.items():
        assert (page.parent / "notebooks" / name).read_bytes() == stem.encode()
