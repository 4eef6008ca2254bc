"""One self-contained page with every figure and table.

Reads what artefacts.save_figure and save_table left in results/<profile>; lists what is missing.
"""

import base64
import json
import struct
from datetime import UTC, datetime
from html import escape
from pathlib import Path

import pandas as pd

from snnlib import files, paths
from snnlib.provenance import commit, trust
from snnlib.results import ledger

LARGEST_SVG = 300_000  # bytes; above it the page carries the PNG
COMPARED = (
    "published",
    "published_sd",
    "ours",
    "sd",
    "interval",
    "difference",
)  # shown with the same number of decimals
HEADINGS = {"sd": "± sd", "interval": "± 95 %", "published_sd": "± sd (published)", "data": "data source"}


def build(profile: str, root: Path | None = None) -> str:
    """The page for the artefacts under `root` (default: results/<profile>)."""
    root = root or paths.results(profile)
    found = _sidecars(root / "figures") | _sidecars(root / "tables")
    chapters = {chapter: [*ledger.FIGURES[chapter], *ledger.TABLES[chapter]] for chapter in ledger.CHAPTERS}
    extra = [stem for stem in found if not ledger.chapter_of(stem)]
    for stem in extra:  # a chapter may make more than the ledger asks for
        chapters.get(found[stem]["chapter"], next(iter(chapters.values()))).append(stem)
    wanted = [stem for stems in chapters.values() for stem in stems]
    sections = [_chapter(chapter, stems, found, root, profile) for chapter, stems in chapters.items()]
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>SNN paper companion: {escape(profile)} results</title>",
            f"<style>\n{Path(__file__).with_name('report.css').read_text()}</style>",
            "</head>",
            '<body><div class="page">',
            _masthead(profile, wanted, found),
            _contents(chapters, found),
            _data(found),
            *sections,
            '<footer class="colophon">Difference is ours minus published. Written by '
            "<code>make report</code>; the same numbers are in the CSV files beside this page.</footer>",
            "</div></body>",
            "</html>",
            "",
        ]
    )


def _sidecars(folder):
    return {
        path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("[!.]*.json"))
    }


def _masthead(profile, wanted, found):
    made = [stem for stem in wanted if stem in found]
    stands = sum("stand-in" in _kinds(found[stem]) for stem in made)
    facts = {
        "Profile": profile,
        "Commit": commit(),
        "Written": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "Figures and tables": f"{len(made)} of {len(wanted)}",
        "With stand-in data": f"{stands} of {len(made)}",
    }
    cells = "".join(f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>" for name, value in facts.items())
    return (
        '<header class="masthead"><h1>Two papers on spiking networks, regenerated</h1>'
        '<p class="lead">Every figure and table of “Finite Meta-Dynamic Neurons” (MDN) and “Learnable'
        " Membrane Time Constant” (PLIF), as this machine made them, each with the paper’s number, the data "
        f'it really used and what it cost.</p><dl class="facts">{cells}</dl></header>'
    )


def _contents(chapters, found):
    items = []
    for chapter, stems in chapters.items():
        links = "".join(
            f'<li><a class="{"" if stem in found else "gone"}" href="#{stem}">{escape(_short(stem))}</a></li>'
            for stem in stems
        )
        title = f"{chapter[:2]} {escape(ledger.CHAPTERS[chapter])}"
        items.append(f'<li><a href="#{chapter}">{title}</a><ol>{links}</ol></li>')
    listed = f"<summary>Contents</summary><ol>{''.join(items)}</ol>"
    return f'<nav class="contents"><details open>{listed}</details></nav>'


def _short(stem):
    return ledger.title(stem).replace(" paper, ", " ")


def _data(found):
    """One row for each data set that any artefact used."""
    sources = {}
    for stem, sidecar in found.items():
        for source in filter(lambda source: source["source"], sidecar["sources"]):
            key = (source["dataset"], source["source"], source["note"])
            sources.setdefault(key, []).append(stem)
    if not sources:
        return ""
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{_badge(kind)}</td><td>{escape(note)}</td>"
        f'<td class="number">{len(stems)}</td></tr>'
        for (name, kind, note), stems in sorted(sources.items())
    )
    return (
        '<section class="sources" id="data"><h2>Data behind this page</h2><div class="box"><table><thead><tr>'
        '<th>data set</th><th>source</th><th>note</th><th class="number">used in</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div></section>"
    )


def _chapter(chapter, stems, found, root, profile):
    articles = "".join(
        _artefact(found[stem], root) if stem in found else _missing(stem, chapter, root, profile)
        for stem in stems
    )
    return (
        f'<section class="chapter" id="{chapter}"><p class="label">Chapter {chapter[:2]}</p>'
        f"<h2>{escape(ledger.CHAPTERS[chapter])}</h2>{articles}</section>"
    )


def _missing(stem, chapter, root, profile):
    reason = root / "missing" / f"{stem}.txt"
    why = f"Left out: {reason.read_text().strip()}" if reason.exists() else "Not made yet"
    command = f"make {chapter[:2]} PROFILE={profile}{' TRAIN=1' if profile == 'paper' else ''}"
    return (
        f'<article class="missing" id="{stem}"><div class="head"><h3>{escape(ledger.title(stem))}</h3>'
        '<span class="badge missing">missing</span></div>'
        f'<div class="box">{escape(why)}. <code>{escape(command)}</code></div>'
        "</article>"
    )


