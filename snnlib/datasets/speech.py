"""TIDigits and TIMIT (licensed: read from the user's copy) and the open corpora in their place.

Mel bands for spoken digits (MDN, TIDigits), MFCC for the speaker's gender (TIMIT); see ``audio``.
"""

import csv
import dataclasses
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .. import paths
from . import audio, cache, standins_speech
from .audio import mel_frames, mfcc_steps, read_audio
from .registry import Entry, Located, Source, SourceError, Split, register, stand_in

STANDIN = 3  # version of the synthesised speech


@dataclass(frozen=True)
class Clip:
    path: Path
    label: int
    speaker: str
    test: bool = False  # for corpora with a split of their own


# ---------------------------------------------------------------- corpora under the data root: lists of clips
def _recordings(names: tuple[str, ...], pattern: str, classes: str, layout: str = ""):
    """Finds a corpus in the first of the folders ``names``. ``pattern`` fits the path of a recording below it
    and names its label (a letter of ``classes``), speaker and, if any, what makes it a test clip. SourceError
    where there are none, if ``layout`` says what should be there."""

    def find() -> tuple[Path, list[Clip]] | None:
        folder = next((paths.DATA / name for name in names if (paths.DATA / name).is_dir()), None)
        if folder is None:
            return None
        waves = sorted(p for p in folder.rglob("*") if p.suffix.lower() == ".wav")
        fits = [(p, re.fullmatch(pattern, p.relative_to(folder).as_posix(), re.I)) for p in waves]
        clips = [
            Clip(p, classes.index(m["label"].lower()), m["speaker"].lower(), bool(m.groupdict().get("test")))
            for p, m in fits
            if m
        ]
        if layout and not clips:
            raise SourceError(folder, layout, "See data/README.md, or remove the folder to use an open set.")
        return (folder, clips) if clips else None

    return find


_own_tidigits = _recordings(
    ("TIDigits", "TIDIGITS", "tidigits"),
    # "oh" (OA, OB) is an eleventh word, no digit 0-9 of its own
    r"(?:.*?/)??(?P<speaker>(?:[^/]+/)?[^/]+)/(?P<label>[z1-9])[ab]\.wav",
    "z123456789",
    "isolated digits as SPEAKER/1A.WAV, SPEAKER/ZB.WAV, ... below it",
)
_fsdd = _recordings(("FSDD/recordings",), r"(?:.*/)?(?P<label>\d)_(?P<speaker>\w+)_\d+\.wav", "0123456789")
_own_timit = _recordings(
    ("TIMIT", "timit"),
    r"(?:.*/)?(?:train|(?P<test>test))/dr[1-8]/(?P<speaker>(?P<label>[fm])[a-z]{3}\d)/[^/]+",
    "fm",
    "TRAIN|TEST/DR1..DR8/SPEAKER/*.WAV below it",
)
_nltk_timit = _recordings(
    ("nltk_data/corpora/timit",),
    r"(?:.*/)?(?P<speaker>dr(?:[1-6]|(?P<test>[78]))-(?P<label>[fm])\w+)/[^/]+",
    "fm",
)


def _librispeech() -> tuple[Path, list[Clip]] | None:
    folder = paths.DATA / "LibriSpeechGender"
    table = folder / "clips.csv"
    if not table.exists():
        return None
    remedy = "Copy the corpus again, or remove the folder."
    with open(table, newline="") as f:
        rows = list(csv.DictReader(f))
    if not rows or not {"file", "speaker", "gender", "subset"} <= rows[0].keys():
        raise SourceError(table, "columns file, speaker, gender, subset and at least one row", remedy)
    clips = [
        Clip(
            folder / "clips" / r["file"],
            int(r["gender"] == "M"),
            r["speaker"],
            r["subset"].startswith("test"),
        )
        for r in rows
    ]
    missing = next((c.path for c in clips if not c.path.exists()), None)
    if missing:
        raise SourceError(missing, "this file, which clips.csv names", remedy)
    return folder, clips


# ---------------------------------------------------------------- from clips to splits
def _corpus(find, feature, split, describe) -> Source:
    """Source of a corpus under the data root. ``describe(number of clips)`` -> dataset, source, note,
    licence."""

    def locate(paper, options):
        found = find()
        if found is None:
            return None
        folder, clips = found
        return Located(*describe(len(clips)), _fingerprint(folder, clips), payload=clips)

    def read(located, paper, options):
        def make():
            rows = np.stack([feature(*read_audio(c.path)) for c in located.payload])
            return {"x": torch.from_numpy(rows)}

        key = {"what": feature.__name__, "version": audio.VERSION, "of": located.fingerprint}
        x = cache.tensors(key, make)["x"]
        clips = located.payload
        return split(
            x,
            torch.tensor([c.label for c in clips]),
            [c.speaker for c in clips],
            torch.tensor([c.test for c in clips]),
            options,
        )

    return Source(locate, read)


def _fingerprint(folder: Path, clips: list[Clip]) -> str:
    """Of the recordings and of what is known about each, labels and split included."""
    facts = [f"{c.path.name} {dataclasses.astuple(c)[1:]}" for c in clips]
    content = cache.files_fingerprint(folder, [c.path for c in clips])
    return hashlib.sha256("\n".join([content, *facts]).encode()).hexdigest()


