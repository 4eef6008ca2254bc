"""Tables of results: records of runs beside the published values, one row per setting, with its data source.

``compare`` is what most tables are; ``contrast`` sets two groups of runs against each other seed by seed.
Both return tidy frames with the columns published, ours, sd, n, difference, data, budget after their keys;
the passports behind the words in ``data`` travel with the frame, see ``passports``.
What does not exist is NaN (blank in a CSV), never 0: one seed has no sd, a setting that was not run has no
accuracy. ``shown`` and ``wide`` are for readers.
"""

import html
import math
import re
from collections.abc import Iterable, Sequence

import pandas as pd
from pandas.io.formats.style import Styler

from snnlib.provenance import Passport
from snnlib.results import statistics

NOT_RUN = "not run"
W_OVER_TAU_QUANTILES = (0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999)
"""What the ``quantiles`` of a record's w_over_tau are (PLIF, Fig. S1)."""


def compare(
    records: Iterable[dict],
    keys: Sequence[str],
    value: str = "accuracy_last",
    published: pd.DataFrame | None = None,
    published_value: str = "",
) -> pd.DataFrame:
    """Mean over seeds of ``value`` per setting, beside the published one.

    ``keys`` tell settings apart; see ``key`` for what they may be. ``published`` has those of them that it
    knows as columns (its "dataset" is our "task"), the value in ``published_value`` ("mean" or "accuracy" if
    not told); its "sd" becomes published_sd. Rows: the published ones in their order, without runs too, then
    settings that only we have. Columns: keys, published, published_sd, ours, sd, n, interval (half of the
    95 % confidence interval of the mean), dead (runs that never learned, left out of n, and of ours and sd
    unless all are), difference (ours - published; none of a stand-in), data, budget.
    Raises ValueError where two runs share setting and seed (``keys`` mix them), or one lacks ``value``.
    """
    rows, known = [], {}
    for setting, runs in group(records, keys, value).items():
        known |= behind(runs)
        living = [run for run in runs if not never_learned(run)]
        mean, sd, _, half = statistics.summarise(run[value] for run in living or runs)
        numbers = {
            "ours": mean,
            "sd": sd,
            "n": len(living),
            "interval": half,
            "dead": len(runs) - len(living),
        }
        words = {"data": data_label(runs), "budget": budget(runs)}
        rows.append(dict(zip(keys, setting, strict=True)) | numbers | words)
    ours = pd.DataFrame(rows, columns=[*keys, "ours", "sd", "n", "interval", "dead", "data", "budget"])
    if published is None:
        table = ours.assign(published=float("nan"))
    else:
        theirs = _published(published, keys, published_value)
        known_keys = [name for name in keys if name in theirs]
        places = theirs.assign(place=range(len(theirs))), ours.assign(ours_at=range(len(ours)))
        table = places[0].merge(places[1], on=known_keys, how="outer")
        table = table.sort_values(["place", "ours_at"], ignore_index=True)  # what only we have comes last
    table = table.astype({name: float for name in ("published", "ours", "sd", "n", "interval")})
    table = table.assign(
        n=table.n.fillna(0).astype(int),
        dead=table.dead.fillna(0).astype(int),
        data=table.data.fillna(NOT_RUN),
        budget=table.budget.fillna(""),
    )
    table["difference"] = _differences(table)
    spread = ["published_sd"] if "published_sd" in table else []
    table.attrs["passports"] = known
    numbers = ["published", *spread, "ours", "sd", "n", "interval", "dead", "difference"]
    return table[[*keys, *numbers, "data", "budget"]]


