"""Where numba keeps the machine code of the kernels: in a folder named after their sources.

Numba by itself only notices a change of the file that holds a kernel, not of the files that the kernel uses.
"""

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numba

_HERE = Path(__file__).parent


@contextlib.contextmanager
def cached() -> Iterator[None]:
    """Within the block, ``numba.njit(cache=True)`` stores compiled code under the digest of this folder's
    sources: in NUMBA_CACHE_DIR if that is set, beside them, or, where that cannot be written, among the
    user's temporary files.
    """
    sources = b"".join(path.read_bytes() for path in sorted(_HERE.glob("*.py")))
    name = "numba-" + hashlib.sha256(sources).hexdigest()[:12]
    folder = Path(numba.config.CACHE_DIR or _HERE / "__pycache__") / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        folder = Path(tempfile.gettempdir()) / f"snnlib-{name}"
    before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(folder)
    try:
        yield
    finally:
        numba.config.CACHE_DIR = before
