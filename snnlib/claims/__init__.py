"""The scoreboard: each testable sentence of both papers, a row of data/published/claims.csv, and its verdict.

``listed()`` reads the claims, ``scoreboard(records)`` judges them. A row names the function that measures it
(``measures`` for runs, ``computed`` for mathematics) with its arguments, the decision rule (``verdicts``) and
the smallest effect that counts. All of that was fixed before the runs were looked at.
"""

import math

import pandas as pd

from snnlib import networks
from snnlib.claims import computed, measures, sources, verdicts
from snnlib.claims.verdicts import ALPHA, NOT_TESTABLE, VERDICTS, Effect
from snnlib.papers import published
from snnlib.results import tables
from snnlib.runs import grids

__all__ = ["ALPHA", "NOT_TESTABLE", "VERDICTS", "Effect", "count", "listed", "measure", "scoreboard"]

WORDS = ("id", "paper", "label", "statement", "where", "statistic", "sesoi", "unit")
NEEDS_PAPER_BUDGET = ("level",)  # sentences about an absolute accuracy


def listed() -> pd.DataFrame:
    """The claims, one row each; ``arguments`` parsed to {name: [values]}, ``rule`` in words."""
    table = published.table("claims")
    parsed = [dict(_argument(item) for item in str(text).split()) for text in table.arguments]
    is_computed = [hasattr(computed, name) for name in table.measure]
    rules = [
        verdicts.rule(row.test, row.sesoi, exact)
        for row, exact in zip(table.itertuples(), is_computed, strict=True)
    ]
    return table.assign(arguments=parsed, computed=is_computed, rule=rules)


def measure(claim):
    """The function of a claim (a row of ``listed``): (records, arguments) -> Effect or None."""
    for module in (measures, computed):
        if hasattr(module, claim.measure):
            return getattr(module, claim.measure)
    raise ValueError(f"Claim {claim.id!r} names the measure {claim.measure!r}, which does not exist.")


def scoreboard(records: list[dict], claims: pd.DataFrame | None = None) -> pd.DataFrame:
    """Judge the claims by the runs in ``records`` (missing ones are no error); one row per claim.

    Columns: id, paper, label, statement, where, statistic, rule, sesoi, unit; published (the effect in the
    paper's own table), authors (in the PLIF authors' logs: one run per setting, no interval); ours, low, high
    (95 % interval over seeds, for that claim alone), n (seeds), p, p_holm (corrected for all claims tested);
    verdict, reason, scope ("paper": as much training as the paper's, "reduced", "computed" or ""), difference
    (ours - published), data, budget.
    """
    claims = listed() if claims is None else claims
    rows, effects = [], []
    for claim in claims.itertuples(index=False):
        effect = measure(claim)(records, claim.arguments)
        effects.append(effect)
        rows.append(_numbers(claim, effect))
    table = pd.DataFrame(rows)
    tested = [effect.records for effect in effects if effect is not None and effect.records]
    table.attrs["passports"] = {words: seen for runs in tested for words, seen in tables.behind(runs).items()}
    open_to_test = (table.reason == "").to_numpy()
    p = [value if fit else math.nan for value, fit in zip(table.p, open_to_test, strict=True)]
    table["p"], table["p_holm"] = p, verdicts.holm(p)
    for place, (claim, effect) in enumerate(zip(claims.itertuples(index=False), effects, strict=True)):
        if open_to_test[place]:
            verdict, reason = verdicts.decide(claim.test, claim.sesoi, effect, table.p_holm[place])
            if verdict == verdicts.HOLDS and effect.left_out and claim.arguments.get("over") == ["least"]:
                # One task can refute "on each", but not all of those tested can prove it for the others.
                verdict, reason = verdicts.UNDECIDED, "holds where it could be tested"
            words = [text for text in (reason, effect.note) if text]
            table.loc[place, ["verdict", "reason"]] = verdict, "; ".join(dict.fromkeys(words))
    last = ["ours", "low", "high", "n", "p", "p_holm", "verdict", "reason", "scope"]
    last += ["difference", "data", "budget"]
    return table[[name for name in table if name not in last] + last]


def count(table: pd.DataFrame) -> pd.DataFrame:
    """How many claims of each paper got which verdict: verdicts down, papers across."""
    counts = pd.crosstab(table.verdict, table.paper)
    return counts.reindex(index=[verdict for verdict in VERDICTS if verdict in counts.index])


def _argument(item: str) -> tuple[str, list[str]]:
    name, values = item.split("=")
    return name, values.split("+")


def _numbers(claim, effect: Effect | None) -> dict:
    """A row of the scoreboard before correction; ``reason`` says why a claim is not testable, else ""."""
    row = {name: getattr(claim, name) for name in WORDS} | {"rule": claim.rule, "test": claim.test}
    quoted = {"published": math.nan, "authors": math.nan}
    if not claim.computed:
        for name, quoted_records in (("published", sources.papers()), ("authors", sources.authors())):
            theirs = measure(claim)(list(quoted_records), claim.arguments)
            quoted[name] = math.nan if theirs is None else theirs.ours
    row |= quoted
    if effect is None:
        nothing = dict.fromkeys(("ours", "low", "high", "p", "difference"), math.nan) | {"n": 0}
        words = {"verdict": NOT_TESTABLE, "reason": _missing(claim), "scope": ""}
        return row | nothing | words | {"data": tables.NOT_RUN, "budget": ""}
    low, high = effect.interval
    behind = list(effect.records)
    return row | {
        "ours": effect.ours,
        "low": low,
        "high": high,
        "n": effect.n,
        "p": verdicts.p_value(claim.test, claim.sesoi, effect),
        "difference": effect.ours - row["published"],
        "verdict": NOT_TESTABLE,
        "reason": _obstacle(claim, behind),
        "scope": "computed" if effect.computed else "paper" if all(map(as_the_paper, behind)) else "reduced",
        "data": tables.data_label(behind) if behind else "computed, no data",
        "budget": tables.budget(behind) if behind else "",
    }


def _missing(claim) -> str:
    whole_curve = {"curve", "late"} & set(claim.arguments.get("value", ()))
    return "not recorded" + (", or with too few epochs" if whole_curve else "")


def _obstacle(claim, records) -> str:
    """Why the runs, though there, do not test the paper's sentence; "" where they do."""
    stand_ins = [record for record in records if record["source"] == "stand-in"]
    if stand_ins:
        return f"stand-in data: {', '.join(dict.fromkeys(record['dataset'] for record in stand_ins))}"
    if claim.measure in NEEDS_PAPER_BUDGET and not all(map(as_the_paper, records)):
        return "an absolute accuracy, with less training or a smaller network than the paper's"
    return ""


def as_the_paper(record: dict) -> bool:
    """Whether a run had the paper's network, epochs and all samples of its data."""
    config, task = record["config"], record["task"]
    if config.get("train_samples") or config.get("test_samples"):
        return False
    if record["paper"] == "plif":
        nets = {networks.with_pooling(networks.TABLE_S1[task], kind) for kind in ("max", "average")}
        return record["network"] in nets and config["epochs"] >= grids.PAPER_EPOCHS_PLIF
    table = published.table("mdn_table1").set_index("task").loc[task]
    return record["network"] == f"mlp-{int(table.hidden_size)}" and config["epochs"] >= table.epochs
