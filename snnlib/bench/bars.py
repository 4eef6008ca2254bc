"""How fast the core is meant to be, and whether a run shows it."""

import re
from dataclasses import dataclass

import pandas as pd

from snnlib.bench import layers, peers, synapses, training


@dataclass(frozen=True)
class Bar:
    """``name`` for readers; ``work``: a pattern of the work's name (the first match in a run is meant);
    ``against``: a contender or a role (of which the fastest counts). ``bound``: the companion is to be at
    least so many times as fast, or, with ``at_most``, to take at most so many times as long.
    """

    name: str
    work: str
    step: str
    against: str
    bound: float
    at_most: bool = False


BARS = (
    Bar("LIF layer, forward + backward", r"LIF \[", layers.BOTH, "peer", 15),
    Bar("PLIF layer, forward + backward", r"PLIF \[", layers.BOTH, "peer", 15),
    Bar("2nd-order layer, forward + backward", r"2nd order \[", layers.BOTH, "loop", 12),
    Bar("LIF layer, forward", r"LIF \[", layers.FORWARD, "floor", 3, at_most=True),
    Bar("PLIF layer, forward", r"PLIF \[", layers.FORWARD, "floor", 3, at_most=True),
    Bar("2nd-order layer, forward", r"2nd order \[", layers.FORWARD, "floor", 3, at_most=True),
    Bar("synapse, 13 % spikes", r"synapse .* 13 %", synapses.PASS, "peer", 2.2),
    Bar("MDN's MNIST network, training step", r"MDN.*1st order", training.STEP, "SpikingJelly", 3),
    Bar("PLIF's Fashion-MNIST network, training step", "PLIF's", training.STEP, "SpikingJelly", 1.5),
)


def judge(rows: list[dict]) -> pd.DataFrame:
    """Each bar that the run has a row of ours for. Columns: name, work, pass, against (whom it was), bound,
    at_most, factor (times as fast, or with at_most times as long), met.

    Where the rival did not take part the plain PyTorch loop stands in, and ``met`` is None. ``rows``: of
    ``measure.Results``.
    """
    found = []
    for bar in BARS:
        works = [row for row in rows if row["pass"] == bar.step and re.match(bar.work, row["work"])]
        works = [row for row in works if row["work"] == works[0]["work"]]
        ours = [row for row in works if "ours" in row["roles"]]
        rivals = [row for row in works if bar.against in (*row["roles"], row["implementation"])]
        named = bool(rivals)
        rivals = rivals or [row for row in works if row["implementation"] == peers.LOOP]
        if not (ours and rivals):
            continue
        best, rival = (min(side, key=lambda row: row["median_ms"]) for side in (ours, rivals))
        factor = rival["median_ms"] / best["median_ms"]
        factor = 1 / factor if bar.at_most else factor
        met = (factor <= bar.bound if bar.at_most else factor >= bar.bound) if named else None
        words = bar.name, best["work"], bar.step, rival["implementation"]
        found.append((*words, bar.bound, bar.at_most, factor, met))
    columns = ["name", "work", "pass", "against", "bound", "at_most", "factor", "met"]
    return pd.DataFrame(found, columns=columns).astype({"met": object})