def _synthesised(make_speech, feature, split, dataset: str, note: str) -> Source:
    def make():
        rate, clips, labels, speakers = make_speech()
        return {
            "x": torch.from_numpy(np.stack([feature(c, rate) for c in clips])),
            "y": torch.tensor(labels),
            "speaker": torch.tensor(speakers),
        }

    def split_speakers(t, options):
        test = t["speaker"] >= 0.75 * (t["speaker"].max() + 1)
        return split(t["x"], t["y"], t["speaker"].tolist(), test, options)

    identity = f"{make_speech.__name__} {STANDIN} {audio.VERSION}"
    return stand_in(dataset, note, "MIT (this project)", identity, make, split_speakers)


def _split_digits(x: Tensor, y: Tensor, speakers: list, _, options) -> tuple[Split, Split]:
    """70 % for training: of all clips at random (MDN), or of the speakers. The same split for every seed of
    a run."""
    generator = torch.Generator().manual_seed(0)
    if options["split"] == "speaker":
        names = sorted(set(speakers))
        order = torch.randperm(len(names), generator=generator).tolist()
        held_out = {names[i] for i in order[: max(1, round(0.3 * len(names)))]}
        test = torch.tensor([s in held_out for s in speakers])
    else:
        test = torch.zeros(len(y), dtype=torch.bool)
        test[torch.randperm(len(y), generator=generator)[round(0.7 * len(y)) :]] = True
    if options["form"] == "spectrogram":
        x = x.flatten(1)
    elif options["time_axis"] == "band":
        x = x.transpose(1, 2).contiguous()
    return Split(x[~test], y[~test]), Split(x[test], y[test])


def _split_given(x: Tensor, y: Tensor, speakers: list, test: Tensor, options) -> tuple[Split, Split]:
    return Split(x[~test], y[~test]), Split(x[test], y[test])


def _view_digits(paper, options):
    if options["form"] == "spectrogram":
        return dict(time_steps=30, input_shape=(900,), classes=10, encoding="direct")
    return dict(time_steps=30, input_shape=(30,), classes=10, encoding="sequence")


def _view_gender(paper, options):
    return dict(time_steps=20, input_shape=(520,), classes=2, encoding="sequence", normalise_batch=True)


def _licensed(title: str, full: int, licence: str):
    """The user's own copy has no public checksum; its number of clips says whether it is whole."""

    def describe(count: int):
        if count == full:
            note = f"The user's licensed copy, all {full:,} clips; no public checksum exists."
            return title, "official", note, licence
        return title, "part", f"{count:,} clips of the user's licensed copy; the whole has {full:,}.", licence

    return describe


def _describe_fsdd(count: int):
    note = f"{count:,} of 3,000 recordings, 8 kHz, six male speakers; TIDigits itself is licensed."
    return "Free Spoken Digit Dataset, in place of TIDigits", "open set", note, "CC BY-SA 4.0"


def _describe_librispeech(count: int):
    note = f"{count:,} clips of at most 3 s, so most of the 800 frames are padding; TIMIT itself is licensed."
    return "LibriSpeech excerpts with speaker gender, in place of TIMIT", "open set", note, "CC BY 4.0"


def _describe_nltk(count: int):
    note = f"{count:,} of 6,300 sentences; the speakers of dialect regions 7 and 8 are the test set."
    return "TIMIT corpus sample (NLTK)", "part", note, "CC BY-NC-SA (Linguistic Data Consortium)"


_LDC = "LDC User Agreement (%s)"
_DIGIT_SOURCES = (
    _corpus(_own_tidigits, mel_frames, _split_digits, _licensed("TIDigits", 6520, _LDC % "LDC93S10")),
    _corpus(_fsdd, mel_frames, _split_digits, _describe_fsdd),
    _synthesised(
        standins_speech.digits,
        mel_frames,
        _split_digits,
        "Synthesised digits (formants), stand-in for TIDigits",
        "2,400 words by 24 synthetic voices with varied pitch, tempo, silence and noise.",
    ),
)
_DIGIT_OPTIONS = {
    "time_axis": ("time", "band"),  # the axis that becomes the 30 steps; the authors' code steps over bands
    "split": ("random", "speaker"),
    "form": ("sequence", "spectrogram"),  # all 900 values at every step (MDN Table 4, "non-sequential")
}
register(Entry("tidigits", "TIDigits", ("mdn",), _DIGIT_SOURCES, _view_digits, _DIGIT_OPTIONS, audio.VERSION))

_GENDER_SOURCES = (
    _corpus(_own_timit, mfcc_steps, _split_given, _licensed("TIMIT", 6300, _LDC % "LDC93S1")),
    _corpus(_librispeech, mfcc_steps, _split_given, _describe_librispeech),
    _corpus(_nltk_timit, mfcc_steps, _split_given, _describe_nltk),
    _synthesised(
        standins_speech.genders,
        mfcc_steps,
        _split_given,
        "Synthesised babble (formants), stand-in for TIMIT",
        "480 strings of random syllables by 24 synthetic voices, a quarter of the voices held out.",
    ),
)
register(Entry("timit", "TIMIT", ("mdn",), _GENDER_SOURCES, _view_gender, version=audio.VERSION))
