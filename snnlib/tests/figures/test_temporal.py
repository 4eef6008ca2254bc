"""The figures of chapter 08 draw every row that they are given, and one seed without an interval."""

import numpy as np
import pandas as pd

from snnlib.figures import temporal


def test_figures_draw_every_row():
    marks = [
        {"task": task, "neuron": neuron, "way": way, "ours": 50.0, "half": half}
        for task, half in (("TIDigits", 2.0), ("TIMIT", np.nan))
        for neuron in ("1st-order", "2-WDS")
        for way in temporal.MARKS
    ]
    counts = pd.DataFrame([{"task": "TIDigits", "ours": 40.0}])
    figure = temporal.order(pd.DataFrame(marks), counts)
    assert [len(axis.containers) for axis in figure.axes] == [8, 8]

    of_parts = pd.DataFrame({"part": ["neither", "both"], "ours": [50.0, 70.0], "half": [1.0, np.nan]})
    leaks = pd.DataFrame({"neuron": "LIF", "tau": [2.0, 4.0], "ours": [50.0, 60.0], "half": 1.0})
    learned = pd.DataFrame({"kind": ["learned"], "ours": [61.0], "half": [1.0]})
    left, right = temporal.parts(of_parts, leaks, learned).axes
    assert len(left.patches) == 2 and [t.get_text() for t in right.get_xticklabels()] == ["2", "4", "learned"]

    lines = pd.DataFrame(
        {"what": "noise", "strength": [0.0, 1.0], "neuron": "2-FS", "ours": 50.0, "half": 1.0}
    )
    assert len(temporal.robustness(lines).axes) == 1
    dots = pd.DataFrame(
        {"task": ["TIMIT"], "neuron": ["2-FS"], "spikes": [3.0], "ours": [60.0], "half": [1.0]}
    )
    figure = temporal.costs(dots, (0.3, 0.6))
    assert [text.get_text() for text in figure.legends[0].texts] == ["2-FS"]
    assert len(figure.axes[0].containers) == 1


def test_figures_of_nothing_are_empty():
    leaks = pd.DataFrame(columns=["neuron", "tau", "ours", "half"])
    learned = pd.DataFrame(columns=["kind", "ours", "half"])
    temporal.parts(pd.DataFrame(columns=["part", "ours", "half"]), leaks, learned)
