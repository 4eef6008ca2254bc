"""The results block of README.md: verdicts and main tables of both papers, from the reference runs alone.

What a machine has trained beside them does not enter, so that README and records can be checked against each
other anywhere.
"""

import math
import re
import shutil

import pandas as pd

from snnlib import claims, datasets, files, networks, paths
from snnlib.chapters import planned
from snnlib.claims import temporal
from snnlib.papers import published
from snnlib.results import tables
from snnlib.runs import plan, store, time_grids
from snnlib.runs.config import beyond, table_1
from snnlib.runs.grids import PAPER_EPOCHS_PLIF

BLOCK = re.compile(r"(<!-- (findings|results):begin -->\n).*?(<!-- \2:end -->)", re.DOTALL)
PICTURES = {"claims.png": "claims_main", "neurons.png": "mdn_fig4", "ladder.png": "plif_ladder_whole"}
"""In notebooks/, and of which figure."""

FINDINGS = (
    (
        {
            "spatial_mnist": "holds",
            "spatial_fashion_mnist": "holds",
            "spatial_nettalk": "holds",
            "spatial_cifar10": "undecided",
        },
        "**Spatial neurons win on three of four spatial tasks.** At the paper's own size 2-FS and 2-RS beat "
        "2-SDS and 2-WDS by {spatial_mnist} points on MNIST, {spatial_fashion_mnist} on Fashion-MNIST and "
        "{spatial_nettalk} on NETtalk (letters to sounds). CIFAR-10, of which a tenth of a re-encoded copy "
        "was used, is undecided ({spatial_cifar10_seeds} seeds).",
    ),
    (
        {"temporal_tidigits": "undecided", "temporal_timit": "holds", "counts_timit": "undecided"},
        "**Temporal neurons win on one of two temporal tasks, on thin ground.** Open sets stand in for the "
        "licensed speech. On speaker gender 2-SDS and 2-WDS are {temporal_timit} points above 2-FS and 2-RS "
        "({timit_clips} test clips, on which the spatial pair reaches {timit_spatial} % where guessing gets "
        "50; a linear classifier is ahead there in the mean, see the last point). On spoken digits the axis "
        "decides: the difference is {temporal_tidigits} with steps along time, as in the text, and "
        "{along_bands} with steps along the bands of the spectrum, as in the authors' code, so the sentence "
        "stays undecided ([chapter 03](notebooks/03_transfer.ipynb)).",
    ),
    (
        {
            "plif_lif_16_fashion_mnist": "holds",
            "collapse_fashion_mnist": "undecided",
            "collapse_cifar10": "holds",
            "robust_cifar10": "undecided",
            "ladder_collapse": "undecided",
        },
        "**On Fashion-MNIST a bad start hurts a learned time constant less, in small networks and short "
        "trainings.** Started from τ = 16 PLIF is {plif_lif_16_fashion_mnist} points above LIF, in networks "
        "of {maps} maps (the table below has narrower ones). Against its start from τ = 2, LIF loses "
        "{collapse_fashion_mnist} points there after {collapse_fashion_mnist_epochs} on {few} samples; in "
        "the paper's own table, with {times_as_wide} times as many maps, it loses nothing "
        "({collapse_fashion_mnist_published}), so the sentence that LIF suffers stays undecided. Whether "
        "wider networks lose less is undecided too: on as few samples the narrowest lose {ladder_collapse} "
        "more than the widest. On all samples the loss is {ladder_whole}, one seed each. On a part of "
        "CIFAR-10 the start costs LIF {collapse_cifar10} points, as the paper says, and PLIF's own change is "
        "{robust_cifar10}, undecided ([chapter 04](notebooks/04_plif_ablation.ipynb)).",
    ),
    (
        {"order_relied": "holds", "part_v2": "undecided", "part_u": "undecided"},
        "**Beyond the papers: 2-WDS leans on the order of time.** Trained on spoken digits in order and "
        "tested with their steps shuffled, 2-WDS loses {order_relied} points more than 2-FS. Which part of "
        "it does that is open: holding U costs {part_u} points of accuracy, leaving V² out {part_v2}, both "
        "undecided with {part_u_seeds} seeds after {part_u_epochs}.",
    ),
    (
        {
            "fair_first": "holds",
            "signed_gap": "fails",
            "signed_first": "holds",
            "signed_both": "undecided",
            "signed_gap_n_mnist": "fails",
            "signed_first_n_mnist": "holds",
            "signed_gap_timit": "undecided",
            "signed_first_timit": "undecided",
            "sigmoid_bounded": "undecided",
            "sigmoid_positive": "undecided",
            "sigmoid_start": "undecided",
        },
        "**On spoken digits the 1st-order neuron is not behind for its order alone.** MDN sends every "
        "current through a sigmoid, so none is negative. There the better of 2-FS and 2-WDS is {fair_first} "
        "points above a 1st-order neuron with the best of five leaks, as MDN trains it; LIF, the same neuron "
        "with another gradient, is nearer. Without the sigmoid the 1st-order neuron gains {signed_first}, "
        "and the better of the two as published minus it is {signed_gap} points ({signed_gap_epochs}); with "
        "the sigmoid taken from both it is undecided. Part of it is the learning rate: behind the sigmoid "
        "three times Table 1's gives the 1st-order neuron with τ = 2 {faster_first} points in the mean of "
        "the seeds, by no rule. Bounding that current, keeping it from being negative and starting it near "
        "the threshold costs {sigmoid_bounded}, {sigmoid_positive} and {sigmoid_start} points, each "
        "undecided. On N-MNIST (a part) gain and difference are "
        "{signed_first_n_mnist} and {signed_gap_n_mnist}, on speaker gender both are undecided "
        "([chapter 08](notebooks/08_time.ipynb)).",
    ),
    (
        {"learned_best": "holds"},
        "**A learned time constant learned to forget.** On spoken digits PLIF is {learned_best} points above "
        "LIF with the best of τ = {taus} after {learned_best_epochs}, and ends at τ near 1, where a neuron "
        "has no memory. With a higher learning rate LIF comes nearer; without MDN's sigmoid the two end "
        "within a few points, and PLIF keeps a memory ([chapter 08](notebooks/08_time.ipynb)).",
    ),
    (
        {"bench_theta": "holds", "bench_second": "undecided", "tuned_second": "undecided"},
        "**On spoken digits θ learned on the task beats the four ready-made neurons**, the best of them by "
        "{bench_theta} points after {bench_theta_epochs}. Between the papers nothing is decided: MDN's four "
        "minus LIF and PLIF, in the mean of three tasks with time, are {bench_second} points with MDN's "
        "learning rates, {tuned_second} with one searched for each ({tuned_second_seeds} seeds).",
    ),
    (
        {"counts_timit": "undecided", "counts_n_mnist": "undecided"},
        "**Two tasks called temporal may need no order.** The best of three spiking networks minus a linear "
        "classifier that sees the input's mean over time alone is {counts_timit} points on speaker gender "
        "and {counts_n_mnist} on N-MNIST ({counts_n_mnist_epochs}), both undecided. On speaker gender the "
        "networks are close to guessing, so they cannot settle it ([chapter 08](notebooks/08_time.ipynb)).",
    ),
)
"""What a reader should know first: the verdicts that a sentence presumes, and the sentence. Written by a
person; where a verdict has changed, the sentence is stale and must be written anew."""


