"""Chapters as they are committed: put the outputs of a run into notebooks/, check what stands there."""

import copy
import json
import re
import sys
from pathlib import Path

import nbformat

from snnlib import files, paths
from snnlib.chapters import parameters, readme
from snnlib.chapters.parameters import NOTEBOOKS, load
from snnlib.results import ledger

LARGEST = 1_500_000  # bytes of a notebook that a web page still shows
LONGEST = 25  # lines of a code cell
WIDE = 110  # characters of a line of code, as in the library; values filled into the parameters may pass it
WIDEST = 8  # columns of a table on the page, its index apart; all of them are in the CSV
_RAW = re.compile(r"[A-Za-z\d]{2,}_[A-Za-z\d]{2,}")  # a name of the code: train_samples, but not theta_a
_FOREIGN = re.compile(r"(?<![\w.~/:])/(?:home|Users|root|tmp|work|mnt|private|opt)/[\w.-]+")


def merge(
    committed: nbformat.NotebookNode, executed: nbformat.NotebookNode, name: str
) -> nbformat.NotebookNode:
    """The committed notebook with the outputs of the executed copy and the values that it was run with.

    No timings or paths.

    Raises ValueError when the copy was made from another version of the notebook.
    """
    made = {cell.id: cell for cell in executed.cells}
    result = copy.deepcopy(committed)
    code = [cell for cell in result.cells if cell.cell_type == "code"]
    for count, cell in enumerate(code, start=1):
        ran = made[cell.id].source if cell.id in made else None
        if ran and "parameters" in cell.metadata.get("tags", []):
            values = {key: value.default for key, value in parameters.parse(ran, name).items()}
            cell.source = parameters.fill(cell.source, values)
        if cell.source != ran:
            raise ValueError(
                f"{name}: the executed copy was made from another version of this notebook; "
                f"run `make {name[:2]}` with its PROFILE again."
            )
        cell.execution_count = count
        cell.outputs = [output for output in made[cell.id].outputs if output.get("name") != "stderr"]
        for output in cell.outputs:  # without metadata of the run
            if "metadata" in output:
                output.metadata = {}
            if output.output_type == "execute_result":
                output.execution_count = count
    return result


def faults(notebook: nbformat.NotebookNode, size: int) -> list[str]:
    """What a committed notebook must not have, one sentence each."""
    found = []
    if size >= LARGEST:
        found.append(f"is {size / 1e6:.2f} MB; {LARGEST / 1e6} MB is the most")
    tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    if len(tagged) != 1:
        found.append(f"{len(tagged)} cells are tagged 'parameters' instead of one")
    elif '"smoke"' in tagged[0].source and any(cell.get("outputs") for cell in notebook.cells):
        found.append("holds outputs of the smoke profile; `git checkout` it, or publish another's")
    before = None
    for number, cell in enumerate(notebook.cells):
        place = f"cell {number}"
        if "injected-parameters" in cell.metadata.get("tags", []):
            found.append(f"{place} was injected by papermill")
        if cell.cell_type == "code":
            if before != "markdown":
                found.append(f"{place} has no markdown cell before it")
            if len(cell.source.splitlines()) > LONGEST:
                found.append(f"{place} has {len(cell.source.splitlines())} lines; {LONGEST} are the most")
            if (widest := max(map(len, cell.source.splitlines()), default=0)) > WIDE:
                found.append(f"{place} has a line of {widest} characters; {WIDE} are the most")
            if any(output.output_type == "error" for output in cell.outputs):
                found.append(f"{place} holds an error output")
            found += [f"{place} {words}" for words in map(_table_fault, cell.outputs) if words]
        path = _absolute_path("\n".join([cell.source, *map(_text, cell.get("outputs", []))]))
        if path:
            found.append(f"{place} holds the absolute path {path}")
        before = cell.cell_type
    path = _absolute_path(json.dumps(notebook.metadata))
    if path or "papermill" in notebook.metadata:
        found.append("its metadata tells of a run" + (f" ({path})" if path else ""))
    return found


