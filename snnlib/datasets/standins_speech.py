"""Synthesised speech for the two licensed speech corpora: spoken digits, and sentences by women and men.

Voices, accents, pitch, speed, silence and noise vary from clip to clip, so that neither task is trivial.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np

DIGITS = "zero one two three four five six seven eight nine".split()
WORDS = (
    "the a boat moves over calm water under old stone bridge while children play with small dogs near "
    "green garden wall and my sister reads long letters from distant friends about winter storms which "
    "broke seven windows every morning he walks slowly across empty fields to buy fresh bread she never "
    "asked for more sugar"
).split()
ACCENTS = "en en-us en-gb-scotland en-gb-x-rp en-gb-x-gbclan en-gb-x-gbcwmd en-029".split()
# Voices with breath noise (f2, f3, f5, Alicia, victor) differ from process to process: left out.
WOMEN = "f1 f4 Andrea Annie anika aunty belinda grandma linda steph steph2 steph3".split()
MEN = "m1 m2 m3 m4 m5 m6 m7 m8 Andy Denis Lee Michael".split()


def digits(speakers: int = 24, repetitions: int = 10, seed: int = 3):
    """``rate, clips, labels, speakers``: each speaker says every digit ``repetitions`` times; clips are
    float32 arrays."""
    rng = np.random.default_rng(seed)
    voices = _voices(rng, speakers)
    rows = [(digit, s) for s in range(speakers) for digit in range(10) for _ in range(repetitions)]
    jobs = []
    for digit, s in rows:
        voice, _, pitch, speed = voices[s]
        jobs.append(
            [
                DIGITS[digit],
                voice,
                int(pitch + rng.integers(-12, 13)),
                int(speed * rng.uniform(0.75, 1.35)),
                int(rng.integers(20, 80)),
            ]
        )
    rate, clips = _say(jobs)
    # Silence of random length around the word shifts it within the 30 frames; noise hides the weak
    # consonants.
    clips = [
        _noisy(np.pad(c, rng.integers(0, len(c) // 2, 2)), rng, decibels=rng.uniform(-5, 15)) for c in clips
    ]
    return rate, clips, [digit for digit, _ in rows], [s for _, s in rows]


def genders(speakers: int = 24, sentences: int = 20, seed: int = 4):
    """``rate, clips, labels (0 woman, 1 man), speakers``: random sentences, half of the speakers women."""
    rng = np.random.default_rng(seed)
    voices = _voices(rng, speakers)
    jobs, rows = [], []
    for s, (voice, man, pitch, speed) in enumerate(voices):
        for _ in range(sentences):
            text = " ".join(rng.choice(WORDS, rng.integers(5, 10)))
            jobs.append(
                [text, voice, int(pitch + rng.integers(-10, 11)), int(speed * rng.uniform(0.85, 1.2)), 50]
            )
            rows.append((man, s))
    rate, clips = _say(jobs)
    return (
        rate,
        [_noisy(c, rng, decibels=rng.uniform(-5, 15)) for c in clips],
        *map(list, zip(*rows, strict=True)),
    )


def _voices(rng, count: int) -> list[tuple]:
    """(eSpeak voice, 1 for a man, pitch, words per minute) of ``count`` speakers, women and men in turn."""
    kinds = [rng.permutation(WOMEN), rng.permutation(MEN)]
    voices = []
    for s in range(count):
        names = kinds[s % 2]
        accent = ACCENTS[(s // 2 + s // (2 * len(names))) % len(ACCENTS)]
        # Deep women and high men: pitch alone does not tell.
        pitch = rng.integers(15, 60) if s % 2 == 0 else rng.integers(40, 85)
        voices.append(
            (f"{accent}+{names[(s // 2) % len(names)]}", s % 2, int(pitch), int(rng.integers(130, 210)))
        )
    return voices


def _noisy(clip: np.ndarray, rng, decibels: float) -> np.ndarray:
    """``clip`` at unit power with pinkish noise ``decibels`` below it."""
    clip = clip / max(np.sqrt((clip**2).mean()), 1e-9)
    noise = rng.standard_normal(len(clip) + 3)
    noise = noise[3:] + noise[2:-1] + noise[1:-2] + noise[:-3]  # a moving sum: less hiss, more rumble
    return (clip + noise / noise.std() * 10 ** (-decibels / 20)).astype(np.float32)


def _say(jobs: list) -> tuple[int, list[np.ndarray]]:
    if find_spec("espeakng_loader") is None:
        raise ImportError(
            "The speech stand-ins are synthesised by the package espeakng-loader: pip install "
            "espeakng-loader, or put the open corpora under the data root (data/README.md)."
        )
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "speech.npz"
        done = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("espeak.py")), str(out)],
            input=json.dumps(jobs),
            text=True,
            capture_output=True,
        )
        if done.returncode:
            raise RuntimeError(
                f"eSpeak NG failed: {(done.stderr.strip().splitlines() or ['no message'])[-1]}"
            )
        with np.load(out) as stored:
            samples = stored["samples"].astype(np.float32) / 32768
            return int(stored["rate"]), np.split(samples, np.cumsum(stored["lengths"])[:-1])
