"""What there is to train: which runs are recorded, on which data, how long the others will take here."""

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from snnlib import estimates, experiments, references
from snnlib.experiments import Run


def plan(runs: Sequence[Run], profile: str) -> pd.DataFrame:
    """What ``experiments.run`` has to do: one row per distinct run, with the kind of data at hand, whether it
    is recorded and on which data, and the estimated seconds left on one CPU core (``speed``).
    """
    rows, (ratio, _) = [], speed(profile)
    for r in dict.fromkeys(runs):
        record = experiments.read(r, profile)
        partial = _partial(experiments.store_of(profile), r)
        left = estimates.seconds(r) * ratio.get(r.paper, 1.0) * (1 - len(partial) / (r.epochs + 1))
        rows.append(
            {
                "run": r.title,
                "setting": r.setting,
                "hash": r.hash,
                "data": r.data.split(":")[0],
                "epochs": r.epochs,
                "recorded": record is not None,
                "recorded_on": f"{record['dataset']} ({record['source']})" if record else "",
                "epochs_done": r.epochs if record else max(len(partial) - 1, 0),
                "seconds": 0 if record else left,
            }
        )
    columns = "run setting hash data epochs recorded recorded_on epochs_done seconds"
    return pd.DataFrame(rows, columns=columns.split())


def by_setting(table: pd.DataFrame) -> pd.DataFrame:
    """A plan for reading: one row per setting, its seeds together."""
    seeds = table.groupby(["setting", "epochs", "data"], sort=False)
    short = seeds.agg(
        recorded=("recorded", lambda found: f"{found.sum()} of {len(found)}"),
        recorded_on=("recorded_on", lambda found: "; ".join(dict.fromkeys(filter(None, found)))),
        seconds=("seconds", "sum"),
    ).reset_index()
    return short.round({"seconds": 0}).rename(
        columns={"data": "data at hand", "recorded_on": "recorded on", "seconds": "seconds left"}
    )


def speed(profile: str) -> tuple[dict[str, float], str]:
    """Measured over estimated seconds on one CPU core for each paper, and in words what that rests on: this
    machine's own finished runs of the profile, else the reference runs, else nothing.
    """
    store = experiments.store_of(profile)
    own = (_loaded(path) for path in list(store.glob("[0-9a-f]*[0-9a-f].json"))[:200])
    for records, basis in (
        (own, "this profile's finished runs"),
        (references.records().values(), "the reference runs, from the machine that made them"),
    ):
        ratio = _ratios([record for record in records if record and record["device"].startswith("CPU")])
        if ratio:
            return ratio, basis
    return {}, "a rule of thumb, nothing is measured yet"


def _ratios(records: list[dict]) -> dict[str, float]:
    """Paper -> measured over estimated seconds, from at least 20 s of training by the present code."""
    totals = {"mdn": [0.0, 0.0], "plif": [0.0, 0.0]}
    for record in records:
        config = record["config"]
        options = dict(config["task_options"])
        if config["code"] == experiments.code_of(config["paper"], config["task"], **options):
            totals[config["paper"]][0] += record["seconds"]
            totals[config["paper"]][1] += estimate(record)
    return {paper: measured / estimated for paper, (measured, estimated) in totals.items() if measured > 20}


def estimate(record: dict) -> float:
    """Seconds that the rule of thumb gives the run of a record, for the samples that it really had."""
    samples = {name: record[name] for name in ("train_samples", "test_samples")}
    return estimates.seconds(experiments.from_config(record["config"] | samples))


def _loaded(path: Path) -> dict | None:
    try:
        record = json.loads(path.read_text())
        return record if references.FIELDS <= set(record) else None
    except (OSError, ValueError, TypeError):  # damaged; who asks for this run is told so
        return None


def _partial(store: Path, r: Run) -> list:
    """The epochs that an unfinished run has behind it."""
    try:
        return json.loads((store / f"{r.hash}.partial.json").read_text())
    except (OSError, ValueError):
        return []
