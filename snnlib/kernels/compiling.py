"""How numba compiles the kernels, and where it keeps the machine code: in a folder named after their sources.

Numba by itself only notices a change of the file that holds a kernel, not of the files that the kernel uses.
"""

import functools
import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np
from numba.core.caching import FunctionCache

from snnlib import files

OPTIONS = {"nogil": True, "error_model": "numpy"}

_HERE = Path(__file__).parent


def kernel(function: Callable) -> Callable:
    """``function`` compiled at its first call, or read from the cache: the folder of NUMBA_CACHE_DIR if that
    is set, one beside the sources, or, where that cannot be written, the user's ``files.private_folder``.
    """
    compiled = numba.njit(**OPTIONS)(function)
    before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, _folder()
    try:
        compiled._cache = _Cache(function)  # what numba's own cache=True does, but for the class
    finally:
        numba.config.CACHE_DIR = before
    return compiled


class _Cache(FunctionCache):
    """A file that was cut off, or a disk without room for one, costs a compilation and nothing else."""

    def load_overload(self, sig, target_context):
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # unpickling raises whatever broken bytes lead to
            return None

    def save_overload(self, sig, data):
        try:
            super().save_overload(sig, data)
        except OSError:
            return
        except Exception:  # the index is broken, into which the new entry goes
            self.flush()
            super().save_overload(sig, data)


@functools.cache
def _folder() -> str:
    sources = b"".join(path.read_bytes() for path in sorted(_HERE.glob("*.py")))
    name = "numba-" + hashlib.sha256(sources).hexdigest()[:12]
    folder = Path(numba.config.CACHE_DIR or _HERE / "__pycache__") / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        folder = files.private_folder() / name
    return str(folder)


@numba.extending.intrinsic
def _float_of(typing, bits):
    """The float32 with these 32 bits."""

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], context.get_value_type(numba.float32))

    return numba.float32(numba.uint32), generate


@numba.extending.intrinsic
def _bits_of(typing, value):
    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], context.get_value_type(numba.uint32))

    return numba.uint32(numba.float32), generate


@numba.extending.intrinsic
def fma(typing, a, b, c):
    """a b + c, rounded once."""

    def generate(context, builder, signature, arguments):
        return builder.fma(*arguments)

    return numba.float32(numba.float32, numba.float32, numba.float32), generate


def read(array, index):
    """``array[index]`` as a number to compute with: bfloat16, which NumPy does not know, comes as uint16."""


def write(array, index, value):
    """``array[index] = value``, rounded to nearest even where the array holds bfloat16."""


@numba.extending.overload(read, inline="always", jit_options=OPTIONS)
def _read(array, index):
    if array.dtype == numba.uint16:
        return lambda array, index: _float_of(np.uint32(array[index]) << np.uint32(16))
    return lambda array, index: array[index]


@numba.extending.overload(write, inline="always", jit_options=OPTIONS)
def _write(array, index, value):
    if array.dtype != numba.uint16:

        def plain(array, index, value):
            array[index] = value

        return plain

    def rounded(array, index, value):
        bits = _bits_of(np.float32(value))
        odd = (bits >> np.uint32(16)) & np.uint32(1)
        array[index] = np.uint16((bits + np.uint32(0x7FFF) + odd) >> np.uint32(16))

    return rounded
