"""A notebook that someone opens elsewhere with one click: its first cell, the badges, what is missing there.

The first cell does nothing where the companion is installed. Elsewhere, on Colab, it clones the repository,
whose records and tables a chapter reads (an installed package would leave them behind), puts the clone on the
path and calls this module, which installs what is missing and leaves everything that is there as it is.
"""

import re
import subprocess
import sys
import tempfile
import tomllib
from importlib import metadata
from pathlib import Path

from snnlib.chapters import environment

ROOT = Path(__file__).resolve().parents[2]
NOT_IN_A_NOTEBOOK = ("jupyterlab", "papermill", "nbconvert", "ipykernel")
BADGES = re.compile(r"(<!-- badges:begin -->\n).*?(<!-- badges:end -->)", re.DOTALL)
ID, TAGS = "one-click", ["one-click", "remove-cell"]

CELL = """\
# Where the companion is installed this does nothing; on Colab it fetches the companion and what it lacks.
import importlib.util
import subprocess
import sys
from pathlib import Path

if importlib.util.find_spec("snnlib") is None:
    address, clone = "{address}", Path.cwd() / "companion"
    if not address:
        raise ModuleNotFoundError("snnlib is not found; in its folder: `pip install --no-deps -e .`")
    if not clone.exists():
        subprocess.run(["git", "clone", "--quiet", "--depth=1", address, str(clone)], check=True)
    sys.path.insert(0, str(clone))
    subprocess.run([sys.executable, "-m", "snnlib.chapters.one_click"], cwd=clone, check=True)
elif importlib.util.find_spec("torch") is None:
    from snnlib import reading

    reading.load_ipython_extension(get_ipython())\
"""


def repository() -> str:
    """The address of the repository, pyproject.toml's [project.urls] Repository; "" while it has none."""
    return _project().get("urls", {}).get("Repository", "").removesuffix("/")


def badges(first: str) -> str:
    """Badges that open the notebook ``first`` elsewhere, in Markdown; "" without an address on GitHub."""
    owned = re.fullmatch(r"https://github\.com/([^/]+/[^/]+)", repository())
    if not owned:
        return ""
    colab = f"https://colab.research.google.com/github/{owned[1]}/blob/main/{first}"
    binder = f"https://mybinder.org/v2/gh/{owned[1]}/main?labpath={first}"
    return (
        f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({colab})\n"
        f"[![Open in Binder](https://mybinder.org/badge_logo.svg)]({binder})\n"
    )


def with_first_cell(notebook):
    """The notebook with the present first cell after its title, outputs as they were and counted anew."""
    from nbformat.v4 import new_code_cell

    hidden = {"tags": TAGS, "jupyter": {"source_hidden": True}}
    cell = new_code_cell(CELL.format(address=repository()), id=ID, metadata=hidden, execution_count=1)
    kept = [other for other in notebook.cells if other.id != ID]
    notebook.cells = [*kept[:1], cell, *kept[1:]]
    executed = [other for other in notebook.cells if other.cell_type == "code"]
    if any(other.execution_count for other in executed[1:]):
        for count, other in enumerate(executed, start=1):
            other.execution_count = count
            for output in other.outputs:
                if output.output_type == "execute_result":
                    output.execution_count = count
    else:
        cell.execution_count = None
    return notebook


def _with_badges(text: str) -> str:
    """README.md with the present badges between its marks."""
    return BADGES.sub(lambda block: block[1] + badges("notebooks/00_both_papers.ipynb") + block[2], text)


def stale() -> dict[Path, str]:
    """Of README.md and notebooks without the present badges or first cell: what should stand there."""
    import nbformat

    wanted = {ROOT / "README.md": _with_badges}
    for path in (ROOT / "notebooks").rglob("*.ipynb"):
        wanted[path] = lambda text: nbformat.writes(with_first_cell(nbformat.reads(text, 4))) + "\n"
    found = {path: (text := path.read_text(encoding="utf-8"), make(text)) for path, make in wanted.items()}
    return {path: after for path, (before, after) in found.items() if after != before}


def missing() -> tuple[list[str], list[str]]:
    """What a notebook needs and this Python lacks, as pip takes it; and what is there in a version that the
    companion was not tried with, in words.
    """
    project = _project()
    asked = project["dependencies"] + project["optional-dependencies"]["companion"]
    found = list(environment.unmet(asked))
    absent = [str(w) for w, version in found if not version and w.name not in NOT_IN_A_NOTEBOOK]
    return absent, [f"{w.name} {version} is not {w.specifier}" for w, version in found if version]


def main() -> None:
    """Install what is missing beside what is there."""
    absent, other = missing()
    if other:
        print(f"The companion was not tried with what is here: {'; '.join(other)}.")
    if not absent:
        return
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as kept:
        there = {found.metadata["Name"]: found.version for found in metadata.distributions()}
        kept.write("".join(f"{name}=={version}\n" for name, version in there.items() if "+" not in version))
        kept.flush()
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--constraint", kept.name]
        failed = [text for text in absent if subprocess.run([*pip, text]).returncode]
    if failed:
        print(f"Not installed, and left out where a chapter can do without: {', '.join(failed)}.")


def _project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


if __name__ == "__main__":
    main()
