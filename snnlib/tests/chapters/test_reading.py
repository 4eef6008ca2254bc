"""Without PyTorch what only reads records is drawn as with it; of the rest nothing stale is shown."""

import os
import re
import shutil
import subprocess
import sys
import tomllib

import pytest
from IPython.core.interactiveshell import InteractiveShell

from snnlib import paths, reading
from snnlib.chapters import environment, publishing
from snnlib.chapters.parameters import NOTEBOOKS, load
from snnlib.results import ledger

# What a chapter's first import would find, had the packages not been installed; kernels inherit it.
HIDING = f"""
from importlib.machinery import PathFinder

found = PathFinder.find_spec
hidden = {reading._ABSENT}
PathFinder.find_spec = lambda name, *rest: None if name.split(".")[0] in hidden else found(name, *rest)
"""
READ = [chapter for chapter in ledger.CHAPTERS if "03" <= chapter < "07"]
BUILT = {"plif_table1", "plif_fig4", "plif_figS2", "plif_figS3", "plif_figS4", "plif_figS5", "plif_fig5"}
"""What those chapters make of networks and their weights, not of records."""


@pytest.fixture
def bare(tmp_path):
    """A command in a copy of the checkout, in a Python without torch."""
    root = tmp_path / "checkout"
    shutil.copytree(
        paths.ROOT / "snnlib", root / "snnlib", ignore=shutil.ignore_patterns("tests", "__pycache__")
    )
    shutil.copytree(NOTEBOOKS, root / "notebooks")
    (root / "data").symlink_to(paths.ROOT / "data")
    (tmp_path / "sitecustomize.py").write_text(HIDING)

    def call(*words, timeout=900):
        variables = os.environ | {"PYTHONPATH": f"{root}{os.pathsep}{tmp_path}", "MPLBACKEND": "Agg"}
        command = [sys.executable, *words]
        return subprocess.run(
            command, cwd=root, env=variables, capture_output=True, text=True, timeout=timeout
        )

    return root, call


def test_the_recorded_chapters_show_what_they_show_with_torch(bare):
    root, call = bare
    done = call("-m", "snnlib.chapters", "run", *(chapter[:2] for chapter in READ), "--profile", "recorded")
    assert done.returncode == 0, done.stderr
    made = {path.stem for path in (root / "results" / "recorded").glob("[ft]*/*.json")}
    assert {stem for chapter in READ for stem in ledger.stems(chapter)} - made == BUILT
    for chapter in READ:
        committed = load(NOTEBOOKS / f"{chapter}.ipynb")
        executed = load(root / "results" / "recorded" / "notebooks" / f"{chapter}.ipynb")
        merged, told = publishing.merge(committed, executed, chapter), 0
        for cell, before in zip(merged.cells, committed.cells, strict=True):
            if cell.cell_type != "code" or "provenance.versions()" in cell.source:
                continue
            if "left out" in str(cell.outputs).lower():  # for want of torch, or of the data
                told += 1
            elif chapter != "06_claims" and "artefacts.save_" not in cell.source:
                assert _words(cell) == _words(before), cell.source
        assert told <= 14, chapter  # of 04, which makes layers and slices events with torch
    claims = (root / "results" / "recorded" / "tables" / "claims.csv").read_text()
    assert 0 < claims.count(reading.SENTENCE) < 12  # those that run neurons
    refused = call("-m", "snnlib.chapters", "publish", "--profile", "recorded")
    assert refused.returncode == 2 and reading.SENTENCE in refused.stderr


def _words(cell):
    """What a reader reads below a cell; pandas numbers the styles of its tables at random."""
    shown = [output.get("data", {"text/plain": output.get("text", "")}) for output in cell.outputs]
    texts = [data.get("text/html", data.get("text/markdown", data.get("text/plain", ""))) for data in shown]
    return [re.sub(r"T_[0-9a-f]{5}", "", text) for text in texts if not text.startswith("<Figure")]


def test_training_without_torch_ends_with_a_sentence(bare):
    _, call = bare
    for words in (["run", "03", "--profile", "smoke"], ["plan", "03"]):
        done = call("-m", "snnlib.chapters", *words)
        assert done.returncode == 2 and done.stderr.strip().endswith(reading.SENTENCE), done.stderr
    assert not (paths.REFERENCE_RUNS / "cache").exists()  # what is found of a data set is kept elsewhere


