"""One self-contained page with every figure and table.

Reads what artefacts.save_figure and save_table left in results/<profile>; lists what is missing. The page
itself is report.html.jinja.
"""

import base64
import json
import struct
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import jinja2
import pandas as pd

from snnlib import files, paths
from snnlib.chapters import parameters
from snnlib.provenance import commit, trust
from snnlib.results import ledger

LARGEST_SVG = 300_000  # bytes; above it the page carries the PNG
COMPARED = ("published", "published_sd", "ours", "sd", "interval", "difference")  # with as many decimals
MIXED = 99  # decimals of a column of small and large numbers: each to four digits
HEADINGS = {"sd": "± sd", "interval": "± 95 %", "published_sd": "± sd (published)", "data": "data source"}


def build(profile: str) -> str:
    """The page for the artefacts under results/<profile>."""
    root = paths.results(profile)
    sidecars = [path for kind in ("figures", "tables") for path in sorted((root / kind).glob("[!.]*.json"))]
    shown = {path.stem: _shown(path, root) for path in sidecars}
    found = [artefact for artefact in shown.values() if not artefact["missing"]]
    chapters = {chapter: list(ledger.stems(chapter)) for chapter in ledger.CHAPTERS}
    for artefact in found:
        if not ledger.chapter_of(artefact["stem"]):  # a chapter may make more than the ledger asks for
            chapters.get(artefact["chapter"], next(iter(chapters.values()))).append(artefact["stem"])
    stand_ins = sum("stand-in" in artefact["kinds"] for artefact in found)
    sources = Counter(source for artefact in found for source in artefact["sources"] if source[1])
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("report.html.jinja").render(
        profile=profile,
        facts={
            "Profile": profile,
            "Commit": commit(),
            "Written": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            "Figures and tables": f"{len(found)} of {sum(map(len, chapters.values()))}",
            "With stand-in data": f"{stand_ins} of {len(found)}",
        },
        sources=sorted(sources.items()),
        chapters=[
            {
                "stem": chapter,
                "number": chapter[:2],
                "title": ledger.CHAPTERS[chapter],
                "command": _command(chapter, profile),
                "artefacts": [shown.get(stem) or _absent(stem, root) for stem in stems],
            }
            for chapter, stems in chapters.items()
        ],
    )


def write(profile: str) -> Path:
    """Write results/<profile>/report.html; FileNotFoundError where the profile has no results. Artefacts that
    are missing are listed on the page.
    """
    root = paths.results(profile)
    if not root.exists():
        raise FileNotFoundError(f"There are no results in {root}; run `make all PROFILE={profile}`.")
    return files.write_text(root / "report.html", build(profile))


def _command(chapter, profile):
    """What makes a chapter; where the profile draws only what is recorded, with training."""
    trains = parameters.resolve(chapter, profile, {})[1].get("train", True)
    return f"make {chapter[:2]} PROFILE={profile}{'' if trains else ' TRAIN=1'}"


def _shown(path, root):
    """What the page shows of the artefact of a sidecar, or that it cannot be read: cut, or made by another
    version.
    """
    stem = path.stem
    common = {"stem": stem, "title": ledger.title(stem)}
    try:
        sidecar = json.loads(path.read_text(encoding="utf-8"))
        kind, data = sidecar["kind"], sidecar.get("data", {})
        if kind == "page":
            content = {"frame": (root / "figures" / f"{stem}.html").read_text(encoding="utf-8")}
        else:
            content = _table(root, stem, data) if kind == "table" else _picture(root, stem)
        told = {name: sidecar[name] for name in ("kind", "caption", "notes", "chapter")}
        sources = [(source["dataset"], source["source"], source["note"]) for source in sidecar["sources"]]
        kinds = sorted({kind for _, kind, _ in sources if kind}, key=trust, reverse=True)  # the worst first
        more = {"sources": sources, "kinds": kinds, "origins": _origins(sidecar), "missing": ""}
        return common | told | content | more
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error):
        return common | {"missing": "Unreadable: cut, or made by another version; make it again"}


