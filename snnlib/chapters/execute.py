"""Execute one notebook with papermill: the copy appears whole or not at all."""

import os
import sys
from pathlib import Path
from unittest import mock

import papermill
from papermill.exceptions import PapermillExecutionError

from snnlib import files, paths, reading
from snnlib.chapters import parameters

# For the kernels: start from this Python, draw no second progress bar.
KERNEL_ENVIRONMENT = {
    "JUPYTER_PREFER_ENV_PATH": "1",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    "TQDM_DISABLE": "1",
}

READING = ["--IPKernelApp.extra_extensions=snnlib.reading"] if reading.WITHOUT_TORCH else []


class ChapterFailed(RuntimeError):
    """A cell of a chapter raised; the message holds the cell and the last lines of the error."""


def execute(notebook: Path, output: Path, injected: dict) -> None:
    """Execute `notebook` into `output`, which is replaced only by a complete copy.

    The `injected` values stand in its parameters cell, so that the copy shows what was run.

    Raises ChapterFailed when a cell does; what there is then is kept as <stem>.failed.ipynb beside `output`.
    """
    output.unlink(missing_ok=True)  # an older copy must not pass for the result of this run
    failed = output.with_name(f"{output.stem}.failed.ipynb")
    folders = [str(paths.ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]  # snnlib is found anywhere

    source = parameters.load(notebook)
    for cell in source.cells:
        if "parameters" in cell.metadata.get("tags", []):
            cell.source = parameters.fill(cell.source, injected)

    def fill(temporary):
        try:
            with mock.patch.dict(os.environ, KERNEL_ENVIRONMENT, PYTHONPATH=os.pathsep.join(folders)):
                papermill.execute_notebook(
                    source,
                    _literal(temporary),
                    kernel_name="python3",
                    cwd=notebook.parent,
                    progress_bar=sys.stderr.isatty(),
                    log_output=False,
                    # No advice about encryption of loopback traffic, no line of its own on Ctrl-C; what a
                    # cell raises comes back in the copy.
                    extra_arguments=["--IPKernelApp.log_level=50", *READING],
                )
        except PapermillExecutionError as error:
            temporary.replace(failed)
            lines = "\n    ".join(str(error.evalue).splitlines()[-6:])
            raise ChapterFailed(
                f"{notebook.stem} stopped in cell {error.cell_index}: {error.ename}: {lines}\n"
                f"  everything up to there is in {paths.short(failed)}"
            ) from None

    files.write_atomically(output, fill)
    failed.unlink(missing_ok=True)


def _literal(path: Path) -> str:
    """A path for papermill, which fills in what stands in braces."""
    return str(path).replace("{", "{{").replace("}", "}}")
