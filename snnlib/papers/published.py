"""What the two papers report, as facts: one CSV per table in data/published (its README has the sources).

Accuracies are in percent. Data sets, neurons and poolings go by the names used everywhere in the library
("n_mnist", "2-FS", "PLIF", "max"), so a published value joins ours by its keys.
"""

import pandas as pd

from snnlib import paths


def names() -> list[str]:
    """The tables that `table` can read, in alphabetical order."""
    return sorted(path.stem for path in paths.PUBLISHED.glob("*.csv"))


def table(name: str) -> pd.DataFrame:
    """The published table of that name, e.g. "mdn_table3" (task, neuron, mean, sd). Empty text cells are "".

    Raises ValueError, naming the valid tables, for a name that is not one of them.
    """
    if name not in names():
        raise ValueError(f"There is no published table {name!r}; valid names are {', '.join(names())}.")
    frame = pd.read_csv(paths.PUBLISHED / f"{name}.csv")
    text = frame.select_dtypes(exclude=["number", "bool"]).columns
    numeric_but_empty = [column for column in frame if frame[column].isna().all()]
    return frame.fillna({column: "" for column in text if column not in numeric_but_empty})


def author_runs() -> pd.DataFrame:
    """The PLIF authors' 49 published training runs: settings, accuracies, learned time constants.

    protocol "A": trained on all training samples, best test accuracy over epochs; "B": 15 % for validation.
    """
    return table("plif_author_runs")


def author_curves() -> pd.DataFrame:
    """Those runs over epochs (every 8th, and the best): accuracies in percent, tau_1 .. tau_8 in steps.

    tau_i is the time constant of the i-th PLIF layer after that epoch, NaN where the run learns none.
    Each row also carries the settings of its run (dataset, protocol, neuron, tau, pooling, time_steps, ...).
    """
    settings = author_runs().loc[:, "run_id":"in_paper_table"]  # results come after them
    return table("plif_author_curves").merge(settings, on="run_id", validate="many_to_one")
