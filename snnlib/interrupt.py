"""Ctrl-C and TERM end a command in a line, whenever they come: importing PyTorch alone takes seconds."""

import signal
import sys


def told() -> None:
    """From here on TERM is Ctrl-C, and a Ctrl-C that nobody catches is one line."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.excepthook = _in_a_line


def _in_a_line(kind, error, trace) -> None:
    if issubclass(kind, KeyboardInterrupt):
        print("\nInterrupted.", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


def is_command() -> bool:
    """Whether `python -m snnlib.<room>` is on its way to the room: nothing slow is imported yet."""
    return sys.argv[:1] == ["-m"] and any(word.startswith(f"{__package__}.") for word in sys.orig_argv)
