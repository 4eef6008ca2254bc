"""Which runs each chapter needs, as functions of the values in its parameters cell.

The notebooks call these, and so does ``make plan`` and the training that goes before a chapter: one place
decides what is trained.
"""

import inspect
from collections.abc import Iterable, Sequence

from snnlib import meta_neurons, parameters, published
from snnlib.experiments import Run
from snnlib.grids import (
    MDN_TASKS,
    META_NEURONS,
    PLIF_DATASETS,
    VARIANTS,
    ablation,
    beyond_mdn,
    beyond_plif,
    fewer_steps,
    generation,
    mixed,
    transfer,
)


def chapter_02(
    generation_seeds: int,
    mnist_epochs: int,
    tidigits_epochs: int,
    generation_samples: int,
    seeds: int,
    epochs: int,
    train_samples: int,
    test_samples: int,
    hidden: int,
) -> list[Run]:
    """Generation on both source tasks, then the four published neurons there (MDN, Fig. 3 and 5)."""
    learned = generation(
        generation_seeds,
        mnist_epochs,
        tidigits_epochs,
        train_samples=generation_samples,
        test_samples=test_samples,
        hidden=hidden,
    )
    return learned + transfer(
        ("mnist", "tidigits"),
        META_NEURONS[:4],
        seeds,
        epochs=epochs,
        train_samples=train_samples,
        test_samples=test_samples,
        hidden=hidden,
    )


def chapter_03(
    tasks: Iterable[str],
    seeds: int,
    protocol_seeds: int,
    epochs: int,
    train_samples: int,
    test_samples: int,
    cifar10_samples: int,
    hidden: int,
    long_epochs: int = 0,
    long_tasks: Iterable[str] = (),
    thetas: dict[str, Sequence[float]] | None = None,
) -> list[Run]:
    """Table 3's grid, then the protocols that the paper leaves open, on ``protocol_seeds`` seeds each:
    Fashion-MNIST's pixels as values instead of random spikes; NETtalk without its leak, and scored as the
    authors do; spoken digits over bands, by speaker, and as whole spectrograms (Table 4's non-sequential
    row); ``long_tasks`` for ``long_epochs``.
    """
    budget = {
        "epochs": epochs,
        "train_samples": train_samples,
        "test_samples": test_samples,
        "hidden": hidden,
        "thetas": thetas,
    }
    runs = transfer(tasks, META_NEURONS, seeds, cifar10_samples=cifar10_samples, **budget)
    if "fashion_mnist" in tasks:
        options = {"pixels": "values"}
        runs += transfer(["fashion_mnist"], META_NEURONS, protocol_seeds, options=options, **budget)
    if "nettalk" in tasks:
        for options in ({"leak_free": True}, {"scored": "first_of_five"}):
            runs += transfer(["nettalk"], META_NEURONS, protocol_seeds, options=options, **budget)
    if "tidigits" in tasks:
        for options in ({"time_axis": "band"}, {"split": "speaker"}, {"form": "spectrogram"}):
            runs += transfer(["tidigits"], META_NEURONS, protocol_seeds, options=options, **budget)
    if long_epochs:
        own = {"cifar10_samples": cifar10_samples, "epochs": long_epochs}
        long_tasks = [task for task in long_tasks if task in tasks]
        runs += transfer(long_tasks, META_NEURONS, protocol_seeds, **budget | own)
    return runs


def chapter_04(
    data: Iterable[str],
    seeds: int,
    validation_seeds: int,
    epochs: int,
    cosine_epochs: int,
    train_samples: int,
    test_samples: int,
    cifar10_samples: int,
    channels: int,
    features: int,
    event_resolution: int,
    event_time_steps: int,
) -> list[Run]:
    """PLIF and LIF at tau 2 and 16 on ``data``; PLIF at tau 2 on MNIST and N-MNIST (Table 2); all six with
    15 % held out (S2).
    """
    budget = {
        "epochs": epochs,
        "cosine_epochs": cosine_epochs,
        "train_samples": train_samples,
        "test_samples": test_samples,
        "cifar10_samples": cifar10_samples,
        "channels": channels,
        "features": features,
        "event_resolution": event_resolution,
        "event_time_steps": event_time_steps,
    }
    every = [*data, *(name for name in ("mnist", "n_mnist") if name not in data)]
    return (
        ablation(data, VARIANTS[:4], seeds, **budget)
        + ablation(every, VARIANTS[:1], seeds, **budget)
        + ablation(every, VARIANTS[:1], validation_seeds, validation=0.15, **budget)
    )


def chapter_05(
    data: Iterable[str],
    seeds: int,
    epochs: int,
    cosine_epochs: int,
    train_samples: int,
    test_samples: int,
    cifar10_samples: int,
    channels: int,
    features: int,
    event_resolution: int,
    event_time_steps: int,
) -> list[Run]:
    """PLIF and LIF at tau 2 and 16, with max- and with average-pooling, on ``data``.

    PLIF's Table 5 has PLIF at tau 2 alone. The runs with max-pooling are chapter 04's.
    """
    return ablation(
        data,
        VARIANTS,
        seeds,
        epochs=epochs,
        cosine_epochs=cosine_epochs,
        train_samples=train_samples,
        test_samples=test_samples,
        cifar10_samples=cifar10_samples,
        channels=channels,
        features=features,
        event_resolution=event_resolution,
        event_time_steps=event_time_steps,
    )


