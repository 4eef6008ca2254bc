"""The companion without PyTorch: what reads records goes on, the rest is left out with a sentence.

``begin`` puts a placeholder where torch and what comes with it would be. Importing it works, and so does
whatever a module of ours says with its names while it is imported; the first use raises ``NeedsTorch``. In a
chapter the statement that raises it is left out with a sentence, and so is what builds on it.

Only ``snnlib.chapters`` and the kernels that it starts do this: anywhere else a missing torch is missing.
"""

import ast
import importlib.util
import os
import symtable
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

WITHOUT_TORCH = importlib.util.find_spec("torch") is None
SENTENCE = "It needs PyTorch, which this reading installation does not have; `make env` installs everything."
_ABSENT = ("torch", "torchvision", "tonic", "librosa", "numba", "safetensors")


class NeedsTorch(BaseException):
    """Something asked torch to compute. No Exception, so that nobody takes it for a damaged file."""


class _Placeholder(type):
    """A class whose names are placeholders too, and which nobody can call but a module that is imported."""

    def __getattr__(cls, name: str):
        return _named(cls.__qualname__, name)

    def __call__(cls, *arguments, **named):
        frame = sys._getframe(1)
        while frame and not (
            frame.f_code.co_name == "<module>" and frame.f_globals.get("__name__", "").startswith("snnlib.")
        ):
            frame = frame.f_back
        if frame is None:
            raise NeedsTorch(SENTENCE)
        return _named(cls.__qualname__, "made")  # a decorator, an operator


class _Module(ModuleType):
    def __getattr__(self, name: str):
        return _named(self.__name__, name)


def _named(owner, name):
    if name.startswith("__"):
        raise AttributeError(name)
    return _Placeholder(f"{owner}.{name}", (), {})


class _Finder(MetaPathFinder, Loader):
    def find_spec(self, fullname, path=None, target=None):
        return ModuleSpec(fullname, self, is_package=True) if fullname.split(".")[0] in _ABSENT else None

    def create_module(self, spec):
        return _Module(spec.name)

    def exec_module(self, module):
        pass


def begin() -> bool:
    """Put the placeholder there where torch is missing; returns whether it is."""
    if WITHOUT_TORCH and not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())  # the last: asked for what is not installed
        # No data set is looked at: a record says itself on what it was measured. This folder holds none.
        os.environ["SNN_DATA"] = "data/reference_runs"
    return WITHOUT_TORCH


class _Guard:
    """An AST transformer of IPython, and the ``with`` that it puts around each statement of a cell."""

    def __init__(self, shell):
        self.shell, self.left_out = shell, False

    def visit(self, cell: ast.Module) -> ast.Module:
        self.told, self.statements = set(), cell.body
        return ast.Module([self._guarded(place, node) for place, node in enumerate(cell.body)], [])

    def _guarded(self, place: int, statement: ast.stmt) -> ast.stmt:
        block = ast.parse(f"with {_NAME}.at({place}): {_NAME}.show(None)").body[0]
        if isinstance(statement, ast.Expr) and place == len(self.statements) - 1:
            block.body[0].value.args = [statement.value]  # the last value of a cell is displayed
        else:
            block.body = [statement]
        return block

    def at(self, place: int) -> "_Guard":
        self.place = place
        return self

    @staticmethod
    def show(value):
        sys.displayhook(value)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        needs = isinstance(error, NeedsTorch)
        if not needs and not (self.left_out and isinstance(error, Exception)):
            return False
        self.left_out = True
        for name in _changed(self.statements[self.place], trace.tb_lineno):
            if not isinstance(self.shell.user_ns.get(name), ModuleType):
                self.shell.user_ns.pop(name, None)  # nothing older, or half made, may pass for it
        sentence = SENTENCE if needs else f"It builds on what is left out above ({kind.__name__}: {error})."
        if needs not in self.told:
            print(f"Left out. {sentence}")
        self.told.add(needs)
        return True


_NAME = "_reading"


def _changed(statement, line):
    """The names of the module that a statement gives a value, or has changed when it stops at ``line``."""
    table = symtable.symtable(ast.unparse(statement), "<cell>", "exec")
    changed = (symtable.Symbol.is_assigned, symtable.Symbol.is_imported, symtable.Symbol.is_namespace)
    names = {name.get_name() for name in table.get_symbols() if any(has(name) for has in changed)}
    inside = list(ast.walk(statement))
    again = any(isinstance(node, ast.For | ast.While) for node in inside)
    for node in inside:  # done before it stopped: a.append(1), a[0].b = 1
        if not isinstance(node, ast.Assign | ast.AugAssign | ast.Expr) or not (
            again or node.end_lineno < line
        ):
            continue
        call = getattr(node.value, "func", None) if isinstance(node, ast.Expr) else None
        for whole in [call, getattr(node, "target", None), *getattr(node, "targets", [])]:
            while isinstance(whole, ast.Subscript | ast.Attribute):
                whole = whole.value
                names |= {whole.id} if isinstance(whole, ast.Name) else set()
    return names


def load_ipython_extension(shell) -> None:
    """For a kernel: ``begin``, and guard its cells if torch is missing."""
    if begin() and _NAME not in shell.user_ns:
        shell.user_ns[_NAME] = guard = _Guard(shell)
        shell.ast_transformers.append(guard)
