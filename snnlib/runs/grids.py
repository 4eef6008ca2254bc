"""Grids of runs with the papers' settings: tasks x neurons x seeds.

0 epochs or samples mean the paper's number. Settings come from the papers' tables: MDN Table 1 as it stands
in data/published, PLIF Table S1 (``networks.TABLE_S1``) and supplement 6.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from snnlib import datasets, networks
from snnlib.neurons import PRESETS
from snnlib.runs.config import PLIF_LEARNING_RATE, Run, code_of, table_1

MDN_TASKS = ("mnist", "fashion_mnist", "nettalk", "cifar10", "tidigits", "timit", "n_mnist")
META_NEURONS = ("2-FS", "2-RS", "2-SDS", "2-WDS", "1st-order")
INITIAL_THETA = (0.02, 0.2, 0.0, 0.08)  # MDN, Sec. 4.2
BEYOND_TABLE_1 = {
    task: {"hidden_size": 500, "batch_size": batch, "epochs": epochs, "eta_w": 1e-3}
    for task, batch, epochs in (
        ("mnist1d", 32, 20),
        ("japanese_vowels", 10, 50),
        ("basic_motions", 5, 50),
        ("cifar10_dvs", 20, 10),
        ("dvs128_gesture", 20, 20),
    )
}
"""Ours, for tasks that the MDN paper does not have: the network and learning rate of most of its tasks; batch
and epochs of the series chosen on their stand-ins, so that a run takes half a minute at most.
"""

PLIF_DATASETS = ("fashion_mnist", "cifar10", "cifar10_dvs", "dvs128_gesture")
VARIANTS = (
    *((neuron, tau, "max") for tau in (2.0, 16.0) for neuron in ("PLIF", "LIF")),
    ("PLIF", 2.0, "average"),
)
"""Neuron, tau, pooling: Table 4's four, and what Table 5 compares with the first."""

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
    """One run of the MDN paper with Table 1's settings, or ours for a task that it does not have; ``theta``
    defaults to Table 2's for a published neuron.

    ``data``: what ``datasets.identify`` said, if it was asked already (it looks at every file of a set).
    """
    data = data or datasets.identify(task, paper="mdn", **options)  # refuses an unknown task
    usual = BEYOND_TABLE_1.get(task) or table_1()[task]
    learned = neuron == "learned"
    theta = tuple(theta) or (INITIAL_THETA if learned else PRESETS.get(neuron, ()))
    return Run(
        paper="mdn",
        task=task,
        data=data,
        network=f"mlp-{hidden or usual['hidden_size']}",
        neuron=neuron,
        theta=tuple(map(float, theta)),
        seed=seed,
        epochs=epochs or usual["epochs"],
        batch_size=usual["batch_size"],
        learning_rate=usual["eta_w"],
        theta_learning_rate=_eta_d(task) if learned else 0.0,
        time_steps=datasets.view(task, "mdn", **options)["time_steps"],
        schedule="step50",
        train_samples=train_samples,
        test_samples=test_samples,
        task_options=tuple(sorted(options.items())),
        code=code_of("mdn", task, **options),
    )


def _eta_d(task: str) -> float:
    """Learning rate of theta (Table 1); MNIST's where the table has none."""
    eta_d = table_1().get(task, {}).get("eta_d", 0)
    return eta_d if eta_d > 0 else table_1()["mnist"]["eta_d"]


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
    precision: str = "",
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
        learning_rate=PLIF_LEARNING_RATE,
        time_steps=datasets.view(dataset, "plif", **options)["time_steps"],
        schedule=f"cosine{cosine_epochs}",
        validation=validation,
        precision=precision,
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
    own = {"train_samples": samples, "test_samples": max(1, samples // 5)}
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


def ladder(maps: Iterable[int], features: int, seeds: int, **budget) -> list[Run]:
    """Networks for Fashion-MNIST that differ in width alone: so many maps in each convolution, ``features``
    neurons of the first FC layer for each map (Table S1: 16).
    """
    runs = []
    for width in maps:
        size = {"channels": width, "features": features * width}
        runs += ablation(["fashion_mnist"], VARIANTS, seeds, **size, **budget)
    return runs


def papers() -> list[Run]:
    """The runs behind the papers' main tables at their size: MDN's Tables 2 and 3, PLIF's Tables 2 to 5."""
    every = (*PLIF_DATASETS, "mnist", "n_mnist")
    plif = ablation(every) + ablation(every, VARIANTS[:1], validation=0.15)
    return list(dict.fromkeys(generation(seeds=5) + transfer() + plif))


def mixed(tasks: Iterable[str], seeds: int, **budget) -> list[Run]:
    """Networks of spatial and temporal neurons in turn: 2-FS, 2-SDS, 2-FS, ... in every layer (MDN, end of
    Sec. 4.8).
    """
    both = {"mixed": (*PRESETS["2-FS"], *PRESETS["2-SDS"])}
    return transfer(tasks, ("mixed",), seeds, thetas=both, **budget)


def fewer_steps(time_steps: Iterable[int], seeds: int, **budget) -> list[Run]:
    """PLIF on Fashion-MNIST with fewer than the paper's 8 time steps."""
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
    runs = list(faithful)
    for r in faithful:
        cycle = {"schedule": f"cosine{r.epochs}"}
        loss = {} if r.task == "nettalk" else {"loss": "cross-entropy"}
        tuned = {"neuron": "learned", "theta_learning_rate": _eta_d(r.task)}
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
