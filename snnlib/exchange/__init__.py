"""What leaves for other tools and comes from them: networks as NIR graphs, the PLIF authors' checkpoints, the
companion as archives that reviewers know. Each tool is optional; without it one sentence names it.
"""

import importlib
from types import ModuleType


def needed(package: str) -> ModuleType:
    """An optional package; ValueError says in a sentence how to get it."""
    try:
        return importlib.import_module(package)
    except ImportError:
        name = package.partition(".")[0]
        raise ValueError(f'This needs the package {name}: `pip install -e ".[exchange]"`.') from None
