"""Links of the committed notebooks and READMEs lead somewhere; chapters have exercises, with solutions."""

import re
from urllib.parse import unquote

import pytest

from snnlib import paths
from snnlib.chapters import one_click
from snnlib.chapters.parameters import NOTEBOOKS, load
from snnlib.chapters.publishing import LONGEST
from snnlib.claims import listed
from snnlib.results import ledger

CHAPTERS = [chapter for chapter in ledger.CHAPTERS if chapter not in ledger.BY_ITSELF]
PAGES = [
    *sorted(NOTEBOOKS.rglob("*.ipynb")),
    paths.ROOT / "README.md",
    *sorted(paths.ROOT.glob("data/*/*.md")),
]
LINK = re.compile(r"""\]\(([^)\s]+)\)|\bhref=\\?["']([^"'\\]+)""")


def words(page):
    """The text of a page in which links may stand: of a notebook its markdown and the HTML of its outputs."""
    if page.suffix != ".ipynb":
        return page.read_text(encoding="utf-8")
    cells = load(page).cells
    shown = [output.get("data", {}) for cell in cells for output in cell.get("outputs", [])]
    texts = [cell.source for cell in cells if cell.cell_type == "markdown"]
    texts += [data.get(kind, "") for data in shown for kind in ("text/html", "text/markdown")]
    return re.sub(r'srcdoc="[^"]*"', "", "\n".join(texts))  # a frame is a page of its own


def anchors(page):
    """What may follow # in a link to a page: Jupyter writes spaces as hyphens, GitHub also drops signs."""
    if page.suffix != ".ipynb":
        heads = re.findall(r"^#+ (.+)", page.read_text(encoding="utf-8"), re.M)
        return {re.sub(r"[^\w\- ]", "", head).lower().replace(" ", "-") for head in heads}
    text = "\n".join(cell.source for cell in load(page).cells if cell.cell_type == "markdown")
    return {head.replace(" ", "-") for head in re.findall(r"^#+ (.+)", text, re.M)}


def broken(page, targets):
    """The links from a page that lead to no file or no heading."""
    found = []
    for target in targets:
        name, _, anchor = unquote(target).partition("#")
        path = (page.parent / name).resolve() if name else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            found.append(target)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(paths.ROOT)))
def test_links_lead_somewhere(page):
    targets = ["".join(pair) for pair in LINK.findall(words(page))]
    assert broken(page, [x for x in targets if not re.match(r"[a-z]+:", x)]) == []


def test_a_broken_link_is_seen(tmp_path):
    (tmp_path / "b.md").write_text("# A head, here\n")
    page = tmp_path / "a.md"
    page.write_text('[x](b.md#a-head-here) [y](b.md#other) <a href="c.md">z</a>')
    assert broken(page, ["".join(pair) for pair in LINK.findall(words(page))]) == ["b.md#other", "c.md"]


def test_every_claim_leads_to_the_heading_that_decides_it():
    chapters = listed().chapter
    assert broken(NOTEBOOKS / "06_claims.ipynb", chapters) == []
    assert all("#" in chapter for chapter in chapters) and chapters.str.split(".").str[0].isin(CHAPTERS).all()


def test_chapters_lead_to_their_neighbours():
    names = list(ledger.CHAPTERS)
    for before, after in zip(names, names[1:], strict=False):
        assert f"({after}.ipynb)" in words(NOTEBOOKS / f"{before}.ipynb"), before
        assert f"({before}.ipynb)" in words(NOTEBOOKS / f"{after}.ipynb"), after


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_exercise_has_a_solution_that_asserts(chapter):
    solutions = load(NOTEBOOKS / "solutions" / f"{chapter}.ipynb").cells
    solutions = [cell for cell in solutions if cell.id != one_click.ID]
    asked = load(NOTEBOOKS / f"{chapter}.ipynb").cells[-1].source
    assert asked.startswith("## Exercises") and f"(solutions/{chapter}.ipynb)" in asked
    exercises = re.findall(r"^\d+\. \*\*(.+?)[.?]?\*\*", asked, re.M)
    assert 3 <= len(exercises) <= 5
    parts = re.split(r"^## ", "\n".join(cell.source for cell in solutions), flags=re.M)[1:]
    assert len(parts) == len(exercises)
    for exercise, part in zip(exercises, parts, strict=True):
        assert exercise in part.splitlines()[0] and re.search(r"^ *assert ", part, re.M), exercise
    for before, cell in zip([None, *solutions], solutions, strict=False):
        if cell.cell_type == "code":
            assert before.cell_type == "markdown" and len(cell.source.splitlines()) <= LONGEST
            assert cell.execution_count, "`make publish` runs the solutions"  # for who reads offline
            assert all(output.output_type != "error" for output in cell.outputs)
