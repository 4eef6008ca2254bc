"""The site: every page is there, links lead to pages, nothing is fetched from elsewhere."""

import re

import pytest

from snnlib.chapters import site
from snnlib.results import ledger


def test_links_lead_to_pages_of_the_site_to_the_repository_or_nowhere(monkeypatch):
    text = "[a](02_x.ipynb#A-b) [b](../LICENSE) [c](solutions) [d](https://e.org/f) ![e](claims.png)"
    monkeypatch.setattr(site, "repository", lambda: "")
    without = "[a](02_x.ipynb#A-b) b [c](solutions/index.md) [d](https://e.org/f) ![e](claims.png)"
    assert site._links(text, "notebooks/01_x.ipynb") == without
    monkeypatch.setattr(site, "repository", lambda: "https://e.org/g")
    assert "[b](https://e.org/g/blob/main/LICENSE)" in site._links(text, "notebooks/01_x.ipynb")


def test_a_missing_package_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(site, "NEEDED", ("sphinx", "no_such_builder"))
    with pytest.raises(ValueError, match=r"no_such_builder: `.*pip install -e '.\[site\]'`"):
        site.build(tmp_path)


def test_the_site_is_built_without_warnings_and_asks_for_nothing(tmp_path):
    for name in site.NEEDED[:3]:
        pytest.importorskip(name)
    first = site.build(tmp_path / "site")
    html = first.parent
    for chapter in ledger.CHAPTERS:
        page = (html / "notebooks" / f"{chapter}.html").read_text(encoding="utf-8")
        asked = re.findall(
            r'<(?:script|img|iframe)[^>]+src="(https?:[^"]+)|<link[^>]+href="(https?:[^"]+)', page
        )
        assert asked == [], chapter
    claims = (html / "notebooks" / "06_claims.html").read_text(encoding="utf-8")
    links = set(re.findall(r'href="(\d\d_\w+\.html)#([^"]+)"', claims))
    assert links
    for name, anchor in links:
        assert f'id="{anchor}"' in (html / "notebooks" / name).read_text(encoding="utf-8"), (name, anchor)
    assert (html / "_static" / "mathjax" / "tex-chtml.js").exists() and "PLIF" in (
        html / "library.html"
    ).read_text()
    assert not (tmp_path / "site" / "source").exists()
