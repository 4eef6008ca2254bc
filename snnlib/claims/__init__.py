"""The scoreboard: each testable sentence of both papers, a row of data/published/claims.csv, and its verdict.

``listed()`` reads the claims, ``scoreboard(records)`` judges them. A row names the function that measures it
(``measures`` for runs, ``computed`` for mathematics) with its arguments, the decision rule (``verdicts``) and
the smallest effect that counts. Chapter 06 says which of that was fixed before the runs were looked at.
"""

import math

import pandas as pd

from snnlib import networks, reading
from snnlib.claims import computed, measures, selection, sources, temporal, verdicts
from snnlib.claims.verdicts import ALPHA, NOT_TESTABLE, VERDICTS, Effect
from snnlib.datasets import PAPER_TITLE
from snnlib.papers import published
from snnlib.provenance import trust
from snnlib.results import tables
from snnlib.runs import grids
from snnlib.runs.config import table_1

__all__ = ["ALPHA", "NOT_TESTABLE", "VERDICTS", "Effect"]
__all__ += ["count", "families", "listed", "measure", "scoreboard"]

WORDS = ("id", "paper", "family", "label", "statement", "where", "statistic", "sesoi", "unit", "main")
AT_PAPERS_SIZE, AT_OUR_SIZE, ON_OTHER_DATA, ARITHMETIC, CONTROL = verdicts.SCOPES


def listed() -> pd.DataFrame:
    """The claims, one row each; ``arguments`` parsed to {name: [values]}, ``rule`` in words."""
    table = published.table("claims")
    pairs = [[item.split("=") for item in str(text).split()] for text in table.arguments]
    parsed = [{name: values.split("+") for name, values in of_claim} for of_claim in pairs]
    is_computed = [hasattr(computed, name) for name in table.measure]
    rules = list(map(verdicts.rule, table.test, table.sesoi, is_computed))
    told = {"needs": table.needs.fillna(""), "main": table.main == "yes"}
    return table.assign(arguments=parsed, computed=is_computed, rule=rules, **told)


def measure(claim):
    """The function of a claim (a row of ``listed``): (records, arguments) -> Effect or None."""
    for module in (measures, temporal, computed):
        if hasattr(module, claim.measure):
            return getattr(module, claim.measure)
    raise ValueError(f"Claim {claim.id!r} names the measure {claim.measure!r}, which does not exist.")


def planned_tests() -> dict[str, int]:
    """Family -> how many of its claims have a test: what Holm's correction counts, made or not."""
    claims = listed()
    return claims[~claims.computed & (claims.test != "count")].groupby("family").size().to_dict()


def families() -> pd.DataFrame:
    """The questions that claims answer: family, paper, rank (primary or secondary), question."""
    return published.table("claim_families")


def scoreboard(records: list[dict], claims: pd.DataFrame | None = None) -> pd.DataFrame:
    """Judge the claims by the runs in ``records`` (missing ones are no error); one row per claim.

    Columns: those of claims.csv in WORDS, and rule; published (effect in the paper's table), authors (in the
    authors' logs: one run per setting, no interval); ours, low, high (95 % interval over seeds, for that
    claim alone), n (seeds), dead (runs that never learned), p, p_holm (corrected within the family); verdict,
    scope (of verdicts.SCOPES; "" without runs), reason, parts (task by task or neuron by neuron), sizes (at
    other budgets), difference (ours - published), data, budget.
    """
    claims = listed() if claims is None else claims
    rows, effects = [], []
    for claim in claims.itertuples(index=False):
        try:
            effect, absent = measure(claim)(records, claim.arguments), ""
        except reading.NeedsTorch as needs:
            effect, absent = None, str(needs)
        effects.append(effect)
        rows.append(_numbers(claim, effect, absent) | {"sizes": _other_sizes(claim, records, effect)})
    table = pd.DataFrame(rows)
    tested = [effect.records for effect in effects if effect is not None and effect.records]
    table.attrs["passports"] = {words: seen for runs in tested for words, seen in tables.behind(runs).items()}
    open_to_test = table.reason == ""
    table["p"] = table.p.where(open_to_test)
    planned, bands = planned_tests(), selection.along_bands(records)
    for family, p in table.groupby("family").p:
        table.loc[p.index, "p_holm"] = verdicts.holm(p.tolist(), planned.get(family, 0))
    for place, (claim, effect) in enumerate(zip(claims.itertuples(index=False), effects, strict=True)):
        row = table.loc[place]
        theirs = {"the paper's own number": row.published, "the authors' own run": row.authors}
        if open_to_test[place]:
            verdict, reason = _judge(claim, effect, row.p_holm, theirs)
            verdict, reason = _on_both_axes(claim, effect, verdict, reason, bands)
            table.loc[place, ["verdict", "reason"]] = verdict, reason
        elif not claim.computed:
            against = _against(claim, verdicts.FAILS, theirs)
            table.loc[place, "reason"] = "; ".join([row.reason, *against])
    last = ["ours", "low", "high", "n", "dead", "p", "p_holm", "verdict", "scope", "reason"]
    last += ["parts", "sizes", "difference", "data", "budget"]
    return table[[name for name in table if name not in last] + last]