def chapter_06(
    profile: str,
    chapters: Iterable[str],
    mixed_tasks: Iterable[str],
    few_steps: Iterable[int],
    beyond_tasks: Iterable[str],
    beyond_seeds: int,
) -> list[Run]:
    """The runs of ``chapters`` (of 02 to 05) as ``profile`` has them, so that none is trained twice, and what
    the claims need beyond: mixed networks beside pure ones with chapter 03's budget, PLIF with fewer time
    steps with chapter 04's. Then steps beyond the papers, with the same budgets.
    Values given to single chapters on the command line do not reach this one.
    """
    known = [stem for stem in CHAPTERS if stem < "06"]
    unknown = [stem for stem in chapters if stem not in known]
    if unknown:
        raise ValueError(f"06_claims: chapters is {list(chapters)}; choose of {', '.join(known)}.")
    runs = []
    for stem in chapters:
        told = parameters.resolve(stem, profile, {})[1]
        runs += for_chapter(stem, told | {"neuron_source": "published", "long_epochs": 0})
    mdn, plif = _budgets(profile)
    runs += mixed(mixed_tasks, **mdn) + transfer(mixed_tasks, ("2-FS", "2-SDS"), **mdn)
    return runs + fewer_steps(few_steps, **plif) + beyond(profile, beyond_tasks, beyond_seeds)


def beyond(profile: str, tasks: Iterable[str], seeds: int) -> list[Run]:
    """Faithful runs and steps beyond both papers, with the budgets of chapters 03 and 04 in ``profile``."""
    mdn, plif = _budgets(profile)
    return beyond_mdn(tasks, **mdn | {"seeds": seeds}) + beyond_plif(**plif | {"seeds": seeds})


def _budgets(profile: str) -> tuple[dict, dict]:
    """What ``profile`` gives the runs of chapters 03 (MDN) and 04 (PLIF, but for its event sets)."""
    mdn, plif = (parameters.resolve(stem, profile, {})[1] for stem in ("03_transfer", "04_plif_ablation"))
    shared = ("seeds", "epochs", "train_samples", "test_samples")
    return (
        {name: mdn[name] for name in (*shared, "cifar10_samples", "hidden")},
        {name: plif[name] for name in (*shared, "cosine_epochs", "channels", "features")},
    )


CHAPTERS = {
    "02_mdn_generation": chapter_02,
    "03_transfer": chapter_03,
    "04_plif_ablation": chapter_04,
    "05_pooling": chapter_05,
    "06_claims": chapter_06,
}


def for_chapter(stem: str, parameters: dict) -> list[Run]:
    """The distinct runs of a chapter under the values of its parameters cell; [] for a chapter that trains
    nothing.
    """
    grid = CHAPTERS.get(stem)
    if grid is None:
        return []
    _check(stem, parameters)
    takes = inspect.signature(grid).parameters
    chosen = {name: value for name, value in parameters.items() if name in takes}
    if parameters.get("neuron_source") == "generated":
        chosen["thetas"] = meta_neurons.generated_thetas(parameters["profile"])
    return list(dict.fromkeys(grid(**chosen)))


def _check(stem: str, parameters: dict) -> None:
    """Refuse, before anything starts, values that no grid can be made of."""
    long, epochs = parameters.get("long_epochs", 0), parameters.get("epochs", 0)
    usual = published.table("mdn_table1").set_index("task").epochs
    usual = epochs or max((usual.get(task, 0) for task in parameters.get("long_tasks", ())), default=0)
    if 0 < long <= usual:  # what tells longer runs from Table 3's
        raise ValueError(f"{stem}: long_epochs is {long}; it must be above the others' {usual}, or 0.")
    for name in ("seeds", "cosine_epochs"):
        if parameters.get(name, 1) < 1:
            raise ValueError(f"{stem}: {name} is {parameters[name]}; at least one is needed.")
    if parameters.get("neuron_source", "published") not in ("published", "generated"):
        source = parameters["neuron_source"]
        raise ValueError(f"{stem}: neuron_source is {source!r}; it must be 'published' or 'generated'.")
    of_tasks = [(name, MDN_TASKS) for name in ("tasks", "long_tasks", "mixed_tasks", "beyond_tasks")]
    for name, valid in (*of_tasks, ("data", PLIF_DATASETS)):
        unknown = [item for item in parameters.get(name, valid) if item not in valid]
        if unknown or (not parameters.get(name, valid) and name not in ("long_tasks", "beyond_tasks")):
            choice = ", ".join(valid)
            raise ValueError(f"{stem}: {name} is {parameters[name]}; choose one or more of {choice}.")
