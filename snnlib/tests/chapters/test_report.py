"""Report: every artefact is on the page, what is missing is said, stand-in data cannot be overlooked."""

import json
import re
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from snnlib.chapters import report
from snnlib.results import artefacts, ledger
from snnlib.tests.results.test_artefacts import record

NAN = float("nan")


@pytest.fixture
def page(results_in):
    """A report of one figure, one table with a stand-in, and one table that no ledger lists."""
    figure = plt.figure(figsize=(2, 1))
    artefacts.save_figure(figure, "mdn_fig4", "smoke", caption="Four <neurons> & a sine.")
    plt.close(figure)
    frame = pd.DataFrame(
        {
            "task": ["mnist", "timit"],
            "published": [98.5, NAN],
            "ours": [91.25, 60.0],
            "sd": [0.125, NAN],
            "n": [3, 1],
            "difference": [-7.25, NAN],
            "data": ["MNIST (official, 600 + 100)", "Synthesised speech (stand-in, 600 + 100)"],
        }
    )
    artefacts.save_table(
        frame,
        "mdn_table3",
        "smoke",
        caption="Accuracy.",
        notes=["Best epoch."],
        passport=[record(0), record(1, "stand-in", dataset="Synthesised speech")],
    )
    artefacts.save_page("<p>", "protocols", "smoke", caption="More.", chapter="03_transfer")
    report.write("smoke")
    return (results_in / "smoke" / "report.html").read_text()


STEMS = [stem for table in (ledger.FIGURES, ledger.TABLES) for chapter in table.values() for stem in chapter]


def article(page, stem):
    return re.search(rf'<article[^>]* id="{stem}">.*?</article>', page, re.S).group()


def test_every_artefact_is_there_and_missing_ones_are_said(page):
    for chapter in ledger.CHAPTERS:
        for stem in (*ledger.FIGURES[chapter], *ledger.TABLES[chapter]):
            assert ("Not made yet" in article(page, stem)) == (stem not in ("mdn_fig4", "mdn_table3"))
            assert f'href="#{stem}"' in page
    assert "2 of 3" not in page and f"3 of {len(STEMS) + 1}" in page
    assert page.index('id="mdn_table4"') < page.index('id="protocols"') < page.index('id="04_plif_ablation"')


def test_a_page_to_touch_is_there_as_it_is(results_in):
    frame = '<iframe srcdoc="&lt;p&gt;"></iframe>'
    artefacts.save_page(frame, "explorer", "smoke", caption="Move.", chapter="01_dynamics")
    assert f'<div class="box">{frame}</div>' in article(report.build("smoke"), "explorer")


def test_stand_ins_are_marked(page):
    table = article(page, "mdn_table3")
    assert '<span class="badge stand-in">stand-in</span>' in table
    rows = re.findall(r"<tr>.*?</tr>", table)
    assert ["dot stand-in" in row for row in rows] == [False, False, True]
    assert "dot official" in rows[1]
    assert "stand-in" not in article(page, "mdn_fig4")


def test_each_set_of_data_stands_once_at_the_top_with_the_number_of_its_artefacts(page):
    top = re.search(r'<section class="sources".*?</section>', page, re.S).group()
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr><td>.*?</tr>", top)]
    assert [(row[0], re.sub("<.*?>", "", row[1]), row[3]) for row in rows] == [
        ("MNIST", "official", "1"),
        ("Synthesised speech", "stand-in", "1"),
    ]


def test_a_picture_too_large_as_svg_comes_as_png(page, results_in):
    assert "data:image/svg+xml;base64," in article(page, "mdn_fig4")
    svg = results_in / "smoke" / "figures" / "mdn_fig4.svg"
    svg.write_text(svg.read_text() + " " * report.LARGEST_SVG)
    again = article(report.build("smoke"), "mdn_fig4")
    assert "data:image/png;base64," in again and 'class="wide"' not in again  # 2 x 1 inches


def test_sidecars_without_kinds_of_cells_give_a_page_without_dots(page, results_in):
    path = results_in / "smoke" / "tables" / "mdn_table3.json"
    path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != "data"}))
    old = article(report.build("smoke"), "mdn_table3")
    assert "dot" not in old and "MNIST (official" in old and 'class="badge stand-in"' in old


