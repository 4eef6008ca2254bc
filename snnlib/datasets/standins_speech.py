"""Synthesised speech for the two licensed speech corpora: spoken digits, and babble by women and men.

A pulse train and noise pass the resonances of a vocal tract (Fant 1960), which glide from sound to sound.
Tract, pitch, tempo, silence and noise vary from clip to clip, so that neither task is trivial.
"""

import numpy as np

RATE = 8000  # samples per second
HOP = 80  # samples between two settings of the tract: 10 ms
BANDWIDTHS = np.array([90.0, 120.0, 180.0])  # of the resonances in Hz
# Sound -> milliseconds, strength of voice and of breath, the first three resonances of a man in Hz (vowels:
# Peterson and Barney 1952). "-" is the closure before a plosive, whose burst follows.
# fmt: off
SOUNDS = {
    "i": (110, 1.0, 0.02, 270, 2290, 3010), "I": (80, 1.0, 0.02, 390, 1990, 2550),
    "e": (100, 1.0, 0.02, 530, 1840, 2480), "a": (120, 1.0, 0.02, 730, 1090, 2440),
    "A": (100, 1.0, 0.02, 640, 1190, 2390), "o": (120, 1.0, 0.02, 570, 840, 2410),
    "u": (120, 1.0, 0.02, 300, 870, 2240), "r": (80, 0.8, 0.02, 420, 1300, 1600),
    "w": (70, 0.7, 0.02, 300, 610, 2200), "n": (80, 0.4, 0.01, 280, 1700, 2600),
    "v": (60, 0.3, 0.10, 300, 1400, 2700), "z": (80, 0.2, 0.25, 300, 3300, 3800),
    "s": (110, 0.0, 0.40, 2900, 3300, 3800), "f": (90, 0.0, 0.15, 1200, 2300, 3500),
    "T": (90, 0.0, 0.10, 1500, 2700, 3400), "t": (30, 0.0, 0.40, 2500, 3200, 3800),
    "k": (40, 0.0, 0.30, 1500, 2000, 2600), "-": (50, 0.0, 0.00, 500, 1500, 2500),
}
# fmt: on
DIGITS = "ziro wAn -tu Tri fo faiv sI-ks seven eI-t nain".split()
SYLLABLES = "na vi zu ro se -ta -ki fu wo Ti re sA".split()


def digits(speakers: int = 24, repetitions: int = 10, seed: int = 3):
    """``rate, clips, labels, speakers``: each speaker says every digit ``repetitions`` times; clips are
    float32 arrays."""
    rng = np.random.default_rng(seed)
    voices = [_voice(rng, speaker % 2) for speaker in range(speakers)]
    rows = [(digit, s) for s in range(speakers) for digit in range(10) for _ in range(repetitions)]
    clips = [_say(DIGITS[digit], *voices[s], rng) for digit, s in rows]
    # Silence of random length around the word shifts it within the 30 frames.
    clips = [_noisy(np.pad(clip, rng.integers(0, len(clip) // 2, 2)), rng) for clip in clips]
    return RATE, clips, *map(list, zip(*rows, strict=True))


def genders(speakers: int = 24, sentences: int = 20, seed: int = 4):
    """``rate, clips, labels (0 woman, 1 man), speakers``: random syllables, half of the speakers women."""
    rng = np.random.default_rng(seed)
    voices = [_voice(rng, speaker % 2) for speaker in range(speakers)]
    rows = [(s % 2, s) for s in range(speakers) for _ in range(sentences)]
    texts = ["".join(rng.choice(SYLLABLES, rng.integers(8, 14))) for _ in rows]
    clips = [_noisy(_say(text, *voices[s], rng), rng) for text, (_, s) in zip(texts, rows, strict=True)]
    return RATE, clips, *map(list, zip(*rows, strict=True))


def _voice(rng, man: int) -> tuple[float, float]:
    """Pitch in Hz and stretch of the resonances of a speaker: deep women and high men, long tracts and short
    ones, so that neither tells alone."""
    return rng.normal(125 if man else 200, 25), rng.normal(1.0 if man else 1.16, 0.05)


def _say(sounds: str, pitch: float, tract: float, rng) -> np.ndarray:
    """Samples of a row of SOUNDS, each time a little different in tempo, melody and articulation."""
    from scipy.signal import istft, stft

    table = np.array([SOUNDS[sound] for sound in sounds]) * rng.normal(1, 0.06, (len(sounds), 6))
    frames = np.maximum(table[:, 0] * rng.uniform(0.75, 1.35) / 1000 * RATE / HOP, 2).astype(int)
    middles, frame = np.cumsum(frames) - frames / 2, np.arange(frames.sum())
    voice, breath, *resonances = (np.interp(frame, middles, column) for column in table[:, 1:].T)
    samples = np.arange(len(frame) * HOP)
    melody = pitch * (1 + rng.uniform(-0.15, 0.15) * np.linspace(1, -1, len(samples)))
    turns = np.cumsum(melody) / RATE
    pulses = np.diff(np.floor(turns), prepend=0) * 6
    excitation = pulses * np.interp(samples / HOP, frame, voice)
    excitation += rng.standard_normal(len(samples)) * np.interp(samples / HOP, frame, breath)
    frequency, _, spectrum = stft(excitation, RATE, nperseg=2 * HOP, nfft=4 * HOP)
    centre = tract * np.stack(resonances)[:, None, np.minimum(np.arange(spectrum.shape[1]), len(frame) - 1)]
    away = (frequency[:, None] - centre) / BANDWIDTHS[:, None, None]
    tilt = 1 / (1 + frequency[:, None] / 1500)
    gains = (1 / np.sqrt(1 + away**2) * np.array([1.0, 0.6, 0.35])[:, None, None]).sum(0) * tilt
    return istft(spectrum * gains, RATE, nperseg=2 * HOP, nfft=4 * HOP)[1]


def _noisy(clip: np.ndarray, rng) -> np.ndarray:
    """``clip`` at unit power in pinkish noise that is between 5 dB stronger and 15 dB weaker."""
    clip = clip / max(np.sqrt((clip**2).mean()), 1e-9)
    noise = rng.standard_normal(len(clip) + 3)
    noise = noise[3:] + noise[2:-1] + noise[1:-2] + noise[:-3]  # a moving sum: less hiss, more rumble
    return (clip + noise / noise.std() * 10 ** (-rng.uniform(-5, 15) / 20)).astype(np.float32)
