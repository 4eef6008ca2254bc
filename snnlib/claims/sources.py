"""The papers' tables and the PLIF authors' logs in the form of records, so that measures read them as ours.

They have one number per setting, no seeds, and so no interval.
"""

import functools

from snnlib.neurons import PRESETS
from snnlib.papers import published


def _record(paper, task, neuron, accuracy, *, tau=0.0, pooling="") -> dict:
    config = {"theta": PRESETS.get(neuron, ()), "tau": tau, "validation": 0.0, "task_options": []}
    return {
        "config": config | {"epochs": 1, "batch_size": 1},
        "paper": paper,
        "task": task,
        "neuron": neuron,
        "network": "",
        "pooling": pooling,
        "seed": 0,
        "dataset": task,
        "source": "published",
        "train_samples": 1,
        "test_samples": 1,
        "accuracy_last": accuracy,
        "accuracy_best": accuracy,
        "accuracy_validated": None,
        "curve": [],
        "tau": [],
        "theta": [],
        "w_over_tau": [],
    }


@functools.cache
def papers() -> tuple[dict, ...]:
    """MDN's Table 3; PLIF's Tables 2, 4, 5 and S2."""
    records = [
        _record("mdn", row.task, row.neuron, row.mean)
        for row in published.table("mdn_table3").itertuples(index=False)
    ]
    for name in ("plif_table4", "plif_table5"):
        records += [_plif(row, row.accuracy) for row in published.table(name).itertuples(index=False)]
    tables = published.table("plif_table2")
    for row in tables[tables.ours & tables.dataset.isin(("mnist", "n_mnist"))].itertuples(index=False):
        records.append(_record("plif", row.dataset, "PLIF", row.accuracy, tau=2.0, pooling="max"))
    for row in published.table("plif_tableS2").query("protocol == 'B'").itertuples(index=False):
        held_out = _record("plif", row.dataset, "PLIF", row.accuracy, tau=2.0, pooling="max")
        held_out["config"]["validation"] = 0.15
        records.append(held_out | {"accuracy_validated": row.accuracy})
    return tuple(records)


@functools.cache
def authors() -> tuple[dict, ...]:
    """The PLIF authors' own runs of the paper, one each: best accuracy, curve (every 8th epoch), tau."""
    runs, curves = published.author_runs(), published.author_curves()
    records = []
    for row in runs[runs.in_paper_table & (runs.protocol == "A")].itertuples(index=False):
        points = curves[curves.run_id == row.run_id].sort_values("epoch")
        regular = points[points.epoch % 8 == 0]
        taus = points.filter(regex=r"^tau_\d").dropna(axis=1)
        curve = [
            {"epoch": epoch + 1, "test_accuracy": accuracy}
            for epoch, accuracy in zip(regular.epoch, regular.test_accuracy, strict=True)
        ]
        tau = [[row.tau] * taus.shape[1], *taus.to_numpy(float).tolist()] if taus.shape[1] else []
        found = {"curve": curve, "tau": tau, "accuracy_last": row.accuracy_last}
        records.append(_plif(row, row.accuracy_best) | found)
    return tuple(records)


def _plif(row, accuracy):
    return _record("plif", row.dataset, row.neuron, accuracy, tau=float(row.tau), pooling=row.pooling)
