"""Means, intervals and paired tests against scipy and against their formulas."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from snnlib.results import statistics

accuracies = st.floats(0, 100, allow_subnormal=False).map(lambda x: round(x, 6))


@given(st.lists(accuracies, min_size=2, max_size=9))
def test_summary_is_what_its_formulas_say(values):
    summary = statistics.summarise(iter(values))
    n, mean = len(values), math.fsum(values) / len(values)
    sd = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
    assert summary.n == n and summary.mean == pytest.approx(mean, abs=1e-9)
    assert summary.sd == pytest.approx(sd, abs=1e-9)
    low, high = stats.t.interval(0.95, n - 1, mean, stats.sem(values)) if sd else (mean, mean)
    assert summary.half_width == pytest.approx((high - low) / 2, rel=1e-6, abs=1e-9)


@given(st.lists(st.tuples(accuracies, accuracies), min_size=2, max_size=9))
def test_paired_is_scipys_test(pairs):
    a, b = map(list, zip(*pairs, strict=True))
    ours, gaps = statistics.paired(a, b), np.subtract(a, b)
    assert ours.n == len(pairs) and ours.difference == pytest.approx(gaps.mean(), abs=1e-9)
    assert ours.sd == pytest.approx(gaps.std(ddof=1), abs=1e-9)
    if gaps.std(ddof=1) <= 1e-9 * max(1, abs(gaps.mean())):
        assert all(map(math.isnan, (ours.low, ours.high, ours.p)))
        return
    theirs = stats.ttest_rel(a, b)
    interval = theirs.confidence_interval(0.95)
    assert ours.p == pytest.approx(theirs.pvalue, rel=1e-6)
    assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high), rel=1e-6, abs=1e-6)
    other = statistics.paired(b, a)
    assert (other.difference, other.p) == pytest.approx((-ours.difference, ours.p))
    assert (other.low, other.high) == pytest.approx((-ours.high, -ours.low))


@pytest.mark.parametrize("mean", [0.1, 1.0, 60.0, -0.1, -60.0])
def test_a_spread_of_rounding_errors_is_a_tie(mean):
    """Up to 1e-9 of the mean, or 1e-9 where the mean is below 1: the sd of x, x + d, x is d / sqrt(3)."""
    for part, known in ((0.95, False), (1.05, True)):
        d = part * 1e-9 * max(1, abs(mean)) * math.sqrt(3)
        taken = statistics.paired([mean, mean + d, mean], [0.0, 0.0, 0.0])
        assert taken.n == 3 and (not math.isnan(taken.p)) == known
        assert (not math.isnan(taken.low)) == (not math.isnan(taken.high)) == known


def test_intervals_are_students():
    """Without scipy's distribution: 95 % of t with two degrees of freedom lie within 4.302653."""
    values = [1.0, 2.0, 3.0]
    assert statistics.summarise(values).half_width == pytest.approx(4.302653 / math.sqrt(3))
    assert statistics.paired(values, [0.0, 0.0, 0.0]).high == pytest.approx(2 + 4.302653 / math.sqrt(3))


def test_one_value_has_no_interval_and_bad_input_is_named():
    alone = statistics.summarise([3.0])
    assert (alone.mean, alone.n) == (3.0, 1) and math.isnan(alone.sd) and math.isnan(alone.half_width)
    one = statistics.paired([1.0], [0.5])
    assert (one.difference, one.n) == (0.5, 1) and all(map(math.isnan, (one.low, one.high, one.p)))
    equal = statistics.paired([52, 48], [50.4, 46.4])
    assert equal.difference == pytest.approx(1.6) and equal.n == 2
    assert math.isnan(equal.low) and math.isnan(equal.high) and math.isnan(equal.p)
    for values in ([], [1.0, math.nan], [math.inf]):
        with pytest.raises(ValueError, match="finite"):
            statistics.summarise(values)
    with pytest.raises(ValueError, match="2 and 1"):
        statistics.paired([1, 2], [1])
