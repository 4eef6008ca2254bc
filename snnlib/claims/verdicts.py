"""From an effect to a verdict: decision rules, and Holm's correction.

Every rule compares one number with the smallest effect that counts (SESOI). p is the t-test against the
boundary named in the rule, doubled, because which side is tested depends on where the effect lies; a verdict
other than "undecided" needs it below 0.05 after correction for all claims of its family. With runs that never
learned it is decided only if it is decided the same way with and without their seeds. Chapter 06 states all
rules and when they were fixed.
"""

import math
from dataclasses import dataclass, field, replace

import numpy as np
from scipy import stats

ALPHA = 0.05
HOLDS, FAILS, UNDECIDED, NOT_TESTABLE = "holds", "fails", "undecided", "not testable here"
VERDICTS = (HOLDS, FAILS, UNDECIDED, NOT_TESTABLE)
SCOPES = ("at the paper's size", "at our size", "on other data", "arithmetic", "control")
FEWEST_SEEDS = 3  # fewer decide nothing
RULES = {
    "above": "Holds if the effect is at least {sesoi:g} and significantly above 0; fails if it is "
    "significantly below {sesoi:g}.",
    "at_least": "Holds if the effect is significantly above -{sesoi:g}; fails if it is significantly below.",
    "similar": "Holds if the effect lies significantly between -{sesoi:g} and {sesoi:g} (two one-sided "
    "tests); fails if it is significantly outside.",
    "count": "Holds if the number is the claimed one for every seed; fails if for fewer than half of them; "
    "at least {sesoi:g} seeds.",
}
TEXTS_OF_COMPUTED = {
    "above": "Computed: holds if the number is above {sesoi:g}.",
    "similar": "Computed: holds if the number lies between -{sesoi:g} and {sesoi:g}.",
}


