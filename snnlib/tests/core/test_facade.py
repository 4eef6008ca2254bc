"""The core by itself: every name of the façade, the ten lines of docstring and README, and the wheel."""

import os
import re
import shutil
import subprocess
import sys
import textwrap
import zipfile

import pytest
import torch

import snnlib
from snnlib import paths

DOCSTRING = textwrap.dedent(re.search(r"\n(    import torch\n.*?)\n\nThe core", snnlib.__doc__, re.S)[1])
README = [
    block
    for block in re.findall(r"```python\n(.*?)```", (paths.ROOT / "README.md").read_text(), re.S)
    if "from snnlib import" in block
]

# What the core must do without is not to be found, neither as a module nor as a distribution.
WITHOUT = """
import sys

NAMES = {
    "pandas", "scipy", "sklearn", "matplotlib", "torchvision", "tonic", "librosa", "joblib", "yaml",
    "nbformat", "papermill", "tqdm",
}

class Without:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in NAMES else self.finder.find_spec(name, path, target)

    def find_distributions(self, context):
        found = getattr(self.finder, "find_distributions", lambda context: ())(context)
        return [one for one in found if one.name not in NAMES]

sys.meta_path[:] = map(Without, sys.meta_path)
sys.path.insert(0, sys.argv[1])
import snnlib
assert snnlib.__file__.startswith(sys.argv[1]), snnlib.__file__
for name in snnlib.__all__:
    getattr(snnlib, name)
from snnlib.provenance import versions
assert set(versions()) == {"torch", "numpy"}
"""


def test_every_name_resolves_and_an_unknown_one_says_what_there_is():
    assert len(set(snnlib.__all__)) == len(snnlib.__all__)
    for name in snnlib.__all__:
        value = getattr(snnlib, name)
        assert isinstance(value, dict) or value.__name__ == name
    assert dir(snnlib) == sorted(snnlib.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Lif'; it has .*PLIF"):
        snnlib.Lif  # noqa: B018


def test_importing_the_library_imports_nothing_heavy():
    code = "import snnlib, sys; assert not {'torch', 'numpy', 'numba'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=paths.ROOT)


@pytest.mark.parametrize("lines", [DOCSTRING, *README], ids=lambda lines: f"{len(lines)} characters")
def test_the_ten_lines_work_as_they_stand(lines, capsys):
    torch.manual_seed(0)
    names = {}
    exec(lines, names)
    assert names["history"][-1]["test_accuracy"] > 85 and len(names["history"][-1]["spike_rates"]) == 2
    taus = [neuron.tau.item() for neuron in snnlib.neuron_layers(names["network"])]
    assert all(abs(tau - 2) > 1e-3 for tau in taus)
    assert len([line for line in lines.splitlines() if line.strip()]) <= 12
    assert capsys.readouterr().out


def test_the_core_works_from_its_wheel_without_the_companions_packages(tmp_path):
    pytest.importorskip("setuptools")
    source, wheels, site, empty = (tmp_path / name for name in ("source", "wheels", "site", "empty"))
    skip = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(paths.ROOT / "snnlib", source / "snnlib", ignore=skip)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(paths.ROOT / name, source)
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--quiet"]
    command = [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(wheels), str(source)]
    subprocess.run(command, check=True, cwd=tmp_path)
    (wheel,) = wheels.iterdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    assert not [path for path in site.rglob("*") if "tests" in path.parts]
    needed = re.findall(r"^Requires-Dist: ([\w-]+)[^;\n]*$", next(site.rglob("METADATA")).read_text(), re.M)
    assert sorted(needed) == ["numba", "numpy", "torch"]
    empty.mkdir()
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "numba")}
    command = [sys.executable, "-I", "-c", WITHOUT + DOCSTRING, str(site)]
    done = subprocess.run(command, cwd=empty, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[0]) > 50
    assert not list(empty.iterdir())
