"""Means, 95 % intervals and paired tests over seeds. NumPy in, numbers out."""

import math
from typing import NamedTuple

import numpy as np
from scipy import stats


class Summary(NamedTuple):
    """Mean, sample standard deviation (NaN for one value), number of values, half-width of the interval."""

    mean: float
    sd: float
    n: int
    half_width: float


def summarise(values) -> Summary:
    """Mean, sd and Student-t half-width of repetitions. Raises ValueError for none or NaN."""
    values = np.asarray(list(values), float)
    if not len(values) or not np.isfinite(values).all():
        raise ValueError(f"summarise needs at least one finite value, got {values.tolist()}.")
    n = len(values)
    if n == 1:
        return Summary(float(values[0]), math.nan, 1, math.nan)
    sd = float(values.std(ddof=1))
    return Summary(float(values.mean()), sd, n, float(stats.t.ppf(0.975, n - 1)) * sd / math.sqrt(n))


class Paired(NamedTuple):
    """Mean of a - b over pairs, its sd and interval, two-sided p of the t-test, number of pairs."""

    difference: float
    sd: float
    low: float
    high: float
    p: float
    n: int


def paired(a, b) -> Paired:
    """Compare a and b seed by seed.

    Interval and p are NaN for one pair, and where all differences are equal: accuracies on few test
    samples come in coarse steps, and a tie of two seeds must not pass for certainty.

    Raises ValueError where lengths differ: pairs must share their seed.
    """
    a, b = np.asarray(list(a), float), np.asarray(list(b), float)
    if len(a) != len(b):
        raise ValueError(f"A paired test needs as many values on both sides, got {len(a)} and {len(b)}.")
    mean, sd, n, half = summarise(a - b)
    if n == 1 or sd <= 1e-9 * max(1.0, abs(mean)):
        return Paired(mean, sd, math.nan, math.nan, math.nan, n)
    p = float(2 * stats.t.sf(abs(mean) / (sd / math.sqrt(n)), n - 1))
    return Paired(mean, sd, mean - half, mean + half, p, n)
