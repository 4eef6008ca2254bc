"""Which runs a chapter needs: what its cell tagged `runs` says under the values of its parameters cell.

The notebook is the one place that says it: the reader sees the cell, ``make plan`` and the training that goes
before a chapter evaluate it.
"""

from pathlib import Path

from snnlib.chapters import parameters
from snnlib.results import ledger
from snnlib.runs.config import Run


def runs(chapter: str, profile: str, **changed) -> list[Run]:
    """The distinct runs of a chapter in ``profile``, with the parameters ``changed``; [] for one that trains
    nothing.
    """
    chapter = ledger.find(chapter)
    values = parameters.resolve(chapter, profile, changed)[1]
    return evaluate(parameters.NOTEBOOKS / f"{chapter}.ipynb", values)


def evaluate(notebook: Path, values: dict) -> list[Run]:
    """The same for a notebook and all values of its parameters cell.

    The cell imports what it uses and leaves the runs in ``grid``; ValueError where it does not.
    """
    cells = parameters.tagged(notebook, "runs")
    if not cells:
        return []
    scope = dict(values)
    for cell in cells:
        exec(compile(cell.source, f"{notebook.name}, cell tagged 'runs'", "exec"), scope)
    if "grid" not in scope:
        raise ValueError(f"{notebook.name}: the cell tagged 'runs' must leave the chapter's runs in `grid`.")
    return list(dict.fromkeys(scope["grid"]))
