"""Elsewhere: the first cell fetches the companion where it is missing and does nothing where it is not."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from nbformat import v4
from packaging.requirements import Requirement

from snnlib import paths
from snnlib.chapters import one_click


def pins(text):
    return dict(re.findall(r"^([\w-]+)==([\d.]+)", text, re.M))


def test_every_notebook_has_the_present_first_cell():
    changed = [path.name for path in one_click.stale()]
    assert changed == [], "run `python -m snnlib.chapters first-cell`"


def test_a_first_cell_is_put_after_the_title_once_and_changes_no_output():
    shown = v4.new_output("execute_result", data={"text/plain": "1"}, execution_count=1)
    cells = [v4.new_markdown_cell("# Title"), v4.new_code_cell("1", execution_count=1, outputs=[shown])]
    once = one_click.with_first_cell(v4.new_notebook(cells=cells))
    assert [cell.id == one_click.ID for cell in once.cells] == [False, True, False]
    twice = one_click.with_first_cell(v4.new_notebook(cells=list(once.cells)))
    assert twice.cells == once.cells
    assert once.cells[2].outputs[0].data == {"text/plain": "1"} and once.cells[2].execution_count == 2


@pytest.mark.parametrize(
    ("address", "named"), [("", 0), ("https://example.org/a/b", 0), ("https://github.com/a/b", 2)]
)
def test_badges_name_the_repository_that_pyproject_names(monkeypatch, address, named):
    monkeypatch.setattr(one_click, "_project", lambda: {"urls": {"Repository": address}} if address else {})
    text = one_click.badges("notebooks/x.ipynb")
    assert text.count("a/b") == named == text.count("notebooks/x.ipynb")


HIDDEN = """
import importlib.util, sys
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "snnlib" else found(name, *rest)
exec(open(sys.argv[1]).read())
import snnlib.paths
print(snnlib.paths.ROOT)
"""


def elsewhere(cell, place, hidden):
    (place / "cell.py").write_text(cell)
    variables = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    start = (
        HIDDEN
        if hidden
        else f"import sys; sys.path.insert(0, {str(paths.ROOT)!r})\n{HIDDEN}".replace(
            'None if name == "snnlib" else ', ""
        )
    )
    command = [sys.executable, "-c", start, "cell.py"]
    return subprocess.run(command, cwd=place, env=variables, capture_output=True, text=True)


def test_the_cell_fetches_what_is_missing_and_does_nothing_where_it_is_there(tmp_path):
    repository, place = tmp_path / "repository", tmp_path / "elsewhere"
    place.mkdir()
    ignored = shutil.ignore_patterns("tests", "__pycache__")
    shutil.copytree(paths.ROOT / "snnlib", repository / "snnlib", ignore=ignored)
    shutil.copy(paths.ROOT / "pyproject.toml", repository)
    git = ["git", "-C", str(repository), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "all"]):
        subprocess.run([*git, *words], check=True)
    cell = one_click.CELL.format(address=f"file://{repository}")
    for _ in range(2):  # again after a restart of the kernel
        done = elsewhere(cell, place, hidden=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == str(place / "companion")
    shutil.rmtree(place / "companion")
    done = elsewhere(cell, place, hidden=False)
    assert done.stdout == f"{paths.ROOT}\n" and not (place / "companion").exists()
    done = elsewhere(one_click.CELL.format(address=""), place, hidden=True)
    assert "ModuleNotFoundError: snnlib is not found; in its folder" in done.stderr


def test_colab_has_what_the_companion_asks_for():
    colab = pins((paths.ROOT / ".ci" / "colab.txt").read_text())
    project = one_click._project()
    wanted = [Requirement(text) for text in project["dependencies"]]
    assert {one.name for one in wanted} <= set(colab)
    wanted += [Requirement(text) for text in project["optional-dependencies"]["companion"]]
    unmet = [str(w) for w in wanted if w.name in colab and not w.specifier.contains(colab[w.name])]
    assert unmet == []
    assert colab["numba"].startswith("0.61") and tuple(map(int, colab["numpy"].split(".")[:2])) < (2, 3)


def test_what_is_missing_is_named_and_what_is_there_is_left(monkeypatch):
    there = {"torch": "2.11.0", "numba": "0.61.2", "numpy": "1.20", "tonic": None}

    def version(name):
        if there.get(name, "999") is None:
            raise one_click.metadata.PackageNotFoundError
        return there.get(name, "999")

    monkeypatch.setattr(one_click.metadata, "version", version)
    absent, other = one_click.missing()
    assert [text.partition(">")[0] for text in absent] == ["tonic"]
    assert other == ["numpy 1.20 is not >=1.26"]


def test_binder_and_container_have_the_versions_of_the_lock():
    lock = pins((paths.ROOT / "requirements.lock").read_text())
    for name, version in pins((paths.ROOT / ".binder" / "torch-cpu.txt").read_text()).items():
        assert lock[name] == version, name
    container = json.loads((paths.ROOT / ".devcontainer" / "devcontainer.json").read_text())
    for name in (".binder/torch-cpu.txt", ".binder/postBuild"):
        assert name in container["postCreateCommand"] and (paths.ROOT / name).exists()
    built = (paths.ROOT / ".binder" / "postBuild").read_text()
    pattern = re.search(r'grep -vE "(.+?)" requirements', built)[1]
    rest = {name for name in lock if not re.match(pattern, f"{name}==")}
    assert {"numba", "numpy", "pandas", "papermill"} <= rest
    assert not [name for name in rest if name.startswith(("torch", "nvidia", "cuda", "triton"))]
