"""Generating meta neurons (MDN, Sec. 3.3, 4.3 and 4.4): collect -> cluster -> combine -> sort -> filter.

The paper says that candidates with similar dynamics are filtered out, not how. The rule used here is written
down in ``select``; its constants stand below, and chapter 02 measures how far the candidates are from them.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
import torch
from sklearn.cluster import AgglomerativeClustering, KMeans, MeanShift, estimate_bandwidth

from snnlib import paths
from snnlib.neurons import SecondOrder
from snnlib.papers import published, theory

THETAS = ("theta_a", "theta_b", "theta_c", "theta_d")
NAMES = {"mnist": ("2-FS", "2-RS"), "tidigits": ("2-SDS", "2-WDS")}  # source task -> whom Table 2 keeps of it
SNAPSHOTS = {"mnist": 5, "tidigits": 26}  # epochs at which the authors clustered theta
AUTHORS_K = {("mnist", "ab"): None, ("mnist", "cd"): None, ("tidigits", "ab"): 3, ("tidigits", "cd"): None}
"""Number of centres that the authors set by hand; None: as many as mean-shift finds."""

# The stimulus: Fig. 4's sine through the sigmoid that every current of these networks passes, two periods of
# the 30 steps that a network sees of a spoken digit.
PERIOD, PERIODS = 30, 2
SENSITIVE = 0.5  # least modulation of the spikes by the stimulus: 1 only in its upper half, 0 in both
DISTINCT = 0.05  # least root-mean-square difference of V between two neurons, a tenth of the threshold
V_RANGE = (-1.0, 2.0)  # V is compared within these bounds: far above threshold all neurons are alike


@dataclass(frozen=True)
class Clusters:
    """points [N, 2], the label of each [N], centres [K, 2] (most populated first), mean-shift's modes [M, 2].

    ``bandwidth`` is 0 where all points coincide; they are the one mode then.
    """

    points: np.ndarray
    labels: np.ndarray
    centres: np.ndarray
    modes: np.ndarray
    bandwidth: float

    @property
    def sizes(self) -> np.ndarray:
        return np.bincount(self.labels, minlength=len(self.centres))


def collect(record: dict, epoch: int = 0) -> np.ndarray:
    """theta [neurons, 4] of both layers pooled, as a run with learned theta had them after ``epoch``.

    epoch 0: the authors' snapshot for that task. Raises ValueError for an epoch that was not recorded.
    """
    epoch = epoch or SNAPSHOTS[record["task"]]
    for snapshot in record["theta"]:
        if snapshot["epoch"] == epoch:
            return np.array([snapshot[name] for name in THETAS]).T
    last = record["theta"][-1]["epoch"] if record["theta"] else None
    raise ValueError(
        f"The run on {record['task']} has no theta of epoch {epoch}"
        + (
            f": it ends with epoch {last}; choose a snapshot up to there or more epochs."
            if last is not None
            else ": its neuron was not learned."
        )
    )


def cluster(points: np.ndarray, k: int | None = None) -> Clusters:
    """Mean-shift counts the modes of ``points`` [N, 2]; K-means finds as many centres, or ``k`` (Sec. 3.3).

    Bandwidth from the 0.5 quantile of distances, bins as seeds: the authors' settings. K-means has a fixed
    random state; K is at most the number of distinct points. ValueError for points that are not finite.
    """
    points = np.asarray(points, float)
    if points.ndim != 2 or len(points) == 0 or not np.isfinite(points).all():
        raise ValueError(
            f"Clustering needs at least one point [N, 2], all finite, got {points.shape}; if "
            "theta diverged, lower its learning rate."
        )
    distinct = len(np.unique(points, axis=0))
    bandwidth = float(estimate_bandwidth(points, quantile=0.5)) if distinct > 1 else 0.0
    if bandwidth > 0:
        modes = MeanShift(bandwidth=bandwidth, bin_seeding=True).fit(points).cluster_centers_
    else:  # no spread: mean-shift would have no scale to work with
        modes = points[:1]
    means = KMeans(min(k or len(modes), distinct), n_init=10, random_state=0).fit(points)
    order = np.argsort(-np.bincount(means.labels_), kind="stable")
    return Clusters(points, np.argsort(order)[means.labels_], means.cluster_centers_[order], modes, bandwidth)


def generate(record: dict, epoch: int = 0) -> tuple[Clusters, Clusters, pd.DataFrame]:
    """Clusters of (theta_a, theta_b) and of (theta_c, theta_d), and all their combinations as candidates."""
    theta, task = collect(record, epoch), record["task"]
    ab, cd = cluster(theta[:, :2], AUTHORS_K[task, "ab"]), cluster(theta[:, 2:], AUTHORS_K[task, "cd"])
    return ab, cd, combine(ab.centres, cd.centres, task)


def combine(ab: np.ndarray, cd: np.ndarray, task: str) -> pd.DataFrame:
    """Every centre [2] of ``ab`` with every one of ``cd``: candidate, source_task, theta_a .. theta_d."""
    kind = "spatial" if task == "mnist" else "temporal"
    return pd.DataFrame(
        [
            (f"{kind}-{i}", task, *map(float, (*first, *second)))
            for i, (first, second) in enumerate(product(ab, cd), start=1)
        ],
        columns=["candidate", "source_task", *THETAS],
    )


def respond(
    candidates: pd.DataFrame, period: int = PERIOD, periods: int = PERIODS, sigmoid: bool = True
) -> dict[str, np.ndarray]:
    """Drive every candidate with the stimulus: input and current [T]; spikes, V, U [candidates, T].

    ``input`` is the sine, ``current`` what the neuron receives (I of Eq. 2): sigmoid(input) as in the
    networks or, without ``sigmoid``, the sine itself as in Fig. 4.
    """
    sine = theory.sine_stimulus(period * periods, period)
    current = torch.sigmoid(torch.from_numpy(sine)).numpy() if sigmoid else sine
    all_alike = np.tile(current[:, None], (1, len(candidates)))
    neuron = SecondOrder(neurons=len(candidates)).double()
    for parameter, name in zip(neuron.thetas, THETAS, strict=True):
        parameter.data = torch.from_numpy(candidates[name].to_numpy(float, copy=True))
    found = {name: values.T for name, values in theory.simulate(neuron, all_alike).items()}
    return {"input": sine, "current": current, "spikes": found.pop("S"), **found}


def distances(v: np.ndarray) -> np.ndarray:
    """Root-mean-square difference over time of every two rows of ``v`` [candidates, T], V cut to V_RANGE."""
    v = np.clip(np.nan_to_num(v, nan=V_RANGE[1]), *V_RANGE)
    return np.sqrt(((v[:, None] - v[None]) ** 2).mean(-1))


def measure(candidates: pd.DataFrame, response: dict[str, np.ndarray], period: int = PERIOD) -> pd.DataFrame:
    """The candidates with what they do under the stimulus.

    spikes: how many.  modulation: (upper - lower) / (upper + lower), the rates in both halves of the sine, 0
    for a silent neuron.  depression: share of the first period's spikes that is missing in the last one.
    """
    spikes = response["spikes"]
    upper = spikes[:, response["input"] > 0].mean(1)
    lower = spikes[:, response["input"] <= 0].mean(1)
    first, last = spikes[:, :period].sum(1), spikes[:, -period:].sum(1)
    return candidates.assign(
        spikes=spikes.sum(1).astype(int),
        modulation=(upper - lower) / np.maximum(upper + lower, 1e-12),
        depression=1 - last / np.maximum(first, 1),
    )


def select(candidates: pd.DataFrame, period: int = PERIOD, periods: int = PERIODS) -> pd.DataFrame:
    """Filter and name the candidates (MDN, Sec. 4.3 and 4.4); columns as ``measure``, and group, name, why.

    1  Discard what is not sensitive, modulation below SENSITIVE: it fires regardless of its input (or never).
    2  Of each source task, put similar neurons together: average-linkage clustering of V under the stimulus
       into the two groups that Table 2 keeps, or one where no two differ by DISTINCT.
    3  Of each group keep the neuron with the most spikes ("faster or stronger spikes" do better, Sec. 4.5);
       of several, the one farthest from the other task's neurons ("larger inner differences", Sec. 4.3).
    4  Name them: of the spatial ones the more active is 2-FS, the other 2-RS; of the temporal ones the more
       depressed is 2-SDS, the other 2-WDS. A lone survivor of a task gets the first of the two names.
    """
    response = respond(candidates, period, periods)
    table = measure(candidates.reset_index(drop=True), response, period).assign(group="", name="", why="")
    gap = distances(response["V"])
    sensitive = table.modulation >= SENSITIVE
    table.loc[~sensitive, "why"] = "fires regardless of the input"
    table.loc[table.spikes == 0, "why"] = "silent"
    for task in table.source_task.unique():
        rows = table.index[sensitive & (table.source_task == task)].to_numpy()
        table.loc[rows, "group"] = [f"{task} {label}" for label in _groups(gap[np.ix_(rows, rows)])]
    kept = []
    for group in sorted(set(table.group) - {""}):
        rows = table.index[table.group == group]
        others = table.index[sensitive & (table.source_task != table.source_task[rows[0]])]
        apart = {row: gap[row, others].min() if len(others) else 0.0 for row in rows}
        best = min(rows, key=lambda row: (-table.spikes[row], -apart[row]))
        table.loc[rows, "why"] = f"like {table.candidate[best]}"
        kept.append(best)
    for task, names in NAMES.items():
        rank = table.spikes if task == "mnist" else table.depression
        own = [row for row in sorted(kept) if table.source_task[row] == task]
        rows = sorted(own, key=lambda row, rank=rank: -rank[row])
        table.loc[rows, "name"] = names[: len(rows)]
    table.loc[kept, "why"] = "kept"
    return table


def _groups(gap: np.ndarray) -> np.ndarray:
    """Labels of two groups of similar neurons, or of one, from their distances [n, n]."""
    if len(gap) < 2 or gap.max() < DISTINCT:
        return np.zeros(len(gap), int)
    return AgglomerativeClustering(2, metric="precomputed", linkage="average").fit_predict(gap)


def survivors(selected: pd.DataFrame) -> dict[str, tuple[float, ...]]:
    """name -> (theta_a, theta_b, theta_c, theta_d) of the candidates that ``select`` kept."""
    return {
        row.name: tuple(getattr(row, theta) for theta in THETAS)
        for row in selected[selected.name != ""].itertuples(index=False)
    }


def table2(selections: list[pd.DataFrame], data: dict[str, str]) -> pd.DataFrame:
    """Table 2, published beside ours: one row per neuron and parameter.

    ``selections``: what ``select`` returned, one for each generation seed. ours is the first seed's value,
    as in ``generated_thetas``; sd and n are over the seeds in which a neuron of that name survived.
    ``data``: source task -> the data really used.
    """
    paper = published.table("mdn_table2").set_index("neuron")
    found = [survivors(selected) for selected in selections]
    rows = []
    for task, names in NAMES.items():
        for name, (i, theta) in product(names, enumerate(THETAS)):
            values = [thetas[name][i] for thetas in found if name in thetas]
            ours = found[0][name][i] if name in found[0] else np.nan
            theirs = paper.loc[name, theta]
            rows.append(
                {
                    "neuron": name,
                    "parameter": theta,
                    "published": theirs,
                    "ours": ours,
                    "sd": np.std(values, ddof=1) if len(values) > 1 else np.nan,
                    "n": len(values),
                    "difference": ours - theirs,
                    "data": data[task],
                    "note": "" if name in found[0] else "none survived",
                }
            )
    return pd.DataFrame(rows)


def thetas_of(source: str, profile: str) -> dict[str, tuple[float, ...]] | None:
    """None for the ``source`` "published" (Table 2's values stand), for "generated" ``generated_thetas``.

    Raises ValueError for another word.
    """
    if source not in ("published", "generated"):
        raise ValueError(f"neuron_source is {source!r}; it must be 'published' or 'generated'.")
    return generated_thetas(profile) if source == "generated" else None


def generated_thetas(profile: str) -> dict[str, tuple[float, ...]]:
    """The four neurons that chapter 02 generated with this profile: name -> (theta_a, ..., theta_d).

    Reads results/<profile>/tables/mdn_table2.csv (columns neuron, parameter, published, ours, ...).
    FileNotFoundError where chapter 02 has not run; ValueError where it could not fill one of the four names.
    """
    path = paths.results(profile) / "tables" / "mdn_table2.csv"
    if not path.exists():
        raise FileNotFoundError(
            f"No meta neurons have been generated with profile {profile!r}; run "
            f"`make 02 PROFILE={profile}` first, or use neuron_source 'published'."
        )
    ours = pd.read_csv(path).pivot(index="neuron", columns="parameter", values="ours")
    names = [name for both in NAMES.values() for name in both]
    lost = [name for name in names if name not in ours.index or ours.loc[name, list(THETAS)].isna().any()]
    if lost:
        raise ValueError(
            f"Chapter 02 with profile {profile!r} generated no {', '.join(lost)} (none survived "
            "its filter); give it more epochs or samples, or use neuron_source 'published'."
        )
    return {name: tuple(float(x) for x in ours.loc[name, list(THETAS)]) for name in names}
