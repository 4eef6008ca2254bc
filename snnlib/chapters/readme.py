"""The results block of README.md: verdicts and main tables of both papers, from the reference runs alone.

What a machine has trained beside them does not enter, so that README and records can be checked against each
other anywhere.
"""

import re
import shutil
from collections.abc import Sequence

import pandas as pd

from snnlib import claims, datasets, files, paths
from snnlib.chapters import planned
from snnlib.papers import published
from snnlib.results import tables
from snnlib.runs import store

BLOCK = re.compile(r"(<!-- results:begin -->\n).*?(<!-- results:end -->)", re.DOTALL)
PICTURE = "notebooks/claims.png"


def write(profile: str) -> None:
    """Replace what stands between the results marks of README.md; of the recorded profile take its picture
    too.

    Raises ValueError if README.md has lost its marks.
    """
    readme = paths.ROOT / "README.md"
    text = _with_block(readme.read_text(encoding="utf-8"))
    picture = paths.results(profile) / "figures" / "claims_effects.png"
    if profile == "recorded" and picture.exists():
        files.write_atomically(paths.ROOT / PICTURE, lambda temporary: shutil.copyfile(picture, temporary))
    files.write_text(readme, text)


def fault() -> str:
    """One sentence if README.md says something else than the reference runs, or ""."""
    text = (paths.ROOT / "README.md").read_text(encoding="utf-8")
    if not (paths.ROOT / PICTURE).exists():
        return f"README.md: its picture {PICTURE} is missing; run `make 06` and `make publish`"
    if _with_block(text) != text:
        return "README.md: its results are not those of data/reference_runs; run `make publish`"
    return ""


def _with_block(text: str) -> str:
    if not BLOCK.search(text):
        raise ValueError("README.md has lost its marks <!-- results:begin --> and <!-- results:end -->.")
    return BLOCK.sub(lambda match: match[1] + block() + match[2], text)


def block() -> str:
    """The block as Markdown."""
    everything = recorded("06_claims")
    hours = sum(record["seconds"] for record in everything) / 3600
    board = claims.count(claims.scoreboard(everything))
    verdicts = "".join(
        f"| {verdict} | {row.get('mdn', 0)} | {row.get('plif', 0)} |\n" for verdict, row in board.iterrows()
    )
    return (
        f"From the {len(everything)} runs in `data/reference_runs` ({hours:.0f} hours of training, each run "
        f"on {_devices(everything)}), which `make all` draws without training anything.\n\n"
        "| verdict | claims of the MDN paper | claims of the PLIF paper |\n| --- | ---: | ---: |\n"
        f"{verdicts}\n"
        "Accuracies in percent, published → ours, mean ± sd over seeds; the last column says on which data, "
        "and how much training.\n\n"
        "**MDN, Table 3** (last epoch)\n\n"
        f"{_square(_table_3(), 'neuron')}\n"
        "**PLIF, Table 4** (best epoch, as the paper reports; our networks are narrow versions)\n\n"
        f"{_square(_table_4(), 'variant')}"
    )


def recorded(stem: str, **changed) -> list[dict]:
    """The reference runs behind a chapter of the recorded profile, of several those on the best data."""
    found = (store.best(run.config) for run in planned.runs(stem, "recorded", **changed))
    return list({record["hash"]: record for record in found if record}.values())


def _devices(records: Sequence[dict]) -> str:
    return " or ".join(dict.fromkeys(record["device"] for record in records)) or "no device"


def _table_3() -> pd.DataFrame:
    every = recorded("03_transfer", long_epochs=0)
    records = [r for r in every if not r["config"]["task_options"]]
    return tables.compare(records, ["task", "neuron"], published=published.table("mdn_table3"))


def _table_4() -> pd.DataFrame:
    records = [r for r in recorded("04_plif_ablation") if not r["config"]["validation"]]
    extra = published.table("plif_extra_ablation").query("pooling == 'max'")
    theirs = pd.concat([published.table("plif_table4"), extra])
    table = tables.compare(records, ["task", "neuron", "tau"], "accuracy_best", theirs)
    return table.assign(variant=[f"{row.neuron}, τ {row.tau:g}" for row in table.itertuples()])


def _square(table: pd.DataFrame, columns: str) -> str:
    """One line per task, one column per neuron, data and budget last."""
    theirs = tables.wide(table.assign(none=float("nan")), "task", columns, "published", "none")
    ours = tables.wide(table, "task", columns)
    rows = [["task", *ours.columns, "data; budget"]]
    for task in ours.index:
        ran = table[(table.task == task) & (table.n > 0)]
        words = [*dict.fromkeys(ran.data), *dict.fromkeys(ran.budget), _seeds(ran.n)] if len(ran) else []
        behind = "; ".join(words) or tables.NOT_RUN
        pairs = zip(theirs.loc[task], ours.loc[task].replace("", "–"), strict=True)
        rows.append([datasets.PAPER_TITLE[task], *(" → ".join(pair) for pair in pairs), behind])
    rows.insert(1, ["---"] + ["---:"] * len(ours.columns) + ["---"])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _seeds(counts: pd.Series) -> str:
    least, most = counts.min(), counts.max()
    several = f"{least} to {most}" if least < most else f"{most}"
    return f"{several} seed{'s' if most > 1 else ''}"
