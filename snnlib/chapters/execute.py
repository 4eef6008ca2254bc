"""Execute one notebook with papermill: the copy appears whole or not at all."""

import contextlib
import os
import sys
from pathlib import Path

import papermill
from papermill.exceptions import PapermillExecutionError

from snnlib import paths

# For the kernels: start from this Python, find snnlib from any folder, draw no second progress bar.
KERNEL_ENVIRONMENT = {
    "JUPYTER_PREFER_ENV_PATH": "1",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    "TQDM_DISABLE": "1",
}


class ChapterFailed(RuntimeError):
    """A cell of a chapter raised; the message holds the cell and the last lines of the error."""


@contextlib.contextmanager
def kernel_environment():
    """Environment variables for a kernel, set while one is started and then put back."""
    before = dict(os.environ)
    os.environ.update(KERNEL_ENVIRONMENT)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(paths.ROOT), before.get("PYTHONPATH")]))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def execute(notebook: Path, output: Path, injected: dict) -> None:
    """Execute `notebook` with `injected` parameters into `output`, which is replaced only by a complete copy.

    Raises ChapterFailed when a cell does; what there is then is kept as <stem>.failed.ipynb beside `output`.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    output.unlink(missing_ok=True)  # an older copy must not pass for the result of this run
    temporary = output.with_name(f".{output.stem}.{os.getpid()}.ipynb")
    failed = output.with_name(f"{output.stem}.failed.ipynb")
    try:
        with kernel_environment():
            papermill.execute_notebook(
                notebook,
                temporary,
                injected,
                kernel_name="python3",
                cwd=notebook.parent,
                progress_bar=sys.stderr.isatty(),
                log_output=False,
                # no advice about encryption of loopback traffic
                extra_arguments=["--IPKernelApp.log_level=40"],
            )
        os.replace(temporary, output)
        failed.unlink(missing_ok=True)
    except PapermillExecutionError as error:
        os.replace(temporary, failed)
        lines = "\n    ".join(str(error.evalue).splitlines()[-6:])
        raise ChapterFailed(
            f"{notebook.stem} stopped in cell {error.cell_index}: {error.ename}: {lines}\n"
            f"  everything up to there is in {paths.short(failed)}"
        ) from None
    finally:
        temporary.unlink(missing_ok=True)
