"""Say texts with eSpeak NG and store the samples: ``python espeak.py OUT.npz < jobs.json``.

Run as a program of its own, never imported: the synthesiser draws from the C library's random numbers, so
only a fresh process that says the same texts in the same order gives the same samples. (It also keeps a
GPL-3.0 library out of this MIT project's process.) Jobs: a list of [text, voice, pitch 0-100, words per
minute, pitch range 0-100].
"""

import ctypes
import json
import sys

PCM_WITHOUT_PLAYBACK, DONT_EXIT = 2, 0x8000
RATE, PITCH, RANGE = 1, 3, 4
UTF8, POS_CHARACTER = 1, 1


def say_all(jobs):
    import espeakng_loader
    import numpy as np

    lib = ctypes.CDLL(espeakng_loader.get_library_path())
    rate = lib.espeak_Initialize(PCM_WITHOUT_PLAYBACK, 0, espeakng_loader.get_data_path().encode(), DONT_EXIT)
    if rate <= 0:
        raise RuntimeError("eSpeak NG cannot read its voices; reinstall the package espeakng-loader.")
    pieces = []

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
    def collect(samples, count, events):
        if samples and count > 0:
            pieces.append(np.ctypeslib.as_array(samples, shape=(count,)).copy())
        return 0

    lib.espeak_SetSynthCallback(collect)
    clips = []
    for text, voice, pitch, speed, spread in jobs:
        if lib.espeak_SetVoiceByName(voice.encode()) != 0:
            raise RuntimeError(f"eSpeak NG has no voice {voice!r}; reinstall the package espeakng-loader.")
        for parameter, value in ((RATE, speed), (PITCH, pitch), (RANGE, spread)):
            lib.espeak_SetParameter(parameter, int(value), 0)
        pieces.clear()
        data = text.encode()
        lib.espeak_Synth(data, len(data) + 1, 0, POS_CHARACTER, 0, UTF8, None, None)
        lib.espeak_Synchronize()
        clips.append(np.concatenate(pieces))
    return rate, clips


if __name__ == "__main__":
    import numpy as np

    rate, clips = say_all(json.load(sys.stdin))
    np.savez(sys.argv[1], rate=rate, samples=np.concatenate(clips), lengths=[len(c) for c in clips])
