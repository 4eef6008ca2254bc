"""What a chapter may be told: read its typed parameters cell, check values against it before a start.

The cell is tagged `parameters` and holds lines such as `seeds: int = 2  # repetitions`; only literals.
"""

import ast
import contextlib
import difflib
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path

import nbformat
import yaml

from snnlib import paths
from snnlib.results import ledger
from snnlib.runs.config import table_1
from snnlib.runs.grids import MDN_TASKS, PLIF_DATASETS
from snnlib.runs.time_grids import TASKS

NOTEBOOKS = paths.ROOT / "notebooks"
_TYPES = {"int": int, "float": (int, float), "str": str, "bool": bool, "list": list}


@dataclass(frozen=True)
class Parameter:
    """One line of a parameters cell; `type` is its annotation as written, e.g. "list[int]"."""

    type: str
    default: object


def read(notebook: Path) -> dict[str, Parameter]:
    """The parameters of a notebook, in order.

    Raises ValueError when the cell is absent or a line is not `name: type = literal`.
    """
    cells = tagged(notebook, "parameters")
    if len(cells) != 1:
        raise ValueError(
            f"{notebook.name}: {len(cells)} cells are tagged 'parameters'; there must be exactly one."
        )
    return parse(cells[0].source, notebook.name)


def load(notebook: Path) -> nbformat.NotebookNode:
    """A notebook as nbformat reads it; ValueError names one that is none."""
    try:
        return nbformat.read(notebook, as_version=4)
    except (ValueError, AttributeError, KeyError, nbformat.ValidationError) as error:
        raise ValueError(f"{notebook.name} is no notebook ({str(error)[:80]}); restore it.") from None


def tagged(notebook: Path, tag: str) -> list[nbformat.NotebookNode]:
    """The cells of a notebook that carry ``tag``, in order."""
    return [cell for cell in load(notebook).cells if tag in cell.metadata.get("tags", [])]


def parse(source: str, where: str) -> dict[str, Parameter]:
    """The parameters in the source of a parameters cell; `where` names it in errors."""
    found = {}
    try:
        lines = ast.parse(source).body
    except SyntaxError as error:
        raise ValueError(
            f"{where}: line {error.lineno} of the parameters cell is not Python: {error.msg}."
        ) from None
    for node in lines:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue  # a string on its own is a comment
        try:
            name, annotation = node.target.id, ast.unparse(node.annotation)
            default = ast.literal_eval(node.value)
        except (AttributeError, TypeError, ValueError):
            raise ValueError(
                f"{where}: {ast.unparse(node)!r} in the parameters cell is not of the form "
                "'name: type = literal'."
            ) from None
        if name in found:
            raise ValueError(f"{where}: {name!r} stands twice in the parameters cell; remove one.")
        if problem := mismatch(default, annotation):
            raise ValueError(f"{where}: the default of {name!r} {problem}.")
        found[name] = Parameter(annotation, default)
    return found


def fill(source: str, values: dict) -> str:
    """A parameters cell with ``values`` in place of its literals; comments stay."""
    lines = source.splitlines()
    for node in reversed(ast.parse(source).body):  # from the end: places before stay where they are
        if isinstance(node, ast.AnnAssign) and node.target.id in values:
            old, value = node.value, values[node.target.id]
            text = repr(value) if isinstance(value, bool) else json.dumps(value, ensure_ascii=False)
            before = lines[old.lineno - 1].encode()[: old.col_offset].decode()
            after = lines[old.end_lineno - 1].encode()[old.end_col_offset :].decode()
            lines[old.lineno - 1 : old.end_lineno] = [before + text + after]
    return "\n".join(lines)


def mismatch(value, annotation: str) -> str:
    """Why `value` does not fit an annotation such as "int" or "list[float]", in words; "" when it does."""
    outer, _, inner = annotation.removesuffix("]").partition("[")
    if outer not in _TYPES:
        return f"has the type {annotation}, which is none of {', '.join(_TYPES)}"
    if not isinstance(value, _TYPES[outer]) or (isinstance(value, bool) and outer != "bool"):
        hint = ""
        if isinstance(value, str) and outer == "float":
            with contextlib.suppress(ValueError):
                hint = f"; YAML takes {value} for text, write {float(value)!r} (or with a point: 1.0e-3)"
        return f"should be {annotation} and is {type(value).__name__} {value!r}{hint}"
    problems = (mismatch(item, inner) for item in value) if inner else ()
    return next((f"holds an item that {problem}" for problem in problems if problem), "")


def check(values: dict, known: dict[str, Parameter], where: str) -> dict:
    """`values` for papermill, after checking names and types against the parameters cell.

    Raises ValueError with the valid names, or with what is wrong with a value.
    """
    checked = {}
    for name, value in values.items():
        if name not in known:
            close = difflib.get_close_matches(str(name), known, n=1)
            raise ValueError(
                f"{where}: unknown parameter {name!r}{f' (did you mean {close[0]!r}?)' if close else ''}; "
                f"valid names are {', '.join(known)}."
            )
        annotation = known[name].type
        if problem := mismatch(value, annotation):
            raise ValueError(f"{where}: {name!r} {problem}.")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{where}: {name!r} is {value}; it must be a finite number.")
        if isinstance(value, int) and not isinstance(value, bool) and value < 0:
            raise ValueError(f"{where}: {name!r} is {value}; it must be 0 or more.")
        if annotation == "list[int]" and min(value, default=1) < 1:
            raise ValueError(f"{where}: {name!r} holds {min(value)}; each item must be 1 or more.")
        checked[name] = float(value) if annotation == "float" else value
    return checked


