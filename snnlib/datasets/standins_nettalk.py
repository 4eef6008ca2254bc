"""NETtalk-like rows: invented words, sounded out by rules of English spelling.

As in NETtalk each letter gets one sound or silence, and the letters around it decide which.
"""

import re

import numpy as np

VERSION = 2
ONSETS = "b bl br c ch cl cr d dr f fl g gr h j k kn l m n p ph pl qu r s sc sh st t th tr v w wh wr".split()
NUCLEI = "a a a ai au e e e ea ee i i i o o o oa oo ou oy u u".split()
CODAS = ["", "", *"ck d g ght l ll m n ng nk p r r s ss st t t th x".split()]

# What a spelling sounds like, in the letters of NETtalk; the first rule that fits here is the one.
# fmt: off
_E = "(?=[bcdfgklmnprstv]e$)"  # before one consonant and a silent e, as in "bake"
RULES = [(re.compile(pattern), sounds) for pattern, sounds in (
    ("^kn", "-n"), ("^wr", "-r"), ("wh", "w-"), ("ght", "--t"), ("(?<=[aeiou].)e$|(?<=[aeiou]..)e$", "-"),
    ("ch", "C-"), ("sh", "S-"), ("th", "T-"), ("ph", "f-"), ("ck", "k-"), ("ng$", "G-"), ("n(?=k)", "G"),
    ("qu", "kw"), ("ll", "l-"), ("ss", "s-"), ("x", "X"), ("c(?=[ei])", "s"), ("c", "k"), ("g(?=[ei])", "J"),
    ("(?<=[aeiou])s(?=[aeiou])", "z"), ("j", "J"),
    ("ai", "e-"), ("au", "c-"), ("ea(?=d|th)", "E-"), ("e[ae]", "i-"), ("oa", "o-"), ("oo(?=k)", "U-"),
    ("oo", "u-"), ("ou(?=gh)", "c-"), ("ou", "W-"), ("oy", "O-"),
    (f"a{_E}", "e"), (f"e{_E}", "i"), (f"i{_E}|i(?=ght)", "A"), (f"o{_E}", "o"), (f"u{_E}", "Y"),
    ("[eiu](?=r)", "R"), ("a(?=r)", "a"), ("o(?=r)", "c"),
    ("a", "@"), ("e", "E"), ("i", "I"), ("o", "a"), ("u", "^"), ("[bdfghklmnprstvwz]", ""),
)]
# fmt: on
VOWELS = "aceioxuAEIOUWYR@^"


def words(letters: int, seed: int = 5) -> list[tuple[str, str, str]]:
    """(letters, phonemes, stresses) of different random words with at least ``letters`` letters together, in
    NETtalk's symbols."""
    rng = np.random.default_rng(seed)
    found = {}
    while sum(map(len, found)) < letters:
        syllables = rng.integers(1, 4)
        word = "".join(rng.choice(part) for _ in range(syllables) for part in (ONSETS, NUCLEI, CODAS))
        word += "e" * (rng.random() < 0.4)
        sounds = pronounced(word)
        found[word] = (word, sounds, _stresses(sounds))
    return list(found.values())


def pronounced(word: str) -> str:
    """A phoneme for each letter, "-" where it is silent. Short vowels after the first are weak ("x")."""
    sounds, spoken = "", False
    while len(sounds) < len(word):
        here = len(sounds)
        match, new = next((m, s) for rule, s in RULES if (m := rule.match(word, here)))
        new = new or match[0]
        if new[0] in VOWELS:
            new = "x" + new[1:] if spoken and new[0] in "@Ea^" else new
            spoken = True
        sounds += new
    return sounds


def _stresses(sounds: str) -> str:
    """The first vowel has the stress. Other letters point to the vowel of their syllable: ">" if it comes
    next, "<" back; of several between two vowels the last points forward."""
    vowels = [i for i, sound in enumerate(sounds) if sound in VOWELS]
    marks = ["<" if i > vowels[0] and i + 1 not in vowels else ">" for i in range(len(sounds))]
    for i in vowels:
        marks[i] = "1" if i == vowels[0] else "0"
    return "".join(marks)
