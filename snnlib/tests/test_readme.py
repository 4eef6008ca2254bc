"""The results block of README.md holds what the tables hold, between its marks and nowhere else."""

import pandas as pd
import pytest

from snnlib import paths, readme


@pytest.fixture
def tables_of(results_in, tmp_path, monkeypatch):
    folder = results_in / "quick" / "tables"
    folder.mkdir(parents=True)
    behind = {"data": "Bright quarters (stand-in, 60 + 40)", "budget": "2 epochs"}
    pd.DataFrame(
        [
            {"task": "mnist", "neuron": "2-FS", "published": 98.67, "ours": 91.25, "sd": 0.5, **behind},
            {"task": "mnist", "neuron": "2-RS", "published": 98.33, "ours": None, "sd": None, **behind},
        ],
    ).to_csv(folder / "mdn_table3.csv", index=False)
    pd.DataFrame(
        [
            {
                "task": "cifar10",
                "neuron": "LIF",
                "tau": 16.0,
                "published": 47.5,
                "ours": 12.0,
                "sd": None,
                **behind,
            }
        ],
    ).to_csv(folder / "plif_table4.csv", index=False)
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    return tmp_path / "README.md"


def test_block_is_replaced_and_the_rest_stays(tables_of):
    tables_of.write_text("before\n<!-- results:begin -->\nold\n<!-- results:end -->\nafter\n")
    readme.write("quick")
    text = tables_of.read_text()
    assert text.startswith("before\n<!-- results:begin -->\n") and text.endswith(
        "<!-- results:end -->\nafter\n"
    )
    assert "old" not in text
    assert (
        "| MNIST | 98.67 → 91.25 ± 0.50 | 98.33 → not run | Bright quarters (stand-in, 60 + 40); 2 epochs |"
        in text
    )
    assert "| CIFAR-10 | 47.50 → 12.00 | Bright quarters" in text and "LIF, τ 16" in text
    readme.write("quick")
    assert tables_of.read_text() == text


def test_what_is_missing_is_named(tables_of, results_in):
    tables_of.write_text("no marks")
    with pytest.raises(ValueError, match="lost its marks"):
        readme.write("quick")
    tables_of.write_text("<!-- results:begin -->\n<!-- results:end -->")
    (results_in / "quick" / "tables" / "plif_table4.csv").unlink()
    with pytest.raises(FileNotFoundError, match="plif_table4.csv is missing; run `make all PROFILE=quick`"):
        readme.write("quick")