def profile(name: str, folder: Path = NOTEBOOKS) -> dict[str, dict]:
    """The sections of notebooks/profiles/<name>.yaml: one mapping of parameters for each chapter."""
    path = folder / "profiles" / f"{name}.yaml"
    if not path.exists():
        valid = ", ".join(sorted(other.stem for other in path.parent.glob("*.yaml")))
        raise ValueError(f"There is no profile {name!r}: use one of {valid}.")
    try:
        text = path.read_text(encoding="utf-8")
        _check_tree(yaml.compose(text, yaml.SafeLoader), path.name)
        sections = yaml.safe_load(text) or {}
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ValueError(f"{path.name}, line {line}, is not UTF-8; save the file as UTF-8.") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{path.name} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(sections, dict):
        raise ValueError(f"{path.name} must hold one mapping of parameters for each chapter.")
    for chapter, section in sections.items():
        if chapter not in ledger.CHAPTERS:
            raise ValueError(
                f"{path.name}: unknown chapter {chapter!r}; valid names are {', '.join(ledger.CHAPTERS)}."
            )
        if section is not None and not isinstance(section, dict):
            raise ValueError(f"{path.name}: the section {chapter} must hold lines 'name: value'.")
    return {chapter: dict(section or {}) for chapter, section in sections.items()}


def _check_tree(node: yaml.Node | None, where: str) -> None:
    """Refuse what YAML reads otherwise than it looks: a key given twice (the last wins in silence), 010 and
    1:30 (8 and 90).
    """
    if isinstance(node, yaml.ScalarNode):
        number, plain = node.tag.endswith((":int", ":float")), r"[-+]?(0|[1-9]\d*)(\.\d*)?([eE][-+]\d+)?"
        if number and not re.fullmatch(plain, node.value):
            line = node.start_mark.line + 1
            told = f"YAML takes {node.value} for {yaml.safe_load(node.value)}"
            raise ValueError(f"{where}, line {line}: {told}; write a plain decimal number.")
        return
    parts = node.value if node else ()
    if isinstance(node, yaml.MappingNode):
        keys = [key for key, _ in node.value]
        for place, key in enumerate(keys):
            if key.value in [earlier.value for earlier in keys[:place]]:
                line = key.start_mark.line + 1
                raise ValueError(f"{where}, line {line}: {key.value!r} stands there twice; remove one.")
        parts = [part for pair in node.value for part in pair]
    for part in parts:
        _check_tree(part, where)


def resolve(chapter: str, profile_name: str, overrides: dict, folder: Path = NOTEBOOKS) -> tuple[dict, dict]:
    """(what to inject into `chapter`, all its parameters): defaults, then the profile's, then `overrides`."""
    known = read(folder / f"{chapter}.ipynb")
    sections = profile(profile_name, folder)
    if chapter not in sections:
        raise ValueError(
            f"profiles/{profile_name}.yaml has no section {chapter!r}; add one, empty if need be."
        )
    values = sections[chapter] | overrides
    if "profile" in known:
        if values.setdefault("profile", profile_name) != profile_name:
            raise ValueError(
                f"{chapter}: 'profile' is {values['profile']!r} but {profile_name!r} was asked for; "
                "choose it with --profile alone."
            )
    injected = check(values, known, f"{chapter}, profile {profile_name}")
    complete = {name: parameter.default for name, parameter in known.items()} | injected
    _check_together(chapter, complete)
    return injected, complete


def some(chapter: str, profile_name: str, names: str) -> dict:
    """The values that a profile gives to some parameters of a chapter; ``names`` separated by spaces."""
    complete = resolve(chapter, profile_name, {})[1]
    return {name: complete[name] for name in names.split()}


def _check_together(chapter: str, values: dict) -> None:
    """Refuse, before anything starts, values that no runs can be made of."""
    long, epochs = values.get("long_epochs", 0), values.get("epochs", 0)
    of_paper = [table_1()[task]["epochs"] for task in values.get("long_tasks", ()) if task in table_1()]
    usual = epochs or max(of_paper, default=0)
    if 0 < long <= usual:  # what tells longer runs from Table 3's
        raise ValueError(f"{chapter}: long_epochs is {long}; it must be above the others' {usual}, or 0.")
    for name in ("seeds", "cosine_epochs"):
        if values.get(name, 1) < 1:
            raise ValueError(f"{chapter}: {name} is {values[name]}; at least one is needed.")
    trained = [stem for stem in ledger.CHAPTERS if "02" <= stem and stem[:2] not in ("06", "07")]
    of_tasks = [(name, MDN_TASKS) for name in ("tasks", "long_tasks", "mixed_tasks", "beyond_tasks")]
    for name, valid in (*of_tasks, ("data", PLIF_DATASETS), ("search", TASKS), ("chapters", trained)):
        unknown = [item for item in values.get(name, valid) if item not in valid]
        may_be_empty = name in ("long_tasks", "beyond_tasks", "search", "chapters")
        if unknown or (not values.get(name, valid) and not may_be_empty):
            choice = ", ".join(valid)
            raise ValueError(f"{chapter}: {name} is {values[name]}; choose one or more of {choice}.")


def from_text(text: str, known: Parameter | None):
    """The value of `-p name text`: text for a str parameter, else a Python literal (here 1e-3 is a float)."""
    if known is not None and known.type == "str":
        return text
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return {"true": True, "false": False}.get(text, text)