def test_numbers_beside_the_published_ones(page):
    cells = re.findall(r'<td class="number[^"]*">(.*?)</td>', article(page, "mdn_table3"))
    assert cells == ["98.50", "91.25", "0.12", "3", "−7.25", "–", "60.00", "–", "1", "–"]
    assert "2 runs, seeds 0, 1" in article(page, "mdn_table3") and "5 s of training" in article(
        page, "mdn_table3"
    )


def test_self_contained_and_escaped(page):
    assert "Four &lt;neurons&gt; &amp; a sine." in article(page, "mdn_fig4")
    assert re.findall(r'(?:src|href)="(?!data:image/|#)', page) == []
    assert "http" not in re.sub(r"base64,[^\"]*", "", page)


def test_an_empty_folder_gives_a_page_of_missing_artefacts(results_in):
    assert report.build("smoke").count("Not made yet") == len(STEMS)


@pytest.mark.parametrize("name", ["figures/mdn_fig4.json", "tables/mdn_table3.json"])
@pytest.mark.parametrize("text", ["", "{}", "[]", "3", '{"chapter": "99_old"}', '{"kind": "table"}', "\xff"])
def test_a_sidecar_cut_or_of_another_version_is_listed_as_unreadable(page, results_in, name, text):
    path = results_in / "smoke" / name
    path.write_text(text, encoding="latin-1")
    again = report.build("smoke")
    assert "Unreadable: cut, or made by another version" in article(again, path.stem)
    assert f"2 of {len(STEMS) + 1}" in again and "PROFILE=smoke</code>" in article(again, path.stem)


@pytest.mark.parametrize("name", ["figures/mdn_fig4.png", "figures/mdn_fig4.svg", "tables/mdn_table3.csv"])
def test_a_picture_or_table_that_is_cut_or_gone_is_listed_as_unreadable(page, results_in, name):
    path = results_in / "smoke" / name
    path.write_bytes(b"")
    if path.suffix == ".svg":  # the picture comes as PNG where there is no SVG
        path.with_suffix(".png").write_bytes(b"")
    assert "Unreadable" in article(report.build("smoke"), path.stem)
    path.unlink()
    assert path.suffix == ".svg" or "Unreadable" in article(report.build("smoke"), path.stem)


@pytest.mark.parametrize(
    ("values", "decimals"),
    [
        ([1, 2], 0),
        ([98.5, NAN], 1),
        ([98.512345], 2),
        ([0.060, -0.065], 3),
        ([0.0001234], 5),
        ([3.0, 0.5, 1e-9], report.MIXED),
        ([3.0, 0.5, 0.0], 1),
        (["a"], None),
        ([NAN], 0),
    ],
)
def test_decimals(values, decimals):
    assert report._decimals(pd.Series(values)) == decimals


def test_small_numbers_beside_large_ones_stay_readable(results_in):
    frame = pd.DataFrame({"parameter": ["epochs", "eta"], "published": [20, 1e-3], "ours": [20, 1e-3]})
    artefacts.save_table(frame, "mdn_table1", "smoke", caption="Hyperparameters.")
    cells = re.findall(r"<td[^>]*>(.*?)</td>", article(report.build("smoke"), "mdn_table1"))
    assert cells == ["epochs", "20", "20", "eta", "0.001", "0.001"]


def test_what_is_not_zero_is_not_shown_as_zero(results_in):
    frame = pd.DataFrame({"id": list("abc"), "p": [2e-7, 0.04321, NAN], "p_holm": [4e-4, 1.0, NAN]})
    artefacts.save_table(frame.assign(sesoi=[1e-9, 0.5, 3]), "claims", "smoke", caption="Claims.")
    cells = re.findall(r"<td[^>]*>(.*?)</td>", article(report.build("smoke"), "claims"))
    shown = ["a", "&lt;0.001", "&lt;0.001", "1e−09", "b", "0.043", "1.000", "0.5", "c", "–", "–", "3"]
    assert cells == shown


def test_a_reason_is_read_as_it_was_written_whatever_the_locale(results_in, monkeypatch):
    artefacts.leave_out("mdn_fig4", "smoke", "µ is not recorded", say=False)
    read = Path.read_text
    ascii_otherwise = lambda path, encoding="ascii", **more: read(path, encoding, **more)  # noqa: E731
    monkeypatch.setattr(Path, "read_text", ascii_otherwise)
    assert "Left out: µ is not recorded" in article(report.build("smoke"), "mdn_fig4")
