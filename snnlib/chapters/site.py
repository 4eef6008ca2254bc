"""The site: the committed notebooks, README and a page of the library's public names, built by sphinx.

``stage`` lays the pages out, ``notebooks/_site/conf.py`` has the looks. Nothing is executed, and the finished
site asks the network for nothing: its MathJax comes from a package.
"""

import importlib
import importlib.util
import inspect
import json
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from pathlib import Path

import snnlib
from snnlib import paths
from snnlib.chapters.one_click import repository
from snnlib.chapters.parameters import NOTEBOOKS, load
from snnlib.results import ledger

LOOKS = NOTEBOOKS / "_site"
NEEDED = ("sphinx", "myst_nb", "sphinx_book_theme", "sphinx-mathjax-offline")
MATHJAX = ("tex-chtml.js", "output/chtml/fonts/woff-v2")  # what our formulas use of the package's 24 MB
LINK = re.compile(r"\[([^]]*)\]\(([^)\s#:]+)(#[^)\s]*)?\)")
ROOMS = ("papers", "datasets", "runs", "results", "claims", "figures", "chapters")
DATA_PAGES = sorted(paths.ROOT.glob("data/README.md")) + sorted(paths.ROOT.glob("data/*/README.md"))
HEADING = re.compile(r"^(#{1,4} +)(.+)$", re.MULTILINE)


def slug(heading: str) -> str:
    """The anchor of a heading, as Jupyter writes it."""
    return heading.strip().replace(" ", "-")


def buttons() -> dict:
    """What the theme needs for its buttons to Colab and Binder; {} without an address."""
    if not (address := repository()):
        return {}
    launch = {"colab_url": "https://colab.research.google.com", "binderhub_url": "https://mybinder.org"}
    return {"repository_url": address, "use_repository_button": True, "launch_buttons": launch}


def build(out: Path) -> Path:
    """Build the site into ``out``, which is replaced; returns its first page.

    Raises ValueError when a package for it is missing or sphinx warns of anything.
    """
    lacking = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if lacking:
        raise ValueError(
            f"The site needs {', '.join(lacking)}: `{sys.executable} -m pip install -e '.[site]'`."
        )
    shutil.rmtree(out, ignore_errors=True)
    source = stage(out / "source")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", source, out / "html"]
    places = os.pathsep.join([str(paths.ROOT), os.environ.get("PYTHONPATH", "")])
    if subprocess.run(command, env=os.environ | {"PYTHONPATH": places}).returncode:
        raise ValueError("The site was not built without warnings; they stand above.")
    shutil.rmtree(source)
    return out / "html" / "README.html"


def stage(source: Path) -> Path:
    """Lay the pages out in ``source`` as the repository has them; returns it."""
    pages = ["README.md", *(f"notebooks/{chapter}.ipynb" for chapter in ledger.CHAPTERS)]
    found = [*sorted(NOTEBOOKS.glob("solutions/*.ipynb")), *DATA_PAGES]
    pages += [page.relative_to(paths.ROOT).as_posix() for page in found]
    for name in pages:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        text = _notebook(name) if name.endswith(".ipynb") else _markdown(name)
        (source / name).write_text(text, encoding="utf-8")
    contents = _contents([page.stem for page in sorted(NOTEBOOKS.glob("solutions/*.ipynb"))])
    solutions = source / "notebooks" / "solutions" / "index.md"
    solutions.write_text(f"# Solutions of the exercises\n{contents}", encoding="utf-8")
    (source / "library.rst").write_text(_library(), encoding="utf-8")
    (source / "rooms.rst").write_text(_rooms(), encoding="utf-8")
    for picture in NOTEBOOKS.glob("*.png"):
        shutil.copy(picture, source / "notebooks")
    static = source / "_static"
    static.mkdir()
    shutil.copy(LOOKS / "conf.py", source)
    shutil.copy(LOOKS / "site.css", static)
    mathjax = Path(importlib.util.find_spec(NEEDED[-1]).origin).parent / "static" / "mathjax"
    for part in MATHJAX:
        copy = shutil.copytree if (mathjax / part).is_dir() else shutil.copy
        (static / "mathjax" / part).parent.mkdir(parents=True, exist_ok=True)
        copy(mathjax / part, static / "mathjax" / part)
    return source


def _links(text: str, name: str) -> str:
    """The links of a page made for the site: what is no page of it leads to the repository, or nowhere."""
    folder = (paths.ROOT / name).parent

    def led(match):
        words, target, anchor = match[1], match[2], match[3] or ""
        path = (folder / target).resolve()
        if path == NOTEBOOKS / "solutions":
            return f"[{words}]({target.removesuffix('/')}/index.md)"
        if path.suffix in (".ipynb", ".md", ".png"):
            return match[0]
        inside = path.relative_to(paths.ROOT).as_posix() if path.is_relative_to(paths.ROOT) else ""
        return f"[{words}]({repository()}/blob/main/{inside}{anchor})" if repository() and inside else words

    return LINK.sub(led, text)


def _markdown(name: str) -> str:
    text = _links((paths.ROOT / name).read_text(encoding="utf-8"), name)
    if name != "README.md":
        return text
    chapters = [f"notebooks/{chapter}" for chapter in ledger.CHAPTERS]
    more = ["notebooks/solutions/index", "library", "rooms"]
    data = [page.relative_to(paths.ROOT).with_suffix("").as_posix() for page in DATA_PAGES]
    text += _contents(chapters, ":hidden:", ":caption: Chapters")
    return text + _contents(more + data, ":hidden:", ":caption: More")


def _contents(pages, *options):
    return "\n".join(["", "```{toctree}", *options, "", *pages, "```", ""])


def _notebook(name: str) -> str:
    """A notebook with anchors before its headings, for the links in its tables, which lead to pages."""
    notebook = load(paths.ROOT / name)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = _links(cell.source, name)
            if "```" not in cell.source:
                cell.source = HEADING.sub(
                    lambda head: f'<a id="{slug(head[2])}"></a>\n\n{head[0]}', cell.source
                )
        for output in cell.get("outputs", []):
            if "text/html" in (data := output.get("data", {})):
                data["text/html"] = re.sub(r'(href="[^":]+)\.ipynb(?=[#"])', r"\1.html", data["text/html"])
    return json.dumps(notebook)


def _library() -> str:
    """The page of what ``import snnlib`` offers, by the module where it stands."""
    lines = ["The library", "===========", ""]
    lines += ["``from snnlib import ...``; the core, on torch, numpy and numba.", ""]
    for module, names in snnlib._HOME.items():
        lines += [module, "-" * len(module), ""]
        for name in names:
            thing = getattr(snnlib, name)
            kind = "class" if inspect.isclass(thing) else "function" if callable(thing) else "data"
            lines += [f".. auto{kind}:: snnlib.{module}.{name}", ""]
    return "\n".join(lines)


def _rooms() -> str:
    """The page of the rooms beside the core: every public function that says what it does."""
    lines = ["The rooms beside the core", "=========================", ""]
    for room in ROOMS:
        package = importlib.import_module(f"snnlib.{room}")
        inside = [found.name for found in pkgutil.iter_modules(package.__path__) if found.name != "__main__"]
        for name in (package.__name__, *(f"{package.__name__}.{file}" for file in inside)):
            lines += [name, "-" * len(name), "", f".. automodule:: {name}", "   :members:", ""]
    return "\n".join(lines)
