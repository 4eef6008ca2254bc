"""Freed memory kept for the next training step.

The C library of Linux hands large blocks back to the system as soon as they are freed and asks for fresh ones
at the next step; clearing those pages costs as much time as a fused kernel itself.
"""

import ctypes
import sys

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # glibc's malloc.h


def keep_freed() -> bool:
    """Let this process keep the memory that tensors free; returns whether the C library can (glibc only)."""
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return all([mallopt(M_TRIM_THRESHOLD, 2**31 - 1), mallopt(M_TOP_PAD, 64 << 20), mallopt(M_MMAP_MAX, 0)])
