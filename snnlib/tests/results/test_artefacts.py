"""Artefacts: files and sidecars, provenance from records, the same bytes every time."""

import json

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from snnlib.results import artefacts, ledger, tables


def record(seed, source="official", **more):
    return {
        "hash": f"h{seed}{source}",
        "config": {"seed": seed, "epochs": 3, "time_steps": 20},
        "dataset": "MNIST",
        "source": source,
        "note": "a note",
        "train_samples": 600,
        "test_samples": 100,
        "device": "CPU, 1 thread",
        "seconds": 2.5,
        "commit": "abc",
        **more,
    }


def figure():
    made, axes = plt.subplots(figsize=(2, 1))
    axes.plot([0, 1], [1, 0])
    axes.fill_between([0, 1], [1, 2], hatch="/")  # hatches and clips get ids in an SVG
    return made


def test_figure_leaves_png_svg_and_sidecar(results_in):
    path = artefacts.save_figure(
        figure(),
        "mdn_fig6",
        "smoke",
        caption="A line.",
        notes=["Falls."],
        passport=[record(0), record(1), record(0)],
    )
    assert path == results_in / "smoke" / "figures" / "mdn_fig6.png"
    assert sorted(p.name for p in path.parent.iterdir()) == ["mdn_fig6.json", "mdn_fig6.png", "mdn_fig6.svg"]
    sidecar = json.loads(path.with_suffix(".json").read_text())
    assert (sidecar["chapter"], sidecar["caption"], sidecar["notes"]) == (
        "03_transfer",
        "A line.",
        ["Falls."],
    )
    assert sidecar["sources"] == [{"dataset": "MNIST", "source": "official", "note": "a note"}]
    budget = sidecar["budget"]
    assert (budget["runs"], budget["seeds"], budget["epochs"], budget["seconds"]) == (2, [0, 1], [3, 3], 5.0)


def test_an_image_names_its_data_once_and_theory_has_none():
    def words(made):
        return [text.get_text().replace("\n", " ") for text in made.texts]

    said = "Data: MNIST (official); MNIST (part). 2 runs, up to 2 seeds."
    runs = [record(0), record(1, "part"), record(0)]
    assert words(artefacts.name_data(figure(), runs)) == [said]
    assert words(artefacts.name_data(artefacts.name_data(figure(), runs), runs)) == [said]
    assert words(artefacts.name_data(figure(), ())) == []
    theory = artefacts.name_data(figure(), (), ["theory and simulation, no data"])
    assert words(theory) == ["Source: theory and simulation, no data."]
    assert words(artefacts.name_data(theory, (), ["theory and simulation, no data"])) == words(theory)
    titled = figure()
    titled.axes[0].set_title("MNIST\n(official)")
    assert words(artefacts.name_data(titled, [record(0)])) == []
    assert len(words(artefacts.name_data(titled, runs))) == 1  # the title does not speak of the part


def test_same_figure_same_bytes(results_in):
    first = artefacts.save_figure(figure(), "mdn_fig6", "smoke", caption="A line.")
    before = [first.with_suffix(suffix).read_bytes() for suffix in (".png", ".svg")]
    second = artefacts.save_figure(figure(), "mdn_fig6", "smoke", caption="A line.")
    assert before == [second.with_suffix(suffix).read_bytes() for suffix in (".png", ".svg")]


def test_table_round_trip_and_words_as_sources(results_in):
    frame = pd.DataFrame({"task": ["mnist"], "published": [98.5], "ours": [float("nan")]})
    path = artefacts.save_table(
        frame, "mdn_table3", "smoke", caption="Accuracy.", sources=["theory, no data"]
    )
    assert path == results_in / "smoke" / "tables" / "mdn_table3.csv"
    pd.testing.assert_frame_equal(pd.read_csv(path), frame)
    sidecar = json.loads(path.with_suffix(".json").read_text())
    assert sidecar["sources"] == [{"dataset": "theory, no data", "source": "", "note": ""}]
    assert sidecar["budget"] == {} and sidecar["data"] == {}


def test_the_kind_of_each_cell_of_data_is_told_beside_the_table(results_in):
    """From the frame's own passports, where it has them, and from those that the artefact is given."""
    told, not_called_so = record(0), record(1, "stand-in", dataset="Drawn digits")
    both = [told, record(2, "part", dataset="A (stand-in) of, in name; only")]
    frame = pd.DataFrame(
        {"data": [*map(tables.data_label, ([told], [not_called_so], both)), "not run", None]}
    )
    frame.attrs["passports"] = tables.behind(both)
    path = artefacts.save_table(
        frame, "mdn_table3", "smoke", caption="A", passport=[told, not_called_so, None]
    )
    kinds = json.loads(path.with_suffix(".json").read_text())["data"]
    assert list(kinds.values()) == ["official", "stand-in", "part"] and list(kinds) == list(frame.data[:3])


def test_a_named_index_is_kept(results_in):
    frame = pd.DataFrame({"ours": [1.0]}, index=pd.Index(["mnist"], name="task"))
    path = artefacts.save_table(frame, "mdn_table3", "smoke", caption="Accuracy.")
    assert list(pd.read_csv(path).columns) == ["task", "ours"]


def test_wrong_use_is_named(results_in):
    with pytest.raises(ValueError, match="mdn_table3: an artefact needs a caption"):
        artefacts.save_table(pd.DataFrame(), "mdn_table3", "smoke", caption="")
    with pytest.raises(ValueError, match="notes must be a list"):
        artefacts.save_table(pd.DataFrame(), "mdn_table3", "smoke", caption="A", notes="one")
    assert not list(results_in.rglob("*.json"))


def test_the_ledger_names_each_artefact_once():
    stems = [
        stem for table in (ledger.FIGURES, ledger.TABLES) for chapter in table.values() for stem in chapter
    ]
    assert len(stems) == len(set(stems))
    assert ledger.chapter_of("plif_tableS2") == "04_plif_ablation"
    assert ledger.chapter_of("other") == ""
    assert (ledger.title("mdn_fig4"), ledger.title("plif_tableS2")) == (
        "MDN paper, Figure 4",
        "PLIF paper, Table S2",
    )