def _artefact(sidecar, root):
    stem, caption = sidecar["stem"], sidecar["caption"]
    badges = "".join(map(_badge, _kinds(sidecar)))
    body = (
        _table(root / "tables" / f"{stem}.csv", sidecar.get("data", {}))
        if sidecar["kind"] == "table"
        else _figure(root, stem, caption)
    )
    notes = "".join(f"<li>{escape(note)}</li>" for note in sidecar["notes"])
    return (
        f'<article id="{stem}"><div class="head"><h3>{escape(ledger.title(stem))}</h3>{badges}</div>'
        f'<p class="caption">{escape(caption)}</p>{body}'
        + (f'<ul class="notes">{notes}</ul>' if notes else "")
        + _origins(sidecar)
        + "</article>"
    )


def _badge(kind):
    return f'<span class="badge {kind.replace(" ", "-")}">{escape(kind)}</span>' if kind else ""


def _kinds(sidecar):
    """The kinds of data behind an artefact, the least trustworthy first."""
    kinds = {source["source"] for source in sidecar["sources"] if source["source"]}
    return sorted(kinds, key=trust, reverse=True)


def _figure(root, stem, caption):
    svg, png = root / "figures" / f"{stem}.svg", root / "figures" / f"{stem}.png"
    width, height = struct.unpack(">II", png.read_bytes()[16:24])
    chosen, kind = (svg, "svg+xml") if svg.exists() and svg.stat().st_size <= LARGEST_SVG else (png, "png")
    data = base64.b64encode(chosen.read_bytes()).decode()
    wide = "wide" if width > 2.2 * height else ""
    return (
        f'<div class="box picture"><img class="{wide}" alt="{escape(caption, quote=True)}" '
        f'src="data:image/{kind};base64,{data}"></div>'
    )


def _table(path, kinds):
    """A CSV as HTML; ``kinds``: which kind of data a cell of its column "data" speaks of."""
    frame = pd.read_csv(path)
    decimals = {column: _decimals(frame[column]) for column in frame}
    together = [decimals[column] for column in ("published", "ours") if decimals.get(column) is not None]
    for column in COMPARED:
        if decimals.get(column) is not None and together:
            decimals[column] = max(together)
    head = "".join(
        f'<th class="{_css(column, decimals)}">{escape(HEADINGS.get(column, column.replace("_", " ")))}</th>'
        for column in frame
    )
    rows = "".join(
        "<tr>"
        + "".join(
            f'<td class="{_css(column, decimals)}">{_dot(kinds.get(value, "")) if column == "data" else ""}'
            f"{_cell(column, value, decimals[column])}</td>"
            for column, value in row.items()
        )
        + "</tr>"
        for _, row in frame.iterrows()
    )
    return f'<div class="box"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _css(column, decimals):
    names = [
        "number" if decimals[column] is not None else "",
        "ours" if column == "ours" else "",
        "origin" if column == "data" else "",
    ]
    return " ".join(filter(None, names))


def _decimals(column):
    """How many decimals to show in a numeric column; None for text."""
    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        return None
    values = column.dropna().abs()
    if values.empty or (values % 1 == 0).all():
        return 0
    most = 2 if values.max() >= 10 else 3 if values.max() >= 0.1 else 5
    return next((d for d in range(1, most) if (values.round(d) - values).abs().max() < 1e-9), most)


def _cell(column, value, decimals):
    if pd.isna(value):
        return "–"
    if decimals is None:
        return escape(str(value))
    sign = "+" if column == "difference" else ""
    return f"{value:{sign},.{decimals}f}".replace("-", "−")


def _dot(kind):
    """A mark for a kind of data."""
    return f'<span class="dot {kind.replace(" ", "-")}" title="{kind}"></span>' if kind else ""


def _origins(sidecar):
    """Small print: data, budget, seconds, commit."""
    budget = sidecar["budget"]
    cost = []
    if budget:
        cost.append(f"{budget['runs']} runs")
        if "seeds" in budget:
            cost.append(f"seeds {', '.join(map(str, budget['seeds']))}")
        cost += [
            f"{_range(budget[name])} {name.replace('_', ' ')}"
            for name in ("epochs", "time_steps", "train_samples", "test_samples")
            if name in budget
        ]
        cost += [f"{budget['seconds']:,.0f} s of training", *budget["devices"]]
    names = [source["dataset"] for source in sidecar["sources"]]
    lines = {
        "Data": "; ".join(names),
        "Budget": ", ".join(cost),
        "Commit": ", ".join(dict.fromkeys([sidecar["commit"], *budget.get("commits", [])])),
    }
    return (
        '<div class="origins">'
        + "".join(f"<p><b>{name}</b> {escape(text)}</p>" for name, text in lines.items() if text)
        + "</div>"
    )


def _range(pair):
    low, high = pair
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def write(profile: str) -> Path:
    """Write results/<profile>/report.html; FileNotFoundError where the profile has no results. Artefacts that
    are missing are listed on the page.
    """
    root = paths.results(profile)
    if not root.exists():
        raise FileNotFoundError(f"There are no results in {root}; run `make all PROFILE={profile}`.")
    text = build(profile, root)
    return files.write_atomically(root / "report.html", lambda path: path.write_text(text, encoding="utf-8"))
