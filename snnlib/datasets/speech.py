"""TIDigits and TIMIT (licensed: read from the user's copy) and the open corpora in their place.

Mel bands for spoken digits (MDN, TIDigits), MFCC for the speaker's gender (TIMIT); see ``audio``.
"""

import csv
import dataclasses
import hashlib
import io
import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .. import paths
from . import audio, cache, standins_speech
from .audio import REMEDY, mel_frames, mfcc_steps, read_audio
from .reading import SourceError, absent, content, files_below, reading
from .registry import Entry, Located, Source, Split, register, stand_in

STANDIN = 3  # version of the synthesised speech
FSDD_CONTENT = "99aa5e3a7c82"  # start of cache.files_fingerprint of the 3,000 recordings


@dataclass(frozen=True)
class Clip:
    path: Path
    label: int
    speaker: str
    test: bool = False  # for corpora with a split of their own


@dataclass(frozen=True)
class Corpus:
    """Where it lies, its clips, and in words what is there and was left out."""

    folder: Path
    clips: list[Clip]
    left_out: str = ""


# ---------------------------------------------------------------- corpora under the data root: lists of clips
def _recordings(names: tuple[str, ...], pattern: str, classes: str, layout: str):
    """Finds a corpus in the first of the folders ``names``. ``pattern`` fits the path of a recording below it
    and names its label (a letter of ``classes``), speaker and, if any, what makes it a test clip. SourceError
    where there are none; ``layout`` says what should be there."""

    def find() -> Corpus | None:
        folder = next((paths.DATA / name for name in names if os.path.lexists(paths.DATA / name)), None)
        if folder is None:
            return None
        remedy = "See data/README.md, or remove the folder to do without."
        clips, twice = {}, 0
        for name in files_below(folder, ".wav", layout, remedy):
            if m := re.fullmatch(pattern, name, re.I):
                path = folder / name
                test = bool(m.groupdict().get("test"))
                clip = Clip(path, classes.index(m["label"].lower()), m["speaker"].lower(), test)
                # A converted SA1.WAV.wav beside SA1.WAV is the same sentence; it comes later and is taken.
                sentence = path.parent, re.sub(r"(\.wav)+$", "", path.name.lower())
                twice += sentence in clips
                clips[sentence] = clip
        if not clips:
            return absent(folder, layout, remedy)
        left_out = (
            f"Of {twice:,} recordings a second file lies beside them, which is left out." if twice else ""
        )
        return Corpus(folder, list(clips.values()), left_out)

    return find


_own_tidigits = _recordings(
    ("TIDigits", "TIDIGITS", "tidigits"),
    # "oh" (OA, OB) is an eleventh word, no digit 0-9 of its own
    r"(?:.*?/)??(?P<speaker>(?:[^/]+/)?[^/]+)/(?P<label>[z1-9])[ab](?:\.wav)+",
    "z123456789",
    "isolated digits as SPEAKER/1A.WAV, SPEAKER/ZB.WAV, ... below it",
)
_fsdd = _recordings(
    ("FSDD/recordings",),
    r"(?:.*/)?(?P<label>\d)_(?P<speaker>\w+)_\d+\.wav",
    "0123456789",
    "recordings as 3_jackson_0.wav in it",
)
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
    "dr1-fvmh0/sa1.wav and others below it",
)
GENDERS = {"f": 0, "female": 0, "m": 1, "male": 1}  # as clips.csv may write them, in any case


def _librispeech() -> Corpus | None:
    folder = paths.DATA / "LibriSpeechGender"
    table = folder / "clips.csv"
    remedy = "Copy the corpus again, or remove the folder."
    what = "a table in UTF-8 with the columns file, speaker, gender, subset"
    if not os.path.lexists(table):
        return absent(folder, "the table clips.csv", remedy)
    clips = {}
    with reading(table, what, remedy):
        text = content(table, what, remedy).decode("utf-8-sig")
        rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        if lost := {"file", "speaker", "gender", "subset"} - set(rows.fieldnames or ()):
            raise ValueError(f"it has no column {', '.join(sorted(lost))}")
        for row in rows:
            with reading(f"{table}, line {rows.line_num}", what, remedy):
                file, speaker, gender, subset = (
                    (row[column] or "").strip() for column in ("file", "speaker", "gender", "subset")
                )
                if gender.lower() not in GENDERS:
                    raise ValueError(f"gender {gender!r} is none of {', '.join(GENDERS)}")
                if not (file and speaker and subset):
                    raise ValueError("a cell is empty")
                if file in clips:
                    raise ValueError(f"{file} stands there twice")
            path = folder / "clips" / file
            if not os.path.lexists(path):
                raise SourceError(path, "this file, which clips.csv names", remedy)
            clips[file] = Clip(path, GENDERS[gender.lower()], speaker, subset.startswith("test"))
        if not clips:
            raise ValueError("it has no row")
    return Corpus(folder, list(clips.values()))


