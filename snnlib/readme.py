"""The results block of README.md: a profile's main tables, published beside ours."""

import re

import pandas as pd

from snnlib import datasets, files, paths, tables

BLOCK = re.compile(r"(<!-- results:begin -->\n).*?(<!-- results:end -->)", re.DOTALL)


def write(profile: str) -> None:
    """Replace what stands between the results marks of README.md by the main tables of ``profile``.

    Raises FileNotFoundError if a table is missing, ValueError if README.md has lost its marks.
    """
    readme = paths.ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    if not BLOCK.search(text):
        raise ValueError("README.md has lost its marks <!-- results:begin --> and <!-- results:end -->.")
    text = BLOCK.sub(lambda match: match[1] + block(profile) + match[2], text)
    files.write_atomically(readme, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def block(profile: str) -> str:
    """The block as Markdown."""
    meta, plif = _read("mdn_table3", profile), _read("plif_table4", profile)
    plif["variant"] = [f"{row.neuron}, τ {row.tau:g}" for row in plif.itertuples()]
    return (
        f"From the `{profile}` profile, as `make publish` wrote it: published → ours (mean ± sd over seeds, "
        "percent). Budgets are a small part of the papers', so the distance is no verdict on a paper; the "
        "last column says what was really trained on.\n\n"
        "**MDN, Table 3** (last epoch)\n\n"
        f"{_square(meta, 'neuron')}\n"
        "**PLIF, Table 4** (best epoch, as the paper reports)\n\n"
        f"{_square(plif, 'variant')}"
    )


def _read(stem: str, profile: str) -> pd.DataFrame:
    path = paths.results(profile) / "tables" / f"{stem}.csv"
    if not path.exists():
        raise FileNotFoundError(
            f"results/{profile}/tables/{stem}.csv is missing; run `make all PROFILE={profile}`."
        )
    return pd.read_csv(path)


def _square(table: pd.DataFrame, columns: str) -> str:
    """One line per task, one column per neuron, data and budget last."""
    published = tables.wide(table.assign(none=float("nan")), "task", columns, "published", "none")
    ours = tables.wide(table, "task", columns)
    rows = [["task", *ours.columns, "data; budget"]]
    for task in ours.index:
        behind = table[table.task == task].iloc[0]
        pairs = zip(published.loc[task], ours.loc[task].replace("", "not run"), strict=True)
        cells = [" → ".join(pair) for pair in pairs]
        rows.append([datasets.PAPER_TITLE[task], *cells, f"{behind.data}; {behind.budget}"])
    rows.insert(1, ["---"] + ["---:"] * len(ours.columns) + ["---"])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