def test_anywhere_else_a_missing_torch_is_missing(bare):
    _, call = bare
    done = call("-c", "import snnlib; snnlib.PLIF")
    assert "ModuleNotFoundError: No module named 'torch'" in done.stderr


@pytest.fixture
def cells(monkeypatch):
    """Runs cells in a shell whose statements are guarded; returns its names."""
    shell = InteractiveShell()
    shell.ast_transformers.append(guard := reading._Guard(shell))
    shell.user_ns[reading._NAME] = guard

    def need():
        raise reading.NeedsTorch(reading.SENTENCE)

    shell.user_ns["need"] = need

    def run(*sources):
        for source in sources:
            shell.run_cell(source).raise_error()
        return shell.user_ns

    return run


def test_what_builds_on_what_is_left_out_is_left_out_too(cells, capsys):
    names = cells("a = 1", "b = need()\nc = 2\nd = b + 1", "e = d", "c + a")
    assert names["c"] == 2 and names["Out"] and not {"b", "d", "e"} & set(names)
    said = capsys.readouterr().out
    assert said.count("Left out. It needs PyTorch") == 1 and said.count("builds on what is left out") == 2


@pytest.mark.parametrize(
    "source",
    [
        "rows = need()",
        "for i in range(2):\n    rows.append(i)\n    need()",
        "for i in range(2):\n    rows[0] = i\n    need()",
        "if True:\n    rows += [1]\n    need()",
        "if True:\n    rows[0] = 1\n    need()",
        "def rows():\n    pass\nneed()\nrows = need()",
    ],
)
def test_nothing_older_or_half_made_passes_for_it(cells, source):
    assert "rows" not in cells("rows = [0]", source)


def test_what_was_not_reached_keeps_its_value(cells):
    names = cells(
        "rows, own = {}, []", "if need():\n    rows['a'] = 1", "rows['a'] = need()", "own.append(need())"
    )
    assert names["rows"] == {} and names["own"] == []


def test_an_error_of_its_own_is_an_error(cells):
    with pytest.raises(ZeroDivisionError):
        cells("1 / 0")
    with pytest.raises(KeyboardInterrupt):
        cells("need()", "raise KeyboardInterrupt")


def test_the_last_value_of_a_cell_is_shown(cells, capsys):
    cells("1\n'shown'", "x = 2")
    assert capsys.readouterr().out.count("'shown'") == 1


def test_the_reading_lock_is_a_part_of_the_lock():
    tables = tomllib.loads((paths.ROOT / "pyproject.toml").read_text())
    everything = (paths.ROOT / "requirements.lock").read_text().splitlines()
    part = (paths.ROOT / "requirements-read.lock").read_text().splitlines()
    assert part == [line for line in everything if line in part]
    names = {line.partition("==")[0] for line in part}
    assert set(tables["dependency-groups"]["read"]) <= names and not names & {"torch", "triton", "numba"}
    assert environment.lacking(paths.ROOT, "-read") == ""


@pytest.mark.parametrize(
    ("read", "has", "made", "chosen"),
    [
        ("", "-read", "", "whole"),
        ("--read", "-read", "", "active"),
        ("--read", "", "-read", "reading"),
        ("--read", "", "", "whole"),
        ("--make-read", "", "", "reading"),
        ("--make-read", "", "whole", "whole"),
    ],
)
def test_a_reading_python_is_used_for_reading_alone(monkeypatch, tmp_path, read, has, made, chosen):
    monkeypatch.setattr(
        environment, "lacking", lambda root, kind="": "" if kind and kind == has else "torch is missing"
    )
    monkeypatch.setattr(environment, "_made", lambda root, kind="": made == (kind or "whole"))
    monkeypatch.setattr(environment, "make_venv", lambda root, why, kind="": "reading" if kind else "whole")
    monkeypatch.setattr(environment.importlib.util, "find_spec", lambda name: None)
    python, _ = environment._choose(tmp_path, read)
    assert python == (chosen if chosen != "active" else environment.Path(sys.executable))
