"""Verdicts for effects of any size: no interval is judged against itself, and Holm's correction."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from scipy import stats

from snnlib.claims import verdicts
from snnlib.claims.verdicts import ALPHA, FAILS, HOLDS, UNDECIDED, Effect

MEASURED = ("above", "at_least", "similar")
tests = st.sampled_from(MEASURED)
sesois = st.sampled_from([0.1, 0.5, 1.0, 3.0])
numbers = st.one_of(st.floats(-20, 20), st.floats(-3, 3)).map(lambda x: round(x, 4))
spreads = st.floats(0.001, 10)
effects = st.builds(
    lambda ours, se, n: Effect(ours, se, n - 1, n), numbers, spreads, st.integers(verdicts.FEWEST_SEEDS, 8)
)
p_values = st.one_of(st.floats(0, 1), st.just(math.nan))


def verdict(test, sesoi, effect, p=None):
    p = verdicts.p_value(test, sesoi, effect) if p is None else p
    return verdicts.decide(test, sesoi, effect, p)[0]


def agrees(test, sesoi, x):
    """Whether a true effect x would be what the sentence says."""
    return {"above": x >= sesoi, "at_least": x >= -sesoi, "similar": -sesoi <= x <= sesoi}[test]


@given(tests, sesois, effects)
def test_an_interval_on_one_side_never_gives_the_other_sides_verdict(test, sesoi, effect):
    low, high = effect.interval
    ends = {agrees(test, sesoi, low), agrees(test, sesoi, effect.ours), agrees(test, sesoi, high)}
    found = verdict(test, sesoi, effect)
    assert found in (HOLDS, FAILS, UNDECIDED)
    if ends == {True}:
        assert found != FAILS
    if ends == {False} and not (test == "similar" and low < 0 < high):
        assert found != HOLDS


@given(tests, sesois, effects)
def test_the_interval_decides_alone_where_one_claim_is_tested(test, sesoi, effect):
    """The rules in RULES, read as the 95 % interval against their boundaries."""
    low, high = effect.interval
    if test == "above":
        expected = HOLDS if effect.ours >= sesoi and low > 0 else FAILS if high < sesoi else UNDECIDED
    elif test == "at_least":
        expected = HOLDS if low > -sesoi else FAILS if high < -sesoi else UNDECIDED
    else:
        inside, outside = -sesoi < low and high < sesoi, low > sesoi or high < -sesoi
        expected = HOLDS if inside else FAILS if outside else UNDECIDED
    edges = (low, high, low - sesoi, high - sesoi, low + sesoi, high + sesoi, effect.ours - sesoi)
    assume(min(map(abs, edges)) > 1e-6)
    assert verdict(test, sesoi, effect) == expected


@given(tests, sesois, effects, st.floats(0.1, 1))
def test_less_spread_never_takes_a_verdict_back(test, sesoi, effect, share):
    sharper = Effect(effect.ours, share * effect.se, effect.df, effect.n)
    before, after = verdict(test, sesoi, effect), verdict(test, sesoi, sharper)
    assert before in (after, UNDECIDED)
    assert verdicts.p_value(test, sesoi, sharper) <= verdicts.p_value(test, sesoi, effect)


@given(tests, sesois, effects, st.floats(0, 10))
def test_a_larger_effect_never_turns_from_holds_to_fails(test, sesoi, effect, more):
    larger = Effect(effect.ours + more, effect.se, effect.df, effect.n)
    if test == "similar":
        assume(effect.ours >= 0)
        larger, effect = effect, larger
    assert (verdict(test, sesoi, effect), verdict(test, sesoi, larger)) != (HOLDS, FAILS)


@given(effects, sesois)
def test_p_is_twice_the_tail_beyond_the_rules_boundary(effect, sesoi):
    def tail(boundary):
        return pytest.approx(2 * stats.t.sf(abs(effect.ours - boundary) / effect.se, effect.df))

    x = effect.ours
    assume(abs(abs(x) - sesoi) > 1e-9)
    assert verdicts.p_value("above", sesoi, effect) == tail(0 if x >= sesoi else sesoi)
    assert verdicts.p_value("at_least", sesoi, effect) == tail(-sesoi)
    assert verdicts.p_value("similar", sesoi, effect) == tail(math.copysign(sesoi, x))


@given(st.lists(p_values, max_size=7))
def test_holm_is_the_closed_test_of_bonferroni(p):
    """An adjusted p is the largest Bonferroni p of all sets of claims that hold the claim (closure)."""
    tested = [i for i, value in enumerate(p) if not math.isnan(value)]
    adjusted = verdicts.holm(p)
    assert len(adjusted) == len(p)
    for i, value in enumerate(adjusted):
        if i not in tested:
            assert math.isnan(value)
            continue
        sets = [s for n in range(len(tested)) for s in itertools.combinations(tested, n + 1) if i in s]
        assert value == pytest.approx(max(min(1.0, len(s) * min(p[j] for j in s)) for s in sets))


@given(tests, effects, st.floats(0, 1))
@example("above", Effect(2.0, 0.1, 2, 3), ALPHA)
def test_words_say_why_nothing_is_decided(test, effect, p):
    found, why = verdicts.decide(test, 1.0, effect, p)
    assert (found == UNDECIDED) == (p >= ALPHA)
    assert why == (f"p = {p:.2g} after correction" if p >= ALPHA else "")
    one = Effect(effect.ours, math.nan, 0, 1)
    assert verdicts.decide(test, 1.0, one, math.nan) == (UNDECIDED, "one seed")
    two = Effect(effect.ours, 0.1, 1, 2)
    assert verdicts.decide(test, 1.0, two, 0.0) == (UNDECIDED, "2 seeds")
    tied = Effect(effect.ours, math.nan, 2, 3)
    assert verdicts.decide(test, 1.0, tied, math.nan) == (UNDECIDED, "the same value for all 3 seeds")


@given(st.lists(st.integers(-2, 2), min_size=1, max_size=7), st.integers(1, 4))
@example([0, 1], 2)
@example([0, 0, 1, 1, 1], 3)
@example([0, 0, 1], 3)
def test_counts(values, least):
    effect = verdicts.over_seeds(dict(enumerate(map(float, values))))
    found, why = verdicts.decide("count", least, effect, math.nan)
    right, n = values.count(0), len(values)
    if n < least:
        assert found == UNDECIDED and why.endswith(f"at least {least} are needed")
    else:
        assert found == (HOLDS if right == n else FAILS if right < n / 2 else UNDECIDED)
        assert why == f"the claimed number for {right} of {n} seeds"
    assert math.isnan(verdicts.p_value("count", least, effect))


@given(st.dictionaries(st.integers(0, 9), numbers, min_size=1, max_size=6))
def test_over_seeds_is_the_mean_and_its_standard_error(values):
    effect = verdicts.over_seeds(values, [{"hash": "a"}], "words")
    x = [values[seed] for seed in sorted(values)]
    assert effect.ours == pytest.approx(np.mean(x), abs=1e-9) and (effect.n, effect.df) == (
        len(x),
        len(x) - 1,
    )
    assert effect.values == tuple(x) and effect.records == ({"hash": "a"},) and effect.note == "words"
    if len(set(x)) == 1:
        assert math.isnan(effect.se) and all(map(math.isnan, effect.interval))
    else:
        assert effect.se == pytest.approx(stats.sem(x))
        expected = stats.t.interval(0.95, len(x) - 1, np.mean(x), stats.sem(x))
        assert effect.interval == pytest.approx(expected, rel=1e-6, abs=1e-9)
    assert not effect.computed


groups = st.lists(numbers, min_size=2, max_size=6).filter(lambda x: np.std(x) > 1e-3)


def over(values):
    return verdicts.over_seeds(dict(enumerate(values)))


@given(groups, groups)
def test_unpaired_is_welchs_test(a, b):
    sides = [verdicts.over_seeds(dict(enumerate(x)), [{"hash": name}]) for x, name in ((a, "a"), (b, "b"))]
    effect = verdicts.unpaired(*sides)
    theirs = stats.ttest_ind(a, b, equal_var=False)
    assert effect.df == pytest.approx(theirs.df) and effect.n == min(len(a), len(b))
    assert effect.ours == pytest.approx(np.mean(a) - np.mean(b), abs=1e-9)
    interval = theirs.confidence_interval(0.95)
    assert effect.interval == pytest.approx((interval.low, interval.high), rel=1e-6, abs=1e-6)
    assert verdicts.p_value("at_least", 0.0, effect) == pytest.approx(theirs.pvalue)
    assert (effect.records, effect.values) == (({"hash": "a"}, {"hash": "b"}), ())
    assert math.isnan(verdicts.unpaired(over([1.0]), sides[1]).interval[0])


@pytest.mark.parametrize(
    ("test", "value", "found"),
    [
        ("above", 1.0, "fails"),  # strictly above
        ("above", 1.001, "holds"),
        ("similar", 1.0, "holds"),
        ("similar", -1.0, "holds"),
        ("similar", 1.001, "fails"),
        ("similar", -1.001, "fails"),
    ],
)
def test_computed_numbers_are_judged_without_chance(test, value, found):
    effect = verdicts.exact(value, "by arithmetic")
    assert (effect.n, effect.values, effect.interval) == (0, (value,), (value, value))
    assert (effect.se, effect.df) == (0, 0)
    assert math.isnan(verdicts.p_value(test, 1.0, effect))
    assert verdicts.decide(test, 1.0, effect, math.nan) == (found, "by arithmetic")
    assert found in verdicts.VERDICTS


def test_rules_name_their_boundary():
    assert "at least 0.5 and significantly above 0" in verdicts.rule("above", 0.5)
    assert "between -0.5 and 0.5" in verdicts.rule("similar", 0.5)
    assert verdicts.rule("above", 0.5, computed=True) == "Computed: holds if the number is above 0.5."
    assert {verdicts.side(test, 1.0, x) for test in MEASURED for x in (-1.0, 1.0)} == {HOLDS, FAILS}


@pytest.mark.parametrize(
    ("test", "last", "first"),
    [("above", math.nextafter(1, 0), 1.0), ("at_least", math.nextafter(-1, -2), -1.0)]
    + [("similar", sign * math.nextafter(1, 2), sign * 1.0) for sign in (1, -1)],
)
def test_the_boundary_itself_agrees(test, last, first):
    assert (verdicts.side(test, 1.0, last), verdicts.side(test, 1.0, first)) == (FAILS, HOLDS)


@pytest.mark.parametrize("test", MEASURED)
def test_a_tie_has_no_p_and_does_not_count_in_the_correction(test):
    tied = verdicts.over_seeds({0: 3.0, 1: 3.0, 2: 3.0})
    assert tied.df == 2 and math.isnan(verdicts.p_value(test, 1.0, tied))
    assert verdicts.holm([0.02, verdicts.p_value(test, 1.0, tied)])[0] == 0.02


@pytest.mark.parametrize("mean", [0.1, 1.0, 60.0, -0.1, -60.0])
def test_a_spread_of_rounding_errors_is_a_tie(mean):
    """Up to 1e-9 of the mean, or 1e-9 where the mean is below 1: the sd of x, x + d, x is d / sqrt(3)."""
    for part, known in ((0.95, False), (1.05, True)):
        d = part * 1e-9 * max(1, abs(mean)) * math.sqrt(3)
        assert math.isnan(verdicts.over_seeds({0: mean, 1: mean + d, 2: mean}).se) != known


@given(tests, sesois, effects, effects)
def test_dead_seeds_decide_only_together_with_the_living(test, sesoi, effect, living):
    both = replace(effect, dead=1, living=living)
    found = verdict(test, sesoi, both)
    assert found in (UNDECIDED, verdict(test, sesoi, effect))
    if found != UNDECIDED:
        assert found == verdict(test, sesoi, effect) == verdict(test, sesoi, living)
    assert math.isnan(verdicts.p_value(test, sesoi, replace(effect, dead=1)))


@given(groups, groups)
def test_the_living_of_two_sides_go_together(a, b):
    dead = replace(over(a), dead=2, living=over(a[:-1]) if len(a) > 2 else None)
    effect = verdicts.unpaired(dead, over(b))
    assert effect.dead == 2 and (effect.living is None) == (len(a) == 2)
    if effect.living:
        assert effect.living.ours == pytest.approx(np.mean(a[:-1]) - np.mean(b), abs=1e-9)
