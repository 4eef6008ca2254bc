"""Which runs each chapter needs, as functions of the chapter's parameters.

The notebooks call these, and so does ``make plan`` and the training that goes before a chapter: one place
decides what is trained. 0 epochs or samples mean the paper's number. Settings come from the papers' tables
(MDN Table 1, PLIF Table S1 and supplement 6) as they stand in data/published.
"""

import inspect
from collections.abc import Iterable, Sequence
from dataclasses import replace

from snnlib import datasets, meta_neurons, networks, parameters, published
from snnlib.experiments import Run, code_of
from snnlib.neurons import PRESETS

MDN_TASKS = ("mnist", "fashion_mnist", "nettalk", "cifar10", "tidigits", "timit", "n_mnist")
META_NEURONS = ("2-FS", "2-RS", "2-SDS", "2-WDS", "1st-order")
INITIAL_THETA = (0.02, 0.2, 0.0, 0.08)  # MDN, Sec. 4.2
PLIF_DATASETS = ("fashion_mnist", "cifar10", "cifar10_dvs", "dvs128_gesture")
VARIANTS = tuple(
    (neuron, tau, pooling)
    for pooling in ("max", "average")
    for tau in (2.0, 16.0)
    for neuron in ("PLIF", "LIF")
)
PAPER_EPOCHS_PLIF = 1024  # supplement 6 and the authors' implementation


def mdn_run(
    task: str,
    neuron: str,
    seed: int,
    *,
    epochs: int = 0,
    train_samples: int = 0,
    test_samples: int = 0,
    hidden: int = 0,
    theta: Sequence[float] = (),
    data: str = "",
    **options,
) -> Run:
    """One run of the MDN paper with Table 1's settings; ``theta`` defaults to Table 2's for a published
    neuron.

    ``data``: what ``datasets.identify`` said, if it was asked already (it looks at every file of a set).
    """
    data = data or datasets.identify(
        task, paper="mdn", **options
    )  # refuses an unknown task before the table is asked
    table = published.table("mdn_table1").set_index("task").loc[task]
    learned = neuron == "learned"
    theta = tuple(theta) or (INITIAL_THETA if learned else PRESETS.get(neuron, ()))
    return Run(
        paper="mdn",
        task=task,
        data=data,
        network=f"mlp-{hidden or int(table.hidden_size)}",
        neuron=neuron,
        theta=tuple(map(float, theta)),
        seed=seed,
        epochs=epochs or int(table.epochs),
        batch_size=int(table.batch_size),
        learning_rate=float(table.eta_w),
        theta_learning_rate=float(table.eta_d) if learned else 0.0,
        time_steps=datasets.view(task, "mdn", **options)["time_steps"],
        schedule="step50",
        train_samples=train_samples,
        test_samples=test_samples,
        task_options=tuple(sorted(options.items())),
        code=code_of("mdn", task, **options),
    )


def plif_run(
    dataset: str,
    neuron: str,
    tau: float,
    pooling: str,
    seed: int,
    *,
    epochs: int = 0,
    train_samples: int = 0,
    test_samples: int = 0,
    channels: int = 0,
    features: int = 0,
    cosine_epochs: int = 64,
    validation: float = 0.0,
    data: str = "",
    **options,
) -> Run:
    """One run of the PLIF paper; ``channels`` and ``features`` > 0 make Table S1's net narrower, and
    ``cosine_epochs`` other than the paper's 64 stretch its schedule; ``data`` as in mdn_run.
    """
    data = data or datasets.identify(dataset, paper="plif", **options)
    notation = networks.narrow(networks.with_pooling(networks.TABLE_S1[dataset], pooling), channels, features)
    return Run(
        paper="plif",
        task=dataset,
        data=data,
        network=notation,
        neuron=neuron,
        tau=float(tau),
        seed=seed,
        epochs=epochs or PAPER_EPOCHS_PLIF,
        batch_size=16,
        learning_rate=1e-3,
        time_steps=datasets.view(dataset, "plif", **options)["time_steps"],
        schedule=f"cosine{cosine_epochs}",
        validation=validation,
        train_samples=train_samples,
        test_samples=test_samples,
        task_options=tuple(sorted(options.items())),
    )


def generation(seeds: int = 1, mnist_epochs: int = 0, tidigits_epochs: int = 0, **budget) -> list[Run]:
    """theta learned per neuron on the two source tasks (MDN, Sec. 4.3)."""
    return [
        mdn_run(task, "learned", seed, epochs=epochs, **budget)
        for task, epochs in (("mnist", mnist_epochs), ("tidigits", tidigits_epochs))
        for seed in range(seeds)
    ]