def contrast(
    records: Iterable[dict],
    by: Sequence[str],
    between: str,
    a: Sequence,
    b: Sequence,
    value: str = "accuracy_last",
    published: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Mean of ``value`` over the settings ``a`` of the key ``between``, minus that over ``b``, seed by seed.

    Example: by=["task"], between="neuron", a=["2-FS", "2-RS"], b=["2-SDS", "2-WDS"]. A seed counts if all
    settings of both sides have it; a value of ``by`` without such a seed has no row. Columns: by, published,
    ours (the mean gap), sd (of the gap over seeds), low and high (95 % interval of the mean gap), p (paired
    t-test, two-sided), n, dead (seeds with a run that never learned, left out unless none is left),
    difference (ours - published; none of a stand-in), data, budget; sd, low, high, p are NaN for one seed.
    """
    theirs = None if published is None else _published(published, [*by, between])
    rows, known = [], {}
    for setting, runs in group(records, by, value, several=True).items():
        runs = [run for run in runs if key(run, between) in {*a, *b}]
        side_a, side_b = (_side(runs, between, names, value) for names in (a, b))
        seeds = sorted(set(side_a) & set(side_b))
        if not seeds:
            continue
        dead = {run["seed"] for run in runs if never_learned(run) and run["seed"] in seeds}
        learned = sorted(set(seeds) - dead)
        seeds = learned or seeds
        test = statistics.paired([side_a[seed] for seed in seeds], [side_b[seed] for seed in seeds])
        known |= behind(runs)
        keys = dict(zip(by, setting, strict=True))
        expected = _published_gap(theirs, keys, between, a, b)
        rows.append(
            keys
            | {
                "published": expected,
                "ours": test.difference,
                "sd": test.sd,
                "low": test.low,
                "high": test.high,
            }
            | {"p": test.p, "n": len(learned), "dead": len(dead)}
            | {"data": data_label(runs), "budget": budget(runs)}
        )
    numbers = ["published", "ours", "sd", "low", "high", "p", "n", "dead", "difference"]
    table = pd.DataFrame(rows, columns=[*by, *numbers, "data", "budget"])
    table["difference"] = _differences(table)
    table.attrs["passports"] = known
    return table


def _differences(table: pd.DataFrame) -> pd.Series:
    """Ours - published, NaN where ours is of a stand-in: a number of other data is no deviation."""
    made_up = table.data.astype(str).str.contains("stand-in", regex=False)
    return (table.ours - table.published).astype(float).mask(made_up)


def agreement(contrasts: pd.DataFrame) -> list[str]:
    """What each row of ``contrast`` says about the published gap, in words; "" where none is published."""
    words = []
    for row in contrasts.itertuples():
        direction = "same direction" if row.ours * row.published > 0 else "opposite direction"
        if pd.isna(row.published):
            words.append("")
        elif row.published == 0:
            words.append("published: no difference")
        elif row.ours == 0:
            words.append("no difference")
        elif pd.isna(row.low):
            words.append(f"{direction}, " + ("one seed" if row.n == 1 else f"equal in all {row.n} seeds"))
        elif row.low > 0 or row.high < 0:
            words.append(f"{direction}, interval excludes 0")
        else:
            words.append("undecided, interval includes 0")
    return words


def seeds(records: Iterable[dict], keys: Sequence[str]) -> pd.DataFrame:
    """One row per run: keys, seed, accuracy after the last epoch as "ours", and dead (it never learned)."""
    rows = [
        (*setting, run["seed"], run["accuracy_last"], never_learned(run))
        for setting, runs in group(records, keys, "accuracy_last").items()
        for run in runs
    ]
    return pd.DataFrame(rows, columns=[*keys, "seed", "ours", "dead"])


def never_learned(record: dict) -> bool:
    """Whether a run is dead: at the end it answers every sample alike.

    Its output layer is silent; or it is right for the same share of the test samples, half at most, after
    each of the last five epochs or under each disturbance of them, as outputs that fire whatever they see
    are. A mean over living and dead networks describes neither, so tables and claims keep them apart.
    """
    rates, tests = record.get("spike_rates"), list((record.get("tests") or {}).values())
    after = [point["test_accuracy"] for point in record.get("curve", ())[-5:]]
    stuck = (len(same) >= 5 and len(set(same)) == 1 and same[0] <= 50 for same in (after, tests))
    return bool(rates) and rates[-1] == 0 or any(stuck)


def key(record: dict, name: str):
    """What a record says under ``name``: its run's config, else its task options, else itself; "" if nowhere.

    So "tau" is the initial time constant; "leak_free" or "time_axis" are "" where the run leaves the default.
    """
    config = record["config"]
    options = dict(map(tuple, config.get("task_options", ())))
    found = config[name] if name in config else options.get(name, record.get(name, ""))
    return tuple(found) if isinstance(found, list) else found


def group(
    records: Iterable[dict], keys: Sequence[str], value: str, several: bool = False
) -> dict[tuple, list[dict]]:
    """Distinct records by the values of ``keys``, in order of first appearance, each list ordered by seed.

    Raises ValueError where a record lacks ``value``, or, unless ``several``, two of a group share a seed.
    """
    groups: dict[tuple, list[dict]] = {}
    for record in {record["hash"]: record for record in records}.values():
        if record.get(value) is None:
            raise ValueError(
                f"The record {record['hash']} ({record['task']}, {record['neuron']}) has no {value!r}; "
                "leave such runs out of the table, or choose another value."
            )
        groups.setdefault(tuple(key(record, name) for name in keys), []).append(record)
    for setting, runs in groups.items():
        runs.sort(key=lambda record: record["seed"])
        seeds = [record["seed"] for record in runs]
        if not several and len(set(seeds)) < len(seeds):
            raise ValueError(
                f"The keys {', '.join(keys)} do not tell all runs apart: two of {setting} have the same "
                "seed; add the key that differs, or choose among the records first."
            )
    return groups


def data_label(records: Iterable[dict]) -> str:
    """What the runs really saw, e.g. "MNIST (official, 60,000 + 10,000)"; several joined by "; "."""
    return "; ".join(dict.fromkeys(Passport.of(record).label for record in records))


def passports(table: pd.DataFrame, words: str) -> tuple[Passport, ...]:
    """The passports behind a cell of ``data``; () where the frame knows none (not run, or put together by
    hand)."""
    return table.attrs.get("passports", {}).get(words, ())


def behind(records: Iterable[dict]) -> dict[str, tuple[Passport, ...]]:
    """For ``attrs["passports"]`` of a frame: the label of some runs, and the passports it speaks of."""
    return {data_label(records): tuple(dict.fromkeys(map(Passport.of, records)))}


def budget(records: Iterable[dict]) -> str:
    """What the runs were given, e.g. "20 epochs, 500 hidden" or "4 epochs, 16 channels, FC 64-100"."""
    labels = []
    for record in records:
        epochs = record["config"]["epochs"]
        words = [f"{epochs} epoch{'s' * (epochs != 1)}", network_size(record["network"])]
        labels.append(", ".join(filter(None, (*words, record["config"].get("precision")))))
    return "; ".join(dict.fromkeys(labels))


def network_size(network: str) -> str:
    """A run's network in short: "mlp-500" -> "500 hidden"; Table S1's notation -> channels and FC sizes."""
    if network.startswith("mlp-"):
        hidden, _, current = network.removeprefix("mlp-").partition("-")
        return f"{hidden} hidden" + (f", {current} current" if current else "")
    channels = "-".join(dict.fromkeys(re.findall(r"c(\d+)k", network)))
    features = "-".join(re.findall(r"FC(\d+)", network))
    return f"{channels} channels, FC {features}"


def cells(table: pd.DataFrame, value: str = "ours", sd: str = "sd") -> list[str]:
    """``value`` and its spread as "98.67 ± 0.05", "" for NaN; of our own values also how many runs never
    learned: "81.20 ± 0.40, 2 dead".
    """
    dead = table.dead if value == "ours" and "dead" in table else [0] * len(table)
    return [
        ""
        if pd.isna(mean)
        else f"{mean:.2f}" + f" ± {spread:.2f}" * pd.notna(spread) + f", {lost:.0f} dead" * (lost > 0)
        for mean, spread, lost in zip(table[value], table[sd], dead, strict=True)
    ]


def wide(table: pd.DataFrame, index: str, columns: str, value: str = "ours", sd: str = "sd") -> pd.DataFrame:
    """A tidy table as the papers print it: ``index`` down, ``columns`` across, ``cells`` inside."""
    rows, heads = (list(dict.fromkeys(table[name])) for name in (index, columns))
    square = table.assign(cell=cells(table, value, sd)).pivot(index=index, columns=columns, values="cell")
    return square.loc[rows, heads].fillna("")


def shown(table: pd.DataFrame, decimals: int = 2) -> pd.DataFrame:
    """For display: numbers as text with ``decimals`` places (p with three, and never 0), NaN as blank."""

    def text(number: float, name: str) -> str:
        if name == "p" and number < 0.0005:
            return "<0.001"
        return "" if pd.isna(number) else f"{number:.{3 if name == 'p' else decimals}f}"

    floats = table.select_dtypes("float").columns
    return table.assign(**{name: [text(x, name) for x in table[name]] for name in floats})


def page(table: pd.DataFrame, keys: Sequence[str], more: Sequence[str] = ()) -> Styler:
    """What a reader sees of ``compare`` or ``contrast``: ``keys``, published, ours with its spread (sd, or
    the interval of a contrast) and seeds, difference, ``more``; below it a line for each data and budget.
    """

    def ours(row) -> str:
        if pd.isna(row.ours):
            return ""
        low, high = getattr(row, "low", math.nan), getattr(row, "high", math.nan)
        spread = f" [{low:.2f}, {high:.2f}]" if pd.notna(low) else ""
        if "low" not in table and pd.notna(row.sd):
            spread = f" ± {row.sd:.2f}"
        dead = f", {row.dead} dead" if row.dead else ""
        return f"{row.ours:.2f}{spread * (row.n > 0)} (n = {row.n}{dead})"

    heads = [name for name in ("published", "difference") if table[name].notna().any()]
    numbers = shown(table[[*keys, *heads, *more]])
    numbers.insert(len(keys) + ("published" in heads), "ours", [ours(row) for row in table.itertuples()])
    behind = table[table.data != NOT_RUN].groupby(["data", "budget"], sort=False)[keys[0]].unique()
    lines = [f"{', '.join(map(str, names))}: {data}; {budget}" for (data, budget), names in behind.items()]
    below = [{"selector": "caption", "props": "caption-side: bottom; text-align: left; font-size: 0.9em"}]
    caption = "<br>".join(html.escape(line) for line in lines) or "Nothing of it was run."
    return numbers.style.hide(axis="index").set_caption(caption).set_table_styles(below)


def _published(published: pd.DataFrame, keys: Sequence[str], value: str = "") -> pd.DataFrame:
    """The published table under our names: the known ``keys``, "published", "published_sd" if it has one."""
    if "task" in keys and "task" not in published:
        published = published.rename(columns={"dataset": "task"})
    value = value or next((name for name in ("mean", "accuracy") if name in published), "mean")
    known = [name for name in keys if name in published]
    there = ", ".join(published)
    if value not in published:
        raise ValueError(f"The published table has no column {value!r}; its columns are {there}.")
    if not known:
        raise ValueError(f"The published table has none of the keys {', '.join(keys)} among {there}.")
    if published.duplicated(known).any():
        raise ValueError(
            f"The published table has several rows with the same {', '.join(known)}; choose among them first."
        )
    spread = ["sd"] if "sd" in published else []
    return published[[*known, value, *spread]].rename(columns={value: "published", "sd": "published_sd"})


def _side(runs, between, names, value):
    """Seed -> mean of ``value`` over the settings ``names``, for the seeds that all of them have."""
    settings = []
    for name in names:
        chosen = [run for run in runs if key(run, between) == name]
        settings.append({run["seed"]: run[value] for run in chosen})
        if len(settings[-1]) < len(chosen):
            raise ValueError(
                f"Two runs of {between} = {name} share a seed; add what tells them apart to `by`, or choose "
                "among the records first."
            )
    seeds = set.intersection(*map(set, settings))
    return {seed: sum(setting[seed] for setting in settings) / len(settings) for seed in seeds}


def _published_gap(theirs, keys, between, a, b):
    """What the published table says about a - b under ``keys``; NaN where it lacks one of the settings."""
    if theirs is None:
        return float("nan")
    for name in keys.keys() & set(theirs):
        theirs = theirs[theirs[name] == keys[name]]
    values = dict(zip(theirs[between], theirs.published, strict=True))
    sides = [sum(values.get(name, float("nan")) for name in names) / len(names) for names in (a, b)]
    return sides[0] - sides[1]
