"""What generating meta neurons (MDN, Sec. 3.3, 4.3 and 4.4) needs in more places than one: the learned theta,
its clusters, and what a candidate does under a stimulus. Combination, filter, names are cells of chapter 02.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from sklearn.cluster import KMeans, MeanShift, estimate_bandwidth

from snnlib import paths
from snnlib.neurons import SecondOrder
from snnlib.papers import theory

THETAS = ("theta_a", "theta_b", "theta_c", "theta_d")
NAMES = {"mnist": ("2-FS", "2-RS"), "tidigits": ("2-SDS", "2-WDS")}  # source task -> whom Table 2 keeps of it
SNAPSHOTS = {"mnist": 5, "tidigits": 26}  # epochs at which the authors clustered theta
# The stimulus: Fig. 4's sine through the sigmoid that every current of these networks passes, two periods of
# the 30 steps that a network sees of a spoken digit.
PERIOD, PERIODS = 30, 2
SENSITIVE = 0.5  # least modulation of the spikes by the stimulus: 1 only in its upper half, 0 in both


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

    @property
    def near_modes(self) -> np.ndarray:
        """How many points lie within one bandwidth of each mode: a mode of a few is one of outliers."""
        apart = np.linalg.norm(self.points[:, None] - self.modes[None], axis=-1)
        return (apart <= self.bandwidth).sum(0)


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
