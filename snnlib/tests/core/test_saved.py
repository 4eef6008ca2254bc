"""Networks in folders: what is written comes back, and what is damaged is named."""

import json
import subprocess
import sys

import pytest
import torch

import snnlib
from snnlib import networks, paths, saved

CONFIGS = {
    "mlp": {
        "network": "mlp-7",
        "input_shape": [12],
        "classes": 3,
        "neuron": {"kind": "FirstOrder", "decay": 0.3},
    },
    "mixed": {
        **{"network": "mlp-4", "input_shape": [5], "classes": 2},
        **{"neuron": {"kind": "SecondOrder", "quadratic": 0.9, "each": True}},
    },
    "conv": {
        **{"network": "c4k3s1-BN-PLIF-MPk2s2-FC20-PLIF-APk10s10", "input_shape": [1, 6, 6], "classes": 2},
        **{"neuron": {"kind": "PLIF", "threshold": 0.8, "v_reset": -0.1}},
    },
}


def made(kind, folder):
    torch.manual_seed(1)
    network = networks.described(CONFIGS[kind])
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.1 * torch.rand_like(parameter)
    saved.write(folder, CONFIGS[kind], network.state_dict())
    return network.eval()


@pytest.mark.parametrize("kind", CONFIGS)
def test_what_is_written_comes_back_and_no_random_number_is_drawn(kind, tmp_path):
    network = made(kind, tmp_path)
    torch.manual_seed(5)
    again = snnlib.load(tmp_path)
    drawn = torch.rand(1)
    torch.manual_seed(5)
    assert drawn == torch.rand(1) and not again.training and again.config == CONFIGS[kind]
    x = torch.rand(6, 4, *CONFIGS[kind]["input_shape"]) * 30
    assert torch.equal(again(x), network(x))
    assert again(x).any()


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_networks_neurons_are_described_as_they_are(kind):
    described = networks.neuron_config(networks.described(CONFIGS[kind]))
    assert described.items() >= CONFIGS[kind]["neuron"].items()
    again = networks.neuron_config(networks.described(CONFIGS[kind] | {"neuron": described}))
    assert again == described


def test_first_layers_alone_come_back_too(tmp_path):
    network = made("conv", tmp_path)
    saved.write(tmp_path, CONFIGS["conv"] | {"layers": 2}, network[:2].state_dict())
    x = torch.rand(3, 2, 1, 6, 6)
    assert torch.equal(snnlib.load(tmp_path)(x), network[:2](x))


def test_half_precision_is_read_as_float32(tmp_path):
    network = made("mlp", tmp_path)
    saved.write(tmp_path, CONFIGS["mlp"], {n: v.half() for n, v in network.state_dict().items()})
    assert {p.dtype for p in snnlib.load(tmp_path).parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda f: (f / "config.json").unlink(), "holds no config.json; give the folder of a network"),
        (lambda f: (f / "model.safetensors").unlink(), "holds no model.safetensors"),
        (lambda f: (f / "config.json").write_text("{"), "config.json describes no network"),
        (lambda f: (f / "config.json").write_text("[]"), "config.json describes no network"),
        (lambda f: (f / "config.json").write_text('{"network": "mlp-7"}'), "describes no network"),
        (lambda f: (f / "model.safetensors").write_bytes(b"abc"), "does not hold this network"),
        (
            lambda f: (f / "config.json").write_text(json.dumps(CONFIGS["mlp"] | {"network": "mlp-8"})),
            "does not hold this network .*size mismatch",
        ),
        (
            lambda f: saved.write(
                f,
                CONFIGS["mlp"],
                {n: v * torch.nan for n, v in networks.described(CONFIGS["mlp"]).state_dict().items()},
            ),
            "weights that are not finite",
        ),
    ],
)
def test_a_damaged_folder_is_named_in_one_sentence(spoil, sentence, tmp_path):
    made("mlp", tmp_path)
    spoil(tmp_path)
    with pytest.raises((ValueError, FileNotFoundError), match=sentence) as error:
        snnlib.load(tmp_path)
    assert "\n" not in str(error.value) and str(tmp_path) in str(error.value)


def test_without_safetensors_one_sentence_says_what_to_install(tmp_path):
    made("mlp", tmp_path)
    code = (
        "import sys; sys.modules['safetensors'] = None; import snnlib\n"
        f"try: snnlib.load({str(tmp_path)!r})\nexcept ValueError as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=paths.ROOT)
    assert "pip install safetensors" in said.stdout, said.stderr


def test_every_network_of_the_repository_loads():
    folders = sorted((paths.REFERENCE_RUNS / "networks").glob("*/"))
    assert len(folders) > 8
    for folder in folders:
        network = snnlib.load(folder)
        shape = network.config["input_shape"]
        spikes = network(torch.rand(network.config["time_steps"], 2, *shape))
        assert spikes.isfinite().all() and spikes.shape[:2] == (network.config["time_steps"], 2)
