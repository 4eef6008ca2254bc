"""Means, intervals and paired tests over seeds. NumPy in, numbers out."""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Summary:
    """Mean, sample standard deviation (NaN for one value), number of values, half-width of the interval."""

    mean: float
    sd: float
    n: int
    half_width: float

    def __str__(self) -> str:
        return f"{self.mean:.2f} ± {self.sd:.2f} (n = {self.n})" if self.n > 1 else f"{self.mean:.2f} (n = 1)"


def summarise(values, confidence: float = 0.95) -> Summary:
    """Mean, sd and Student-t confidence half-width of repetitions. Raises ValueError for none or NaN."""
    values = np.asarray(list(values), float)
    if not len(values) or not np.isfinite(values).all():
        raise ValueError(f"summarise needs at least one finite value, got {values.tolist()}.")
    if len(values) == 1:
        return Summary(float(values[0]), math.nan, 1, math.nan)
    sd = float(values.std(ddof=1))
    half_width = float(stats.t.ppf((1 + confidence) / 2, len(values) - 1)) * sd / math.sqrt(len(values))
    return Summary(float(values.mean()), sd, len(values), half_width)


@dataclass(frozen=True)
class Paired:
    """Mean of a - b over pairs, its confidence interval, two-sided p of the t-test, number of pairs."""

    difference: float
    low: float
    high: float
    p: float
    n: int


def paired(a, b, confidence: float = 0.95) -> Paired:
    """Compare a and b seed by seed.

    Interval and p are NaN for one pair, and where all differences are equal: accuracies on few test
    samples come in coarse steps, and a tie of two seeds must not pass for certainty.

    Raises ValueError where lengths differ: pairs must share their seed.
    """
    a, b = np.asarray(list(a), float), np.asarray(list(b), float)
    if len(a) != len(b):
        raise ValueError(f"A paired test needs as many values on both sides, got {len(a)} and {len(b)}.")
    gap = summarise(a - b, confidence)
    if gap.n == 1 or gap.sd <= 1e-9 * max(1.0, abs(gap.mean)):
        return Paired(gap.mean, math.nan, math.nan, math.nan, gap.n)
    t = abs(gap.mean) / (gap.sd / math.sqrt(gap.n))
    p = float(2 * stats.t.sf(t, gap.n - 1))
    return Paired(gap.mean, gap.mean - gap.half_width, gap.mean + gap.half_width, p, gap.n)
