"""The ledger: which chapter makes which figure and table. The one list that checks and report go by."""

import re

CHAPTERS = {
    "00_both_papers": "Both papers in one page of code",
    "01_dynamics": "What the neurons do",
    "02_mdn_generation": "Generating meta-dynamic neurons",
    "03_transfer": "Transfer to seven tasks",
    "04_plif_ablation": "Learnable membrane time constants",
    "05_pooling": "Pooling spikes",
    "06_claims": "Every claim judged",
    "07_performance": "What a neuron costs",
    "08_time": "Does time matter?",
}

BY_ITSELF = ("07_performance",)
"""Chapters that "all" leaves out: what they make is about the machine, and needs it idle."""

FIGURES = {
    "00_both_papers": ("gradient_flow", "both_papers"),
    "01_dynamics": ("mdn_fig4", "plif_fig1", "plif_fig2", "plif_fig3", "plif_encoders", "phase_portraits"),
    "02_mdn_generation": ("mdn_fig1", "mdn_fig2", "mdn_fig3", "mdn_fig5"),
    "03_transfer": ("mdn_fig6", "mdn_fig7", "mdn_fig8"),
    "04_plif_ablation": (
        "plif_fig4",
        "plif_fig6",
        "plif_fig7",
        "plif_figS1",
        "plif_figS2",
        "plif_figS3",
        "plif_figS4",
        "plif_figS5",
        "plif_ladder",
        "plif_ladder_whole",
    ),
    "05_pooling": ("plif_fig5",),
    "06_claims": ("claims_main", "claims_mdn", "claims_plif", "claims_ours", "beyond_gains"),
    "07_performance": ("speed_ratios", "speed_memory", "speed_synapse"),
    "08_time": ("time_order", "dynamics_parts", "robustness", "operations"),
}

TABLES = {
    "00_both_papers": (),
    "01_dynamics": (),
    "02_mdn_generation": ("mdn_table1", "mdn_table2"),
    "03_transfer": ("mdn_table3", "mdn_table4"),
    "04_plif_ablation": (
        "plif_table1",
        "plif_table2",
        "plif_table3",
        "plif_table4",
        "plif_tableS1",
        "plif_tableS2",
        "plif_ladder_effects",
        "plif_ladder_whole_effects",
    ),
    "05_pooling": ("plif_table5",),
    "06_claims": ("claims", "beyond"),
    "07_performance": ("speed", "simulators"),
    "08_time": ("time_bench", "operation_costs"),
}

_UNNUMBERED = {
    "gradient_flow": "Where the gradient goes in one time step",
    "both_papers": "Both papers in plain PyTorch",
    "speed": "Speed side by side",
    "simulators": "One network here and in other simulators",
    "speed_ratios": "Speed: times as fast as the best peer",
    "speed_memory": "Speed: memory against time steps",
    "speed_synapse": "Speed: a synapse against density",
    "plif_encoders": "PLIF paper, supplement 10: PLIF neurons as encoders",
    "phase_portraits": "Beyond the papers: phase portraits",
    "plif_ladder": "Our questions: what small nets show, against their size",
    "plif_ladder_effects": "Our questions: effects against the size of the net",
    "plif_ladder_whole": "Our questions: the same on all samples, up to the paper's own width",
    "plif_ladder_whole_effects": "Our questions: effects against the size of the net, all samples",
    "time_order": "Our questions: what the order of the steps is worth",
    "dynamics_parts": "Our questions: the 2nd-order neuron taken apart, and time constants",
    "robustness": "Our questions: a disturbed time axis",
    "time_bench": "Our questions: both papers' neurons on one bench",
    "operations": "Our questions: accuracy and spikes",
    "operation_costs": "Our questions: operations, sparsity and footprint",
    "explorer": "To touch: both neurons under one current",
    "claims": "Scoreboard: the claims of both papers",
    "claims_main": "Scoreboard: the main claims of both papers",
    "claims_mdn": "Scoreboard: all claims of the MDN paper",
    "claims_plif": "Scoreboard: all claims of the PLIF paper",
    "claims_ours": "Scoreboard: our own questions",
    "beyond": "Beyond the papers: what further steps add",
    "beyond_gains": "Beyond the papers: gains over the faithful runs",
}


def stems(chapter: str) -> tuple[str, ...]:
    """What a chapter makes, its figures first."""
    return FIGURES[chapter] + TABLES[chapter]


def chapter_of(stem: str) -> str:
    """The chapter that makes the artefact `stem`, or "" when the ledger does not list it."""
    return next((chapter for chapter in CHAPTERS if stem in stems(chapter)), "")


def title(stem: str) -> str:
    """A reader's name of an artefact: mdn_fig4 -> "MDN paper, Figure 4"."""
    match = re.fullmatch(r"(mdn|plif)_(fig|table)(\w+)", stem)
    if stem in _UNNUMBERED or not match:
        return _UNNUMBERED.get(stem, stem.replace("_", " ").capitalize())
    paper, kind, number = match.groups()
    return f"{paper.upper()} paper, {'Figure' if kind == 'fig' else 'Table'} {number}"


def find(name: str) -> str:
    """The chapter meant by "03" or "03_transfer".

    Raises ValueError, naming the chapters, when there is none.
    """
    for chapter in CHAPTERS:
        if name in (chapter, chapter[:2]):
            return chapter
    raise ValueError(f"There is no chapter {name!r}: use one of {', '.join(CHAPTERS)} (or the number alone).")
