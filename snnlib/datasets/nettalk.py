"""NETtalk: seven letters in, the sound of the middle one out, as 26 articulatory and stress features (MDN).

The authors' own windows when their file is there; else windows of the NETtalk dictionary; else of invented
words.
"""

import hashlib
import io
import os
import re
from pathlib import Path

import torch
from torch import Tensor

from .. import paths
from . import cache, standins_nettalk
from .reading import SourceError, absent, content, fetch_again, reading, unaltered
from .registry import Entry, Located, Source, Split, register, stand_in

WINDOWS, TEST = 5533, 500
ENTRIES = 20_008
DICTIONARY = f"the {ENTRIES:,} entries of the NETtalk dictionary"
COMMON = "a list of common English words"
AUTHORS = "the authors' file"
COPY_AGAIN = "Copy it again (data/README.md), or remove it."
AUTHORS_SHA256 = "5819ff5f98de082440432414dcbd1ee4efe07959d258eb79a2b7e5b41acb828c"
SYMBOLS = "abcdefghijklmnopqrstuvwxyz_"  # "_": no letter, beyond the ends of the word

# The 26 target bits in the order of the authors' file. Place of consonants and of vowels share the first six.
FEATURES = (
    "labial=front1 dental=front2 alveolar=central1 palatal=central2 velar=back1 glottal=back2 stop nasal "
    "fricative affricative glide liquid voiced tensed high medium low silent elide pause full-stop < > 0 1 2"
).split()

# fmt: off
# Articulatory code of Sejnowski and Rosenberg (1987), appendix A; /J/ is velar and nasal there. "+" came
# later, as in "abattoir": a glide and a low vowel.
PHONEMES = {
    "a": "low tensed central2", "b": "voiced labial stop", "c": "medium back1", "d": "voiced alveolar stop",
    "e": "medium tensed front2", "f": "labial fricative", "g": "voiced velar stop", "h": "glottal glide",
    "i": "high tensed front1", "k": "velar stop", "l": "voiced dental liquid", "m": "voiced labial nasal",
    "n": "voiced alveolar nasal", "o": "medium tensed back2", "p": "labial stop",
    "r": "voiced palatal liquid", "s": "alveolar fricative", "t": "alveolar stop", "u": "high tensed back2",
    "v": "voiced labial fricative", "w": "voiced labial glide", "x": "medium central2",
    "y": "voiced palatal glide", "z": "voiced alveolar fricative", "A": "medium tensed front2 central1",
    "C": "palatal affricative", "D": "voiced dental fricative", "E": "medium front1 front2",
    "G": "voiced velar nasal", "I": "high front1", "J": "voiced velar nasal",
    "K": "palatal velar fricative affricative", "L": "voiced alveolar liquid", "M": "voiced dental nasal",
    "N": "voiced palatal nasal", "O": "medium tensed central1 central2",
    "Q": "voiced labial velar affricative stop", "R": "voiced velar liquid", "S": "palatal fricative",
    "T": "dental fricative", "U": "high back1", "W": "high medium tensed central2 back1",
    "X": "affricative front2 central1", "Y": "high tensed front1 front2 central1",
    "Z": "voiced palatal fricative", "@": "low front2", "!": "labial dental affricative",
    "#": "voiced palatal velar affricative", "*": "voiced glide front1 low central1",
    ":": "high front1 front2", "^": "low central1", "-": "silent elide", "+": "voiced glide low central2",
}
# fmt: on
_COLUMN = {word: i for i, names in enumerate(FEATURES) for word in names.split("=")}


def code(phoneme: str, stress: str) -> list[int]:
    """Columns that are 1 for a phoneme with its stress (0, 1, 2) or syllable boundary (<, >)."""
    return [_COLUMN[word] for word in (*PHONEMES[phoneme].split(), stress)]


def windows(words: list[tuple[str, str, str]]) -> tuple[Tensor, Tensor]:
    """One-hot windows ``[N, 189]`` and targets ``[N, 26]``, both uint8, of all letters of (letters,
    phonemes, stresses)."""
    letters = [list(map(SYMBOLS.index, f"___{word}___")) for word, _, _ in words]
    rows = torch.tensor([indices[i : i + 7] for indices in letters for i in range(len(indices) - 6)])
    targets = torch.zeros(len(rows), 26, dtype=torch.uint8)
    for row, (phoneme, stress) in enumerate(pair for _, p, s in words for pair in zip(p, s, strict=True)):
        targets[row, code(phoneme, stress)] = 1
    return torch.nn.functional.one_hot(rows, 27).flatten(1).to(torch.uint8), targets


def read_dictionary(file: Path) -> list[tuple[str, str, str]]:
    """(letters, phonemes, stresses) of every row of ``nettalk.data``; lines before the first entry are its
    header."""
    words = []
    text = content(file, DICTIONARY, fetch_again("nettalk")).decode("latin1")
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.strip().split("\t")
        sound = (
            len(fields) >= 3
            and re.fullmatch("[a-z]+", fields[0])
            and len(fields[0]) == len(fields[1]) == len(fields[2])
            and set(fields[1]) <= PHONEMES.keys()
            and set(fields[2]) <= set("<>012")
        )
        if sound:
            words.append(tuple(fields[:3]))
        elif words and line.strip():
            raise SourceError(
                f"{file}, line {number}",
                "word, phonemes and stresses of equal length, separated by tabs",
                fetch_again("nettalk"),
            )
    if sum(len(word) for word, _, _ in words) < 2 * TEST:
        raise SourceError(file, f"{DICTIONARY}, found {len(words)}", fetch_again("nettalk"))
    return words