def _cifar10(task: str, samples: int, budget: dict) -> dict:
    """CIFAR-10's nets cost many times the others': its own number of training samples, if any, and a fifth
    of it to test on.
    """
    own = {"train_samples": samples, "test_samples": samples // 5}
    return budget | own if task == "cifar10" and samples else budget


def transfer(
    tasks: Iterable[str] = MDN_TASKS,
    neurons: Iterable[str] = META_NEURONS,
    seeds: int = 5,
    thetas: dict[str, Sequence[float]] | None = None,
    options: dict | None = None,
    cifar10_samples: int = 0,
    **budget,
) -> list[Run]:
    """Tasks x neurons x seeds (MDN, Table 3). ``thetas`` replaces Table 2's values by others, name by name;
    ``options`` are the data set's.
    """
    options, runs = options or {}, []
    for task in tasks:
        data, own = datasets.identify(task, paper="mdn", **options), _cifar10(task, cifar10_samples, budget)
        runs += [
            mdn_run(task, neuron, seed, theta=(thetas or {}).get(neuron, ()), data=data, **own, **options)
            for neuron in neurons
            for seed in range(seeds)
        ]
    return runs


def ablation(
    data: Iterable[str] = PLIF_DATASETS,
    variants: Iterable[tuple[str, float, str]] = VARIANTS,
    seeds: int = 1,
    event_resolution: int = 0,
    event_time_steps: int = 0,
    cifar10_samples: int = 0,
    **budget,
) -> list[Run]:
    """Data sets x (neuron, tau, pooling) x seeds (PLIF, Tables 4 and 5)."""
    runs = []
    for name in data:
        events = name in ("cifar10_dvs", "dvs128_gesture")
        options = {"resolution": event_resolution, "time_steps": event_time_steps} if events else {}
        options = {key: value for key, value in options.items() if value}  # 0: as the paper
        data, own = datasets.identify(name, paper="plif", **options), _cifar10(name, cifar10_samples, budget)
        runs += [
            plif_run(name, *variant, seed, data=data, **own, **options)
            for variant in variants
            for seed in range(seeds)
        ]
    return runs


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
    thetas: dict[str, Sequence[float]] | None = None,
) -> list[Run]:
    """Table 3's grid, then the protocols that the paper leaves open, on ``protocol_seeds`` seeds each:
    NETtalk without its leak, and scored as the authors do; spoken digits over bands, by speaker, and as
    whole spectrograms (Table 4's non-sequential row).
    """
    budget = {
        "epochs": epochs,
        "train_samples": train_samples,
        "test_samples": test_samples,
        "hidden": hidden,
        "thetas": thetas,
    }
    runs = transfer(tasks, META_NEURONS, seeds, cifar10_samples=cifar10_samples, **budget)
    if "nettalk" in tasks:
        for options in ({"leak_free": True}, {"scored": "first_of_five"}):
            runs += transfer(["nettalk"], META_NEURONS, protocol_seeds, options=options, **budget)
    if "tidigits" in tasks:
        for options in ({"time_axis": "band"}, {"split": "speaker"}, {"form": "spectrogram"}):
            runs += transfer(["tidigits"], META_NEURONS, protocol_seeds, options=options, **budget)
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


def mixed(tasks: Iterable[str], seeds: int, **budget) -> list[Run]:
    """Networks of spatial and temporal neurons in turn: 2-FS, 2-SDS, 2-FS, ... in every layer (MDN, end of
    Sec. 4.8).
    """
    both = {"mixed": (*PRESETS["2-FS"], *PRESETS["2-SDS"])}
    return transfer(tasks, ("mixed",), seeds, thetas=both, **budget)


def fewer_steps(time_steps: Iterable[int], seeds: int, **budget) -> list[Run]:
    """PLIF on Fashion-MNIST with fewer than the paper's 8 time steps; [] while that data set has no option
    ``time_steps``.
    """
    if "time_steps" not in datasets.registry.entry("fashion_mnist").options:
        return []
    return [
        plif_run("fashion_mnist", *VARIANTS[0], seed, time_steps=steps, **budget)
        for steps in time_steps
        for seed in range(seeds)
    ]


def beyond_mdn(tasks: Iterable[str], seeds: int, **budget) -> list[Run]:
    """The network of 2-FS, and steps beyond the paper: one cosine cycle over the run; cross-entropy (not
    for NETtalk, which has several labels); theta learned on from Table 2's values, with MNIST's eta_D where
    Table 1 has none; all of them.
    """
    faithful = transfer(tasks, ("2-FS",), seeds, **budget)
    eta_d = published.table("mdn_table1").set_index("task").eta_d
    runs = list(faithful)
    for r in faithful:
        cycle = {"schedule": f"cosine{r.epochs}"}
        loss = {} if r.task == "nettalk" else {"loss": "cross-entropy"}
        rate = float(eta_d[r.task] if eta_d.notna()[r.task] else eta_d["mnist"])
        tuned = {"neuron": "learned", "theta_learning_rate": rate}
        steps = (cycle, loss, tuned, cycle | loss | tuned)
        runs += [replace(r, **step) for step in steps if step]
    return runs


def beyond_plif(seeds: int, **budget) -> list[Run]:
    """PLIF from tau 2 on Fashion-MNIST, and steps beyond the paper: average-pooling (its own Table 5 has it
    ahead there), cross-entropy, flips and crops as for CIFAR-10, all of them.
    """
    faithful, average = (
        ablation(["fashion_mnist"], [v], seeds, **budget) for v in (VARIANTS[0], VARIANTS[4])
    )
    loss, flips = {"loss": "cross-entropy"}, {"augmentation": "crop_flip"}
    runs = faithful + average
    runs += [replace(r, **step) for step in (loss, flips) for r in faithful]
    return runs + [replace(r, **loss, **flips) for r in average]


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
        runs += for_chapter(stem, told | {"neuron_source": "published"})
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
    for name in ("seeds", "cosine_epochs"):
        if parameters.get(name, 1) < 1:
            raise ValueError(f"{stem}: {name} is {parameters[name]}; at least one is needed.")
    if parameters.get("neuron_source", "published") not in ("published", "generated"):
        source = parameters["neuron_source"]
        raise ValueError(f"{stem}: neuron_source is {source!r}; it must be 'published' or 'generated'.")
    of_tasks = [(name, MDN_TASKS) for name in ("tasks", "mixed_tasks", "beyond_tasks")]
    for name, valid in (*of_tasks, ("data", PLIF_DATASETS)):
        unknown = [item for item in parameters.get(name, valid) if item not in valid]
        if unknown or not parameters.get(name, valid):
            choice = ", ".join(valid)
            raise ValueError(f"{stem}: {name} is {parameters[name]}; choose one or more of {choice}.")