def write(profile: str) -> None:
    """Replace what stands between the marks of README.md; of the recorded profile take its pictures too.

    Raises ValueError if README.md has lost its marks, or if a finding no longer fits the verdicts.
    """
    readme = paths.ROOT / "README.md"
    text = _with_blocks(readme.read_text(encoding="utf-8"))
    for name, stem in PICTURES.items() if profile == "recorded" else ():
        drawn, picture = paths.results(profile) / "figures" / f"{stem}.png", paths.ROOT / "notebooks" / name
        if drawn.exists():
            files.write_atomically(picture, lambda temporary, drawn=drawn: shutil.copyfile(drawn, temporary))
    files.write_text(readme, text)


def fault() -> str:
    """One sentence if README.md says something else than the reference runs, or ""."""
    text = (paths.ROOT / "README.md").read_text(encoding="utf-8")
    for name in PICTURES:
        if not (paths.ROOT / "notebooks" / name).exists():
            return f"README.md: its picture notebooks/{name} is missing; run `make all` and `make publish`"
    try:
        current = _with_blocks(text)
    except ValueError as error:
        return f"README.md: {error}"
    if current != text:
        return "README.md: its results are not those of data/reference_runs; run `make publish`"
    return ""


def _with_blocks(text: str) -> str:
    if sorted(match[2] for match in BLOCK.finditer(text)) != ["findings", "results"]:
        raise ValueError(
            "it has lost its marks <!-- findings:begin -->, <!-- results:begin --> or their ends."
        )
    blocks = _blocks()
    return BLOCK.sub(lambda match: match[1] + blocks[match[2]] + match[3], text)


def _blocks() -> dict[str, str]:
    everything = recorded("06_claims")
    board = claims.scoreboard(everything)
    return {"findings": findings(board, everything), "results": block(everything, board)}