@dataclass(frozen=True)
class Effect:
    """What was measured: mean, its standard error (NaN: unknown) and degrees of freedom, number of seeds.

    ``computed``: a deterministic number, with an interval of width 0. ``values``: one per seed, where a rule
    counts. ``records``: the runs behind it. ``note``: what a reader must know. ``left_out``: tasks that
    could not be used. ``dead``: number of runs that never learned; ``living``: the effect without their
    seeds, None where no seed is left. ``parts``: the same effect task by task or neuron by neuron.
    """

    ours: float
    se: float
    df: float
    n: int
    values: tuple[float, ...] = ()
    records: tuple[dict, ...] = ()
    note: str = ""
    computed: bool = False
    left_out: tuple[str, ...] = ()
    dead: int = 0
    living: "Effect | None" = None
    parts: dict[str, float] = field(default_factory=dict)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the mean (Student's t, for this claim alone); NaN where there is none."""
        if self.computed:
            return self.ours, self.ours
        half = float(stats.t.ppf(0.975, self.df)) * self.se if self.df > 0 else math.nan
        return self.ours - half, self.ours + half


def over_seeds(values: dict[int, float], records=(), note: str = "") -> Effect:
    """Mean over seeds. One seed, or the same value for all, has no standard error: accuracies on few samples
    come in coarse steps, and a tie must not pass for certainty."""
    x = np.array([values[seed] for seed in sorted(values)], float)
    sd = x.std(ddof=1) if len(x) > 1 else math.nan
    sd = sd if sd > 1e-9 * max(1.0, abs(x.mean())) else math.nan
    return Effect(float(x.mean()), sd / math.sqrt(len(x)), len(x) - 1, len(x), tuple(x), tuple(records), note)


def unpaired(first: Effect, second: Effect) -> Effect:
    """Difference of two effects whose seeds do not belong together (Welch); n is the smaller number."""
    parts = np.array([first.se**2, second.se**2])
    freedom = np.array([first.df, second.df])
    enough = np.isfinite(parts).all()
    df = float(parts.sum() ** 2 / (parts**2 / freedom).sum()) if enough else 0.0
    se = math.sqrt(parts.sum()) if enough else math.nan
    mean, n = first.ours - second.ours, min(first.n, second.n)
    both = Effect(
        mean,
        se,
        df,
        n,
        records=first.records + second.records,
        note="; ".join(dict.fromkeys(filter(None, (first.note, second.note)))),
        left_out=(*first.left_out, *second.left_out),
        dead=first.dead + second.dead,
        parts=first.parts | second.parts,
    )
    living = [side.living if side.dead else side for side in (first, second)]
    return both if not both.dead or None in living else replace(both, living=unpaired(*living))


def exact(value: float, note: str = "", *others: float) -> Effect:
    """A number that computation alone gives: interval of width 0, no seeds. ``others``: the same sentence
    read in other ways, which must agree.
    """
    return Effect(float(value), 0.0, 0.0, 0, tuple(map(float, (value, *others))), (), note, computed=True)


def rule(test: str, sesoi: float, computed: bool = False) -> str:
    """The decision rule in words."""
    return (TEXTS_OF_COMPUTED if computed else RULES)[test].format(sesoi=sesoi)


def side(test: str, sesoi: float, ours: float) -> str:
    """On which side of its rule an effect lies, significant or not."""
    bound = {"above": ours >= sesoi, "at_least": ours >= -sesoi, "similar": abs(ours) <= sesoi}
    return HOLDS if bound[test] else FAILS


def p_value(test: str, sesoi: float, effect: Effect) -> float:
    """Two-sided p against the boundary of the side on which the effect lies; NaN where there is no test.

    With dead runs the larger p of the effect with their seeds and without; 1 if the two lie on two sides.
    """
    if effect.dead:
        if effect.living is None:
            return math.nan
        with_all = replace(effect, dead=0)
        if side(test, sesoi, effect.ours) != side(test, sesoi, effect.living.ours):
            return 1.0
        return float(np.maximum(p_value(test, sesoi, with_all), p_value(test, sesoi, effect.living)))
    if effect.computed or test == "count" or not (effect.se > 0 and effect.df > 0):
        return math.nan
    x, inside = effect.ours, side(test, sesoi, effect.ours) == HOLDS
    if test == "above":
        distance = x if inside else sesoi - x
    elif test == "at_least":
        distance = abs(x + sesoi)
    else:
        distance = sesoi - abs(x) if inside else abs(x) - sesoi
    return min(1.0, 2 * float(stats.t.sf(distance / effect.se, effect.df)))


def holm(p: list[float], planned: int = 0) -> list[float]:
    """Holm's adjusted p-values; NaNs (claims not tested) stay NaN. ``planned`` tests count, made or not: what
    happens to be missing must not help the others.
    """
    p = np.asarray(p, float)
    adjusted = np.full(len(p), math.nan)
    tested = np.flatnonzero(np.isfinite(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    most = max(planned, len(order))
    times = np.arange(most, most - len(order), -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(times * p[order]))
    return adjusted.tolist()


def decide(test: str, sesoi: float, effect: Effect, p_corrected: float) -> tuple[str, str]:
    """(verdict, reason in words) of a claim that can be tested."""
    if effect.computed:
        inside = {x > sesoi if test == "above" else side(test, sesoi, x) == HOLDS for x in effect.values}
        if len(inside) > 1:
            return UNDECIDED, "its readings disagree"
        return HOLDS if inside == {True} else FAILS, effect.note
    if test == "count":
        return _count(sesoi, effect)
    if effect.n < FEWEST_SEEDS:
        return UNDECIDED, "one seed" if effect.n == 1 else f"{effect.n} seeds"
    if effect.dead and effect.living is None:
        return UNDECIDED, "every seed has a run that never learned"
    if effect.dead and effect.living.n < FEWEST_SEEDS:
        return UNDECIDED, f"fewer than {FEWEST_SEEDS} seeds without a run that never learned"
    if not math.isfinite(p_corrected):
        return UNDECIDED, f"the same value for all {effect.n} seeds"
    if p_corrected < ALPHA:
        return side(test, sesoi, effect.ours), ""
    return UNDECIDED, f"p = {p_corrected:.2g} after correction"


def _count(least: float, effect: Effect) -> tuple[str, str]:
    right = sum(value == 0 for value in effect.values)
    words = f"the claimed number for {right} of {effect.n} seeds"
    if effect.n < least:
        return UNDECIDED, f"{words}; at least {least:g} are needed"
    return (HOLDS if right == effect.n else FAILS if 2 * right < effect.n else UNDECIDED), words