# ---------------------------------------------------------------- from clips to splits
def _corpus(find, feature, split, describe, whole: int = 0, rate: int = 0, longest: float = 60.0) -> Source:
    """Source of a corpus under the data root. ``describe(number of clips)`` -> dataset, source, note,
    licence. ``whole``: clips of the whole corpus, ``rate``: its sampling rate, where they are known."""

    def locate(paper, options):
        if (found := find()) is None:
            return None
        folder, clips = found.folder, found.clips
        if whole and len(clips) > whole:
            raise SourceError(
                folder,
                f"at most {whole:,} clips, found {len(clips):,}",
                "Is the corpus there twice? Keep one.",
            )
        parts = split(torch.zeros(len(clips), 1, 1), *_facts(clips), options)
        if not all(len(part.y) for part in parts):
            counts = " and ".join(
                f"{len(p.y)} {name}" for p, name in zip(parts, ("training", "test"), strict=True)
            )
            raise SourceError(folder, f"training and test clips below it, found {counts} clips", REMEDY)
        dataset, source, note, licence = describe(len(clips))
        content = cache.files_fingerprint(
            folder, [c.path.relative_to(folder).as_posix() for c in clips], "a recording", REMEDY
        )
        if find is _fsdd and len(clips) == whole and not content.startswith(FSDD_CONTENT):
            note += " Its content differs from the copy known to this project."
        cache.say_if_fewer(dataset, folder, len(clips), whole if source == "open set" else 0)
        note = f"{note} {found.left_out}".strip()
        facts = [f"{c.path.name} {dataclasses.astuple(c)[1:]}" for c in clips]  # labels and split included
        fingerprint = hashlib.sha256("\n".join([content, *facts]).encode()).hexdigest()
        return Located(dataset, source, note, licence, fingerprint, payload=found)

    def read(located, paper, options):
        clips = located.payload.clips

        def make():
            sounds = [read_audio(c.path, longest) for c in clips]
            usual = rate or Counter(found for _, found in sounds).most_common(1)[0][0]
            for clip, (_, found) in zip(clips, sounds, strict=True):
                if found != usual:
                    raise SourceError(
                        clip.path, f"{usual:,} Hz as in the whole corpus, found {found:,} Hz", REMEDY
                    )
            return {"x": torch.from_numpy(np.stack([feature(*sound) for sound in sounds]))}

        key = {"what": feature.__name__, "version": audio.VERSION, "of": located.fingerprint}
        return split(cache.tensors(key, make)["x"], *_facts(clips), options)

    return Source(locate, read)


def _facts(clips: list[Clip]) -> tuple[Tensor, list[str], Tensor]:
    """Labels, speakers, and which clips are for testing."""
    labels, speakers, test = zip(*((c.label, c.speaker, c.test) for c in clips), strict=True)
    return torch.tensor(labels), list(speakers), torch.tensor(test)


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
DIGIT = 5.0  # seconds; no isolated digit takes longer
_DIGIT_SOURCES = (
    _corpus(
        _own_tidigits,
        mel_frames,
        _split_digits,
        _licensed("TIDigits", 6520, _LDC % "LDC93S10"),
        whole=6520,
        longest=DIGIT,
    ),
    _corpus(_fsdd, mel_frames, _split_digits, _describe_fsdd, whole=3000, rate=8000, longest=DIGIT),
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
    _corpus(_own_timit, mfcc_steps, _split_given, _licensed("TIMIT", 6300, _LDC % "LDC93S1"), whole=6300),
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