def common_words(file: Path, words: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """The entries, one a word, of those ``words`` that ``nettalk.list`` names, in its order."""
    remedy = "Fetch it again, or remove it."
    text = content(file, COMMON, remedy).decode("latin1").lower()
    rows = {}
    for row in words:
        rows.setdefault(row[0], row)
    named = dict.fromkeys(re.findall("[a-z]+", text))
    found = [rows[word] for word in named if word in rows]
    with reading(file, COMMON, remedy):
        if re.search("<[a-z!]", text) or 2 * len(found) < len(named):
            raise ValueError(f"of its {len(named):,} words the dictionary knows {len(found):,}")
        if sum(len(word) for word, _, _ in found) < 2 * TEST:
            raise ValueError(f"its {len(found):,} words are too few for {TEST} test windows")
    return found


# ---------------------------------------------------------------- sources
def _locate_authors(paper, options):
    file = paths.DATA / "NETtalk" / "nettalk_small.mat"
    if not os.path.lexists(file):
        return None
    digest = cache.file_digest(file, AUTHORS, COPY_AGAIN)
    unaltered(file, digest, AUTHORS_SHA256, AUTHORS, COPY_AGAIN)
    return Located(
        "NETtalk",
        "official",
        "The MDN authors' own 5,533 windows and split; the split is by window, so that some "
        "test windows also occur in training.",
        "Apache-2.0 (the authors' repository)",
        digest,
        payload=file,
    )


def _read_authors(located, paper, options):
    from scipy.io import loadmat

    data = content(located.payload, AUTHORS, COPY_AGAIN)
    unaltered(located.payload, hashlib.sha256(data).hexdigest(), AUTHORS_SHA256, AUTHORS, COPY_AGAIN)
    stored = loadmat(io.BytesIO(data))
    parts = (torch.from_numpy(stored[name]) for name in ("train_x", "train_y", "test_x", "test_y"))
    return _finish(*parts, options)


def _locate_dictionary(paper, options):
    file, common = (paths.DATA / "NETtalk" / name for name in ("nettalk.data", "nettalk.list"))
    remedy = fetch_again("nettalk")
    if not os.path.lexists(file):
        return absent(file.parent, "nettalk_small.mat or nettalk.data in it", remedy)
    common = common if os.path.lexists(common) else None
    fingerprint = cache.file_digest(file, DICTIONARY, remedy)
    fingerprint += cache.file_digest(common, COMMON, remedy) if common else ""
    # Read once, so that damage is said before anything is trained, and remembered.
    entries = int(
        cache.file_digest(file, DICTIONARY, remedy, "entries", lambda: str(len(read_dictionary(file))))
    )
    cache.say_if_fewer("NETtalk dictionary", file, entries)
    chosen = "the common words in nettalk.list" if common else "words drawn from the dictionary (fixed seed)"
    return Located(
        "NETtalk dictionary",
        "part",
        f"5,533 windows of {chosen}, coded with the 1987 articulatory features; not the authors' selection.",
        "non-commercial research use (T. J. Sejnowski, 1988)",
        hashlib.sha256(fingerprint.encode()).hexdigest(),
        payload=(file, common),
    )


def _read_dictionary(located, paper, options):
    file, common = located.payload
    words = read_dictionary(file)
    if common:
        words = common_words(common, words)
    else:
        order = torch.randperm(len(words), generator=torch.Generator().manual_seed(0)).tolist()
        words = [words[i] for i in order]
    return _split_windows(*windows(words[:WINDOWS]), options)  # every word has at least one window


def _split_windows(x: Tensor, y: Tensor, options):
    """500 windows at random (fixed seed) are the test set, as in the paper."""
    x, y = x[:WINDOWS], y[:WINDOWS]
    test = torch.zeros(len(x), dtype=torch.bool)
    test[torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[:TEST]] = True
    return _finish(x[~test], y[~test], x[test], y[test], options)


def _finish(train_x, train_y, test_x, test_y, options):
    if options["scored"] == "first_of_five":  # what the authors' test loop looks at, in batches of five
        test_x, test_y = test_x[::5], test_y[::5]
    if options["leak_free"]:
        seen = {bytes(row) for row in train_x.numpy()}
        new = torch.tensor([bytes(row) not in seen for row in test_x.numpy()])
        test_x, test_y = test_x[new], test_y[new]
    return Split(train_x.contiguous(), train_y.float()), Split(test_x.contiguous(), test_y.float())


def _view(paper, options):
    return dict(time_steps=20, input_shape=(189,), classes=26, encoding="direct")


register(
    Entry(
        "nettalk",
        "NETtalk",
        ("mdn",),
        (
            Source(_locate_authors, _read_authors),
            Source(_locate_dictionary, _read_dictionary),
            stand_in(
                "Invented words read by spelling rules, stand-in for NETtalk",
                "5,533 windows of invented words, sounded out by rules of English spelling; NETtalk's code.",
                "MIT (this project)",
                f"nettalk {standins_nettalk.VERSION}",
                lambda: dict(zip("xy", windows(standins_nettalk.words(WINDOWS)), strict=True)),
                lambda t, options: _split_windows(t["x"], t["y"], options),
            ),
        ),
        _view,
        {"leak_free": (False, True), "scored": ("all", "first_of_five")},
    )
)