def _absent(stem, root):
    """Why an artefact is not there."""
    reason = root / "missing" / f"{stem}.txt"
    told = f"Left out: {reason.read_text('utf-8').strip()}" if reason.exists() else "Not made yet"
    return {"stem": stem, "title": ledger.title(stem), "missing": told}


def _picture(root, stem):
    svg, png = root / "figures" / f"{stem}.svg", root / "figures" / f"{stem}.png"
    width, height = struct.unpack(">II", png.read_bytes()[16:24])
    small = svg.exists() and svg.stat().st_size <= LARGEST_SVG
    content = base64.b64encode((svg if small else png).read_bytes()).decode()
    return {"format": "svg+xml" if small else "png", "bytes": content, "wide": width > 2.2 * height}


def _table(root, stem, kinds):
    """The CSV of a table; ``kinds``: which kind of data a cell of its column "data" speaks of."""
    frame = pd.read_csv(root / "tables" / f"{stem}.csv")
    decimals = {name: _decimals(frame[name]) for name in frame}
    together = [decimals[name] for name in ("published", "ours") if decimals.get(name) is not None]
    for name in COMPARED:
        if decimals.get(name) is not None and together:
            decimals[name] = max(together)
    columns = [_column(name, decimals[name]) for name in frame]
    rows = [
        [
            (column, _text(name, value, decimals[name]), kinds.get(value, "") if name == "data" else "")
            for column, (name, value) in zip(columns, row.items(), strict=True)
        ]
        for _, row in frame.iterrows()
    ]
    return {"columns": columns, "rows": rows}


def _column(name, decimals):
    css = ["number"] if decimals is not None else []
    css += [{"ours": "ours", "data": "origin"}[name]] if name in ("ours", "data") else []
    return {"css": " ".join(css), "heading": HEADINGS.get(name, name.replace("_", " "))}


def _decimals(column):
    """How many decimals to show in a numeric column; None for text."""
    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        return None
    values = column.dropna().abs()
    if values.empty or (values % 1 == 0).all():
        return 0
    if _is_p(column.name):
        return 3
    if values.max() >= 10 and values[values > 0].min() < 0.01:
        return MIXED
    most = 2 if values.max() >= 10 else 3 if values.max() >= 0.1 else 5
    decimals = next((d for d in range(1, most) if (values.round(d) - values).abs().max() < 1e-9), most)
    return MIXED if (values[values > 0].round(decimals) == 0).any() else decimals  # only 0 is shown as 0


def _is_p(name):
    return name == "p" or str(name).startswith("p_")


def _text(column, value, decimals):
    if pd.isna(value):
        return "–"
    if decimals is None:
        return str(value)
    if _is_p(column) and value < 0.0005:
        return "<0.001"
    if decimals == MIXED:
        return f"{value:,.4g}".replace("-", "−")
    sign = "+" if column == "difference" else ""
    return f"{value:{sign},.{decimals}f}".replace("-", "−")


def _origins(sidecar):
    """Small print: data, budget, seconds, commit."""
    budget = sidecar["budget"]
    cost = []
    if budget:
        cost = [f"{budget['runs']} runs", f"seeds {', '.join(map(str, budget['seeds']))}"]
        cost += [
            f"{_range(*budget[name])} {name.replace('_', ' ')}"
            for name in ("epochs", "time_steps", "train_samples", "test_samples")
            if name in budget
        ]
        cost += [f"{budget['seconds']:,.0f} s of training", *budget["devices"]]
    return {
        "Data": "; ".join(source["dataset"] for source in sidecar["sources"]),
        "Budget": ", ".join(cost),
        "Commit": ", ".join(dict.fromkeys([sidecar["commit"], *budget.get("commits", [])])),
    }


def _range(low, high):
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
