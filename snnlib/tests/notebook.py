"""Functions that a chapter defines in its own cells, for the tests of what a reader sees there."""

from itertools import product
from types import SimpleNamespace

import numpy as np
import pandas as pd
from sklearn.cluster import AgglomerativeClustering

from snnlib.chapters.parameters import NOTEBOOKS, tagged
from snnlib.papers import meta_neurons, published


def definitions(chapter: str, tag: str, **scope) -> SimpleNamespace:
    """What the cells of a chapter that carry ``tag`` define, given the names in ``scope``."""
    for cell in tagged(NOTEBOOKS / f"{chapter}.ipynb", tag):
        exec(compile(cell.source, f"{chapter}, a cell tagged {tag!r}", "exec"), scope)
    return SimpleNamespace(**scope)


def generation_rule() -> SimpleNamespace:
    """Chapter 02's combine, select and table2."""
    packages = {"np": np, "pd": pd, "product": product, "AgglomerativeClustering": AgglomerativeClustering}
    shared = {name: getattr(meta_neurons, name) for name in ("NAMES", "SENSITIVE", "THETAS")}
    ours = {"meta_neurons": meta_neurons, "published": published}
    return definitions("02_mdn_generation", "rule", **packages, **shared, **ours)