def findings(board: pd.DataFrame, everything: list[dict]) -> str:
    """The findings as a list, numbers from the scoreboard and its records; without runs, a sentence.

    Raises ValueError where a verdict is no longer what a finding presumes.
    """
    board = board.set_index("id")
    if not (board.n > 0).any():
        return "No run is recorded.\n"
    numbers = {
        row.Index: f"{row.ours:.1f}" + (f" [{row.low:.1f}, {row.high:.1f}]" if math.isfinite(row.low) else "")
        for row in board.itertuples()
    }
    numbers |= {f"{row.Index}_published": f"{row.published:.2f}" for row in board.itertuples()}
    numbers |= _sizes(everything) | _budgets(everything)
    for presumed, _ in FINDINGS:
        for claim, verdict in presumed.items():
            if board.verdict[claim] != verdict:
                raise ValueError(
                    f"a finding presumes that {claim} {verdict}, and it is {board.verdict[claim]!r} now; "
                    "write FINDINGS in snnlib/chapters/readme.py anew."
                )
    return "".join(f"- {text.format(**numbers)}\n" for _, text in FINDINGS)


def _sizes(everything: list[dict]) -> dict[str, str]:
    """What else the findings say in numbers: of the clips of two genders, and of PLIF's networks."""
    clips = [r for r in everything if r["task"] == "timit" and r["neuron"] in ("2-FS", "2-RS")]
    plain = [r for r in clips if not (beyond(r["config"]) or r["config"]["validation"])]
    return {
        "ladder_whole": _ladder(everything),
        "faster_first": _faster(everything, "1st-order/tau:2"),
        "timit_clips": "/".join(map(str, sorted({r["test_samples"] for r in plain}))),
        "timit_spatial": f"{sum(r['accuracy_last'] for r in plain) / len(plain):.0f}" if plain else "?",
        "taus": ", ".join(f"{tau:g}" for tau in time_grids.TAUS),
    }


def _faster(everything: list[dict], setting: str) -> str:
    """What the largest learning rate of the search gains over Table 1's on spoken digits, in points."""
    tried: dict[float, dict[int, float]] = {}
    for r in everything:
        if r["task"] == "tidigits" and r["config"]["validation"] and temporal.setting_of(r) == setting:
            tried.setdefault(r["config"]["learning_rate"], {})[r["seed"]] = r["accuracy_last"]
    usual, most = tried.get(table_1()["tidigits"]["eta_w"], {}), tried.get(max(tried, default=0), {})
    gains = [most[seed] - usual[seed] for seed in most if seed in usual]
    return f"{sum(gains) / len(gains):.1f}" if gains else "?"


def _ladder(everything: list[dict]) -> str:
    """What tau = 16 costs LIF on all of Fashion-MNIST in the narrowest and the widest network, in words."""
    last = {
        (claims.selection.width(r["network"]), r["config"]["tau"], r["seed"]): r["accuracy_last"]
        for r in everything
        if (r["task"], r["neuron"], r["pooling"], r["train_samples"])
        == ("fashion_mnist", "LIF", "max", plan.SAMPLES["fashion_mnist"][0])
    }
    costs: dict[int, list[float]] = {}
    for (width, tau, seed), accuracy in sorted(last.items()):
        if tau == 2 and (width, 16.0, seed) in last:
            costs.setdefault(width, []).append(accuracy - last[width, 16.0, seed])
    if len(costs) < 2:
        return "(not recorded)"
    (narrow, most), *_, (wide, least) = ((w, sum(c) / len(c)) for w, c in costs.items())
    return f"{most:.1f} points with {narrow} maps and {least:.1f} with {wide}"


def _budgets(everything: list[dict]) -> dict[str, str]:
    """Seeds and epochs of the networks behind the claims that the findings presume, and more of two."""
    presumed = {claim for claims_of, _ in FINDINGS for claim in claims_of}
    found, listed = {}, claims.listed()
    for claim in listed[listed.id.isin(presumed)].itertuples(index=False):
        effect = claims.measure(claim)(everything, claim.arguments)
        runs = [r for r in effect.records if r["network"] != "mlp-0"] if effect else []
        theirs = {table_1()[r["task"]]["epochs"] if r["paper"] == "mdn" else PAPER_EPOCHS_PLIF for r in runs}
        both = ({r["config"]["epochs"] for r in runs}, theirs)
        ours, theirs = ("/".join(f"{n:,}" for n in sorted(epochs)) for epochs in both)
        found[f"{claim.id}_epochs"] = f"{ours} of the paper's {theirs} epochs"
        found[f"{claim.id}_seeds"] = str(effect.n if effect else 0)
        if claim.id == "temporal_tidigits":
            bands = claims.measure(claim)(claims.selection.along_bands(everything), claim.arguments)
            found["along_bands"] = (
                "{:.1f} [{:.1f}, {:.1f}]".format(bands.ours, *bands.interval) if bands else "?"
            )
        if claim.id == "collapse_fashion_mnist":
            nets = [networks.TABLE_S1["fashion_mnist"], *(r["network"] for r in runs)]
            widths = [claims.selection.width(net) for net in nets]
            found["times_as_wide"] = f"{widths[0] / min(widths):g}"
            found["maps"] = str(min(widths[1:], default=0))
            few = "/".join(f"{n:,}" for n in sorted({r["train_samples"] for r in runs}))
            found["few"] = f"{few} of {plan.SAMPLES['fashion_mnist'][0]:,}"
    return found