def count(table: pd.DataFrame) -> pd.DataFrame:
    """How many claims got which verdict in which scope: (scope, verdict) down, papers across."""
    scope = table.scope.where(table.verdict != NOT_TESTABLE, "")
    counts = pd.crosstab([scope.rename("scope"), table.verdict], table.paper)
    order = [(scope, verdict) for scope in (*verdicts.SCOPES, "") for verdict in VERDICTS]
    return counts.reindex(index=[pair for pair in order if pair in counts.index])


def _numbers(claim, effect: Effect | None, absent: str) -> dict:
    """A row of the scoreboard before correction; ``reason`` says why a claim is not testable, else ""."""
    row = {name: getattr(claim, name) for name in WORDS} | {"rule": claim.rule, "test": claim.test}
    left_out = effect.left_out if effect is not None else ()
    for name, quoted in (("published", sources.papers()), ("authors", sources.authors())):
        alike = [record for record in quoted if record["task"] not in left_out]  # the tasks that ours have
        theirs = None if claim.computed else measure(claim)(alike, claim.arguments)
        row[name] = math.nan if theirs is None else theirs.ours
    if effect is None:
        nothing = dict.fromkeys(("ours", "low", "high", "p", "difference"), math.nan) | {"n": 0, "dead": 0}
        words = {"verdict": NOT_TESTABLE, "reason": absent or _missing(claim), "scope": "", "parts": ""}
        return row | nothing | words | {"data": tables.NOT_RUN, "budget": ""}
    low, high = effect.interval
    behind = list(effect.records)
    stand_in = any(record["source"] == "stand-in" for record in behind)
    return row | {
        "ours": effect.ours,
        "low": low,
        "high": high,
        "n": effect.n,
        "dead": effect.dead,
        "p": verdicts.p_value(claim.test, claim.sesoi, effect),
        "difference": math.nan if stand_in else effect.ours - row["published"],
        "verdict": NOT_TESTABLE,
        "reason": _obstacle(claim, behind),
        "scope": CONTROL if claim.needs == "control" else ARITHMETIC if effect.computed else _scope(behind),
        "parts": ", ".join(
            f"{PAPER_TITLE.get(name, name)} {value:.2f}" for name, value in effect.parts.items()
        ),
        "data": tables.data_label(behind) if behind else "computed, no data",
        "budget": tables.budget(behind) if behind else "",
    }


def _judge(claim, effect: Effect, p_holm: float, theirs: dict[str, float]) -> tuple[str, str]:
    """Verdict of a claim that can be tested, and what a reader must know about it."""
    verdict, reason = verdicts.decide(claim.test, claim.sesoi, effect, p_holm)
    if verdict == verdicts.HOLDS and effect.left_out:
        # One task can refute a sentence about several, but those tested cannot prove it for the others.
        verdict, reason = verdicts.UNDECIDED, "holds where it could be tested"
    elif verdict == verdicts.FAILS and effect.left_out and claim.arguments.get("over", ["mean"]) == ["mean"]:
        verdict, reason = verdicts.UNDECIDED, "fails where it could be tested"  # no term refutes a mean
    words = [reason, effect.note]
    if effect.dead:
        words.append(f"{effect.dead} of {len(effect.records)} runs never learned")
    opposite = {verdicts.HOLDS: verdicts.FAILS, verdicts.FAILS: verdicts.HOLDS}.get(verdict)
    against = _against(claim, opposite, theirs)
    if against and verdict == verdicts.HOLDS:
        # Small networks cannot confirm a sentence that the paper's own table contradicts.
        verdict, words = verdicts.UNDECIDED, ["holds in our networks", *words]
    words += against
    return verdict, "; ".join(dict.fromkeys(filter(None, words)))