def _table_fault(output):
    """What is wrong with the table in an output, in words; "" if nothing is, or there is none."""
    html = output.get("data", {}).get("text/html", "")
    columns = max((row.count("<td") for row in html.split("<tr")), default=0)
    if columns > WIDEST:
        return f"shows a table of {columns} columns; {WIDEST} are the most"
    heads = re.findall(r"<th[^>]*>([^<]*)</th>", html.partition("</thead>")[0])
    raw = next(filter(_RAW.search, heads), "")
    return raw and f"has a name of the code, {raw}, as a table's head; say it in words"


def _text(output):
    """The words in an output; pictures, but for SVG, have none."""
    data = output.get("data", {})
    pixels = [kind for kind in data if kind.startswith("image/") and kind != "image/svg+xml"]
    return "\n".join(map(str, [output.get("text", ""), *(data[kind] for kind in data if kind not in pixels)]))


def _absolute_path(text):
    for folder in {str(paths.ROOT), str(paths.DATA), str(Path.home())} - {"/"}:
        if re.search(re.escape(folder) + r"(?![\w.-])", text):
            return folder
    match = _FOREIGN.search(text)
    return match.group() if match else ""


def publish(profile: str, folder: Path = NOTEBOOKS) -> int:
    """Put the outputs of executed chapters into the committed ones; 1 if one was left alone for a fault."""
    status = 0
    for chapter in ledger.CHAPTERS:
        path, copy = folder / f"{chapter}.ipynb", paths.results(profile) / "notebooks" / f"{chapter}.ipynb"
        if not (path.exists() and copy.exists()):
            print(f"{chapter}: skipped, no executed copy (run `make {chapter[:2]} PROFILE={profile}`)")
            continue
        try:
            merged = merge(load(path), load(copy), chapter)
            text = nbformat.writes(merged) + "\n"
            problems = faults(merged, len(text.encode()))
        except ValueError as error:
            problems = [str(error)]
        if problems:
            status = 1
            print("\n".join(f"{chapter}: not published: {problem}" for problem in problems), file=sys.stderr)
            continue
        files.write_text(path, text)
        print(f"{chapter}: published, {len(text.encode()) / 1e6:.2f} MB")
    return status


def missing_artefacts(profile: str) -> list[str]:
    """The files of the ledger that are not under results/<profile>."""
    wanted = []
    for chapter in ledger.CHAPTERS:
        wanted += [
            f"figures/{stem}.{kind}" for stem in ledger.FIGURES[chapter] for kind in ("png", "svg", "json")
        ]
        wanted += [f"tables/{stem}.{kind}" for stem in ledger.TABLES[chapter] for kind in ("csv", "json")]
    return [name for name in wanted if not (paths.results(profile) / name).exists()]


def check(artefacts: str | None = None, folder: Path = NOTEBOOKS) -> int:
    """Check the committed chapters and, given a profile, that it has every artefact; 1 after a fault."""
    problems = []
    for chapter in ledger.CHAPTERS:
        path = folder / f"{chapter}.ipynb"
        if not path.exists():
            problems.append(f"{path.name} is missing")
            continue
        try:
            notebook = load(path)
        except ValueError as error:
            problems.append(str(error))
            continue
        problems += [f"{path.name}: {fault}" for fault in faults(notebook, path.stat().st_size)]
        if not any(cell.get("outputs") for cell in notebook.cells):
            remedy = f"run `make {chapter[:2]}` and `make publish`"
            problems.append(f"{path.name}: holds no outputs; {remedy}")
    if artefacts:
        problems += [f"results/{artefacts}/{name} was not made" for name in missing_artefacts(artefacts)]
    if folder == NOTEBOOKS:
        problems += filter(None, [readme.fault()])
    print("\n".join(problems), file=sys.stderr) if problems else None
    total = sum(len(ledger.stems(chapter)) for chapter in ledger.CHAPTERS)
    made = f", {total} artefacts" if artefacts else ""
    print(f"check: {len(ledger.CHAPTERS)} chapters{made}, {len(problems)} faults")
    return 1 if problems else 0