def block(everything: list[dict], board: pd.DataFrame) -> str:
    """Counts of the verdicts and the main tables as Markdown."""
    on_cpu = [record["seconds"] for record in everything if record["device"].startswith("CPU")]
    others = [record for record in everything if not record["device"].startswith("CPU")]
    devices = " or ".join(dict.fromkeys(record["device"] for record in others))
    shared = f"; {len(others)} of them shared one {devices} instead" if others else ""
    counts = "".join(
        f"| {scope} | {verdict} | {row.get('mdn', 0)} | {row.get('plif', 0)} | {row.get('ours', 0)} |\n"
        for (scope, verdict), row in claims.count(board).iterrows()
    )
    return (
        f"From {len(everything)} of the runs in `data/reference_runs` ({sum(on_cpu) / 3600:.0f} hours of "
        f"training, a CPU thread each{shared}), which `make all` draws without training anything.\n\n"
        "| where | verdict | claims of the MDN paper | claims of the PLIF paper | our own |\n"
        "| --- | --- | ---: | ---: | ---: |\n"
        f"{counts}\n"
        "Accuracies in percent, published → ours (–: not recorded), mean ± sd over the seeds that learned, "
        "and how many networks stayed dead (they answer every sample alike); the last column says on which "
        "data, and how much training.\n\n"
        "**MDN, Table 3** (last epoch)\n\n"
        f"{_square(_table_3(), 'neuron')}\n"
        "**PLIF, Table 4** (best epoch, as the paper reports; our networks are narrow versions)\n\n"
        f"{_square(_table_4(), 'variant')}{_own_size()}"
    )


def recorded(stem: str, **changed) -> list[dict]:
    """The reference runs behind a chapter of the recorded profile, of several those on the best data."""
    found = (store.best(run.config) for run in planned.runs(stem, "recorded", **changed))
    return list({record["hash"]: record for record in found if record}.values())


def _table_3() -> pd.DataFrame:
    every = recorded("03_transfer", long_epochs=0, slower_runs=False)
    records = [r for r in every if not r["config"]["task_options"]]
    return tables.compare(records, ["task", "neuron"], published=published.table("mdn_table3"))


def _table_4() -> pd.DataFrame:
    narrow = recorded("04_plif_ablation", ladder=[], whole_ladder=[], faster_runs=False)
    extra = published.table("plif_extra_ablation").query("pooling == 'max'")
    theirs = pd.concat([published.table("plif_table4"), extra])
    return _by_variant([r for r in narrow if not r["config"]["validation"]], theirs)


def _own_size() -> str:
    """Table 4's rows of which Table S1's own network was trained, or ""."""
    every = recorded("04_plif_ablation", ladder=[], faster_runs=False)
    whole = [r for r in every if r["network"] == networks.TABLE_S1[r["task"]]]
    theirs = published.table("plif_table4")
    if not whole:
        return ""
    table = _by_variant(whole, theirs[theirs.dataset.isin([r["task"] for r in whole])])
    return (
        "\n**PLIF, Table 4, on the paper's own network** (a short training: see the last column)\n\n"
        f"{_square(table, 'variant')}"
    )


def _by_variant(records: list[dict], theirs: pd.DataFrame) -> pd.DataFrame:
    table = tables.compare(records, ["task", "neuron", "tau"], "accuracy_best", theirs)
    return table.assign(variant=[f"{row.neuron}, τ {row.tau:g}" for row in table.itertuples()])


def _square(table: pd.DataFrame, columns: str) -> str:
    """One line per task, one column per neuron, data and budget last."""
    theirs = tables.wide(table.assign(none=float("nan")), "task", columns, "published", "none")
    ours = tables.wide(table, "task", columns)
    rows = [["task", *ours.columns, "data; budget"]]
    for task in ours.index:
        ran = table[(table.task == task) & (table.data != tables.NOT_RUN)]
        words = [*dict.fromkeys(ran.data), *dict.fromkeys(ran.budget), _seeds(ran.n)] if len(ran) else []
        behind = "; ".join(words) or tables.NOT_RUN
        pairs = zip(theirs.loc[task], ours.loc[task].replace("", "–"), strict=True)
        rows.append([datasets.PAPER_TITLE[task], *(" → ".join(pair) for pair in pairs), behind])
    rows.insert(1, ["---"] + ["---:"] * len(ours.columns) + ["---"])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _seeds(counts: pd.Series) -> str:
    least, most = counts.min(), counts.max()
    several = f"{least} to {most}" if least < most else f"{most}"
    return f"{several} seed{'s' if most > 1 else ''}"