def _on_both_axes(claim, effect: Effect, verdict: str, reason: str, bands: list[dict]) -> tuple[str, str]:
    """Verdict and reason, where the MDN authors' code steps through the spoken digits along the bands and our
    runs along time, as the text: a verdict that the other axis turns is undecided.
    """
    if claim.paper != "mdn" or "tidigits" not in claim.arguments.get("task", ()):
        return verdict, reason
    other = measure(claim)(bands, claim.arguments)
    if other is None or other.n < verdicts.FEWEST_SEEDS or other.left_out != effect.left_out:
        return verdict, reason
    words = f"{other.ours:.2f} with steps along the bands, as in the authors' code ({other.n} seeds)"
    if verdict not in (verdicts.UNDECIDED, verdicts.side(claim.test, claim.sesoi, other.ours)):
        verdict, words = verdicts.UNDECIDED, f"its readings disagree: {words}"
    return verdict, "; ".join(filter(None, (reason, words)))


def _against(claim, verdict: str | None, theirs: dict[str, float]) -> list[str]:
    """Whose own number gives that verdict, in words."""
    return [
        f"by {whose}, {number:.2f}, the sentence {verdict}"
        for whose, number in theirs.items()
        if math.isfinite(number) and verdicts.side(claim.test, claim.sesoi, number) == verdict
    ]


def _other_sizes(claim, records: list[dict], effect: Effect | None) -> str:
    """The effect of a claim about one task at every other budget that is recorded, nearest to the paper's
    first.
    """
    if len(claim.arguments.get("task", ())) != 1:
        return ""
    words = []
    while effect is not None and effect.records:
        used = set(map(selection.budget, effect.records))
        records = [record for record in records if selection.budget(record) not in used]
        effect = measure(claim)(records, claim.arguments)
        if effect is not None:
            seeds = f"{effect.n} seed{'s' if effect.n > 1 else ''}"
            words.append(f"{effect.ours:.2f} ({tables.budget(effect.records)}; {seeds})")
    return "; ".join(words)


def _scope(records) -> str:
    if all(map(as_the_paper, records)):
        return AT_PAPERS_SIZE
    others = any(record["source"] == "open set" for record in records)
    return ON_OTHER_DATA if others else AT_OUR_SIZE


def _missing(claim) -> str:
    if claim.measure == "widening":
        return f"not recorded at two widths with {selection.ENOUGH_SEEDS} seeds each"
    whole_curve = {"curve", "late"} & set(claim.arguments.get("value", ()))
    return "not recorded" + (", or with too few epochs" if whole_curve else "")


def _obstacle(claim, records) -> str:
    """Why the runs, though there, do not test the paper's sentence; "" where they do."""
    stand_ins = [record["dataset"] for record in records if record["source"] == "stand-in"]
    if stand_ins:
        return f"stand-in data: {', '.join(dict.fromkeys(stand_ins))}"
    if claim.needs == "paper" and not all(map(as_the_paper, records)):
        return "an absolute accuracy, with less training or a smaller network than the paper's, or other data"
    if claim.needs == "equal samples" and len({record["train_samples"] for record in records}) > 1:
        return "its tasks had different numbers of training samples, which alone can change a gap"
    if claim.needs == "restart" and any(map(_annealed_once, records)):
        return "anything settles at the end of the one cosine that anneals the learning rate"
    return ""


def _annealed_once(record: dict) -> bool:
    schedule, epochs = record["config"]["schedule"], record["config"]["epochs"]
    return schedule.startswith("cosine") and epochs <= int(schedule.removeprefix("cosine"))


def as_the_paper(record: dict) -> bool:
    """Whether a run had the paper's own data, network, epochs and all samples."""
    config, task = record["config"], record["task"]
    part = config.get("train_samples") or config.get("test_samples")
    if part or trust(record["source"]) > trust("package"):
        return False
    if record["paper"] == "plif":
        nets = {networks.with_pooling(networks.TABLE_S1[task], kind) for kind in ("max", "average")}
        return record["network"] in nets and config["epochs"] >= grids.PAPER_EPOCHS_PLIF
    theirs = table_1().get(task, {"hidden_size": None})  # None: no task of the paper
    return record["network"] == f"mlp-{theirs['hidden_size']}" and config["epochs"] >= theirs["epochs"]
