"""Save the figures and tables of a chapter, each with a sidecar that says where its numbers come from."""

import functools
import json
import textwrap
from pathlib import Path

import matplotlib.pyplot as plt

from snnlib import files, paths
from snnlib.provenance import Passport, commit, trust
from snnlib.results import ledger

HASH_SALT = "snn-paper-companion"  # makes the ids inside an SVG, and so its bytes, the same in every run


def save_figure(fig, stem: str, profile: str, *, caption: str, notes=(), passport=(), sources=()) -> Path:
    """Write results/<profile>/figures/<stem>.png, .svg and the sidecar .json; returns the PNG's path.

    passport: the run records (or Passport objects) behind it.  sources: further sources, in words.
    """
    folder = paths.results(profile) / "figures"
    name_data(fig, passport, sources)
    with plt.rc_context({"svg.hashsalt": HASH_SALT, "svg.fonttype": "path"}):
        for suffix, metadata in ((".svg", {"Date": None, "Creator": None}), (".png", {"Software": None})):
            write = functools.partial(fig.savefig, metadata=metadata, dpi=160, bbox_inches="tight")
            files.write_atomically(folder / f"{stem}{suffix}", write)
    _sidecar(folder, "figure", stem, profile, caption, notes, passport, sources)
    return folder / f"{stem}.png"


def name_data(fig: plt.Figure, passport, sources=()) -> plt.Figure:
    """The figure with a line below it that names the data, runs and seeds behind it, or without data the
    ``sources`` in words; as it is where its own words name them. ``passport`` as in save_figure.
    """
    words = " ".join(" ".join(text.get_text() for text in fig.findobj(plt.Text)).split())
    behind = dict.fromkeys((p.dataset, p.source) for p in _passports(passport))
    told = _listed(sources) if not behind else ()
    if all(name in words and kind in words for name, kind in behind) and all(text in words for text in told):
        return fig
    line = "Data: " + "; ".join(f"{name} ({kind})" for name, kind in behind) + "."
    line = f"Source: {'; '.join(told)}." if told else line
    if budget := _budget(passport):
        runs, seeds = budget["runs"], len(budget["seeds"])
        line += f" {runs} run{'s' * (runs != 1)}, {'up to ' * (seeds > 1)}{seeds} seed{'s' * (seeds != 1)}."
    line = textwrap.fill(line, int(17 * fig.get_figwidth()))
    fig.draw_without_rendering()  # lays it out; legends and axes stay there when a tight box makes room below
    fig.set_layout_engine("none")
    for legend in fig.legends:
        legend.set_bbox_to_anchor((0, 0, 1, 1), fig.transFigure)
    fig.text(0.01, -0.01, line, va="top", fontsize=7.5, color="#666666")
    return fig


def save_table(df, stem: str, profile: str, *, caption: str, notes=(), passport=(), sources=()) -> Path:
    """Write results/<profile>/tables/<stem>.csv and the sidecar .json; returns the CSV's path.

    Columns: the keys of a row, then published, ours, sd, n, difference, data as far as they apply. What is in
    words there is in the sidecar's "data" as the least trustworthy kind of each cell.
    """
    folder = paths.results(profile) / "tables"
    named_index = any(name is not None for name in df.index.names)
    files.write_text(folder / f"{stem}.csv", df.to_csv(index=named_index, lineterminator="\n"))
    known = {p.label: (p,) for p in _passports(passport)} | df.attrs.get("passports", {})
    cells = df["data"].dropna().unique() if "data" in df else ()
    kinds = {cell: max((p.source for p in known[cell]), key=trust) for cell in cells if cell in known}
    _sidecar(folder, "table", stem, profile, caption, notes, passport, sources, data=kinds)
    return folder / f"{stem}.csv"


def save_page(html: str, stem: str, profile: str, *, caption: str, sources=(), chapter=None) -> Path:
    """Write results/<profile>/figures/<stem>.html, something to touch that asks for nothing else, and the
    sidecar .json; returns the page's path.
    """
    folder = paths.results(profile) / "figures"
    files.write_text(folder / f"{stem}.html", html)
    _sidecar(folder, "page", stem, profile, caption, (), (), sources, chapter)
    return folder / f"{stem}.html"


def leave_out(stem: str, profile: str, reason: str, say: bool = True) -> None:
    """Tell the report (and, with ``say``, the reader here) why a figure or table cannot be made: no recorded
    run shows it.
    """
    if say:
        print(f"{stem} is left out: {reason}.")
    files.write_text(paths.results(profile) / "missing" / f"{stem}.txt", f"{reason}\n")


def _sidecar(folder, kind, stem, profile, caption, notes, passport, sources, chapter="", **more):
    if not caption:
        raise ValueError(
            f"{stem}: an artefact needs a caption; pass caption='one sentence on what it shows'."
        )
    if isinstance(notes, str):
        raise ValueError(f"{stem}: notes must be a list of sentences, not one string.")
    sidecar = {
        "stem": stem,
        "kind": kind,
        "profile": profile,
        "chapter": chapter or ledger.chapter_of(stem),
        "caption": caption,
        "notes": list(notes),
        "sources": _sources(_passports(passport), _listed(sources)),
        "budget": _budget(passport),
        "commit": commit(),
    }
    text = json.dumps(sidecar | more, indent=1, ensure_ascii=False) + "\n"
    files.write_text(folder / f"{stem}.json", text)


def _listed(value):
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _passports(entries):
    """Records and passports as passports; a record that was not found (None) has none."""
    there = [entry for entry in _listed(entries) if entry is not None]
    return [Passport.of(entry) if isinstance(entry, dict) else entry for entry in there]


def _sources(passports, words):
    """Distinct data behind an artefact: [{"dataset", "source", "note"}], in order of first use. What is only
    told in words has no kind."""
    found = {}
    for p in passports:
        found.setdefault((p.dataset, p.source), {"dataset": p.dataset, "source": p.source, "note": p.note})
    return [*found.values(), *({"dataset": text, "source": "", "note": ""} for text in dict.fromkeys(words))]


def _budget(entries):
    """What the runs behind an artefact cost: ranges over their records, seconds added up; {} without any."""
    distinct = {entry["hash"]: entry for entry in _listed(entries) if isinstance(entry, dict)}.values()
    if not distinct:
        return {}

    def found(name):
        """What the records say under a name, or else their runs."""
        return sorted({record.get(name) or record["config"].get(name) for record in distinct} - {None, 0, ""})

    budget = {"runs": len(distinct), "seeds": sorted({record["config"]["seed"] for record in distinct})}
    for name in ("epochs", "time_steps", "train_samples", "test_samples"):
        if values := found(name):
            budget[name] = [values[0], values[-1]]
    seconds = round(sum(record["seconds"] for record in distinct), 1)
    return budget | {"devices": found("device"), "commits": found("commit"), "seconds": seconds}
