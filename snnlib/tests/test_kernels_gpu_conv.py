"""Normalisation, LIF and pooling in one kernel against the separate layers in plain PyTorch."""

import pytest
import torch
from torch import nn

from snnlib.kernels import reference
from snnlib.tests.test_kernels_gpu import DEVICE, NEURONS, ROUNDING, away_from_edges, in_the_interpreter, runs

pytest.importorskip("triton")
from snnlib.kernels import gpu_conv  # noqa: E402

CONSTANTS = NEURONS["lif"][0]


def separate(y, scale, shift, parameters):
    x = scale[:, None, None] * y + shift[:, None, None]
    spikes, (v,) = reference.run("lif", x, parameters[:4], parameters[4:], CONSTANTS, trace=True)
    return x, v, nn.functional.max_pool2d(spikes.flatten(0, 1), 2).unflatten(0, y.shape[:2])


def test_in_the_interpreter():
    in_the_interpreter(__file__)


@runs
@pytest.mark.parametrize("dtype", list(ROUNDING))
@pytest.mark.parametrize("shape", [(4, 2, 3, 6, 10), (1, 1, 2, 2, 2), (3, 2, 5, 8, 6)])
def test_agrees_with_the_separate_layers(shape, dtype):
    torch.manual_seed(4)
    precise = torch.float64 if dtype == torch.float64 else torch.float32
    y = torch.randn(shape, dtype=torch.float64).to(DEVICE, dtype)
    scale, shift = torch.rand(2, shape[2], dtype=precise, device=DEVICE) + 0.7
    parameters = torch.tensor([0.5, 0, 0, 0, 0.1, 0], dtype=precise, device=DEVICE)
    pooled = gpu_conv.forward(y, scale, shift, parameters, CONSTANTS)
    expected = separate(y.to(precise), scale, shift, parameters)[2]
    assert pooled.dtype == dtype and torch.equal(pooled.to(precise), expected)
    compact = gpu_conv.forward(y, scale, shift, parameters, CONSTANTS, torch.uint8)
    assert compact.dtype == torch.uint8 and torch.equal(compact.to(precise), expected)

    exact = [tensor.double() for tensor in (y, scale, shift, parameters)]
    exact[3].requires_grad_()
    exact[0].requires_grad_()
    x, v, spikes = separate(*exact)
    calm = away_from_edges("lif", v.detach())
    calm = 1 - nn.functional.max_pool2d(1 - calm, 2)  # all four neurons of a window
    grad = (torch.randn(spikes.shape, dtype=torch.float64).to(DEVICE) * calm).to(dtype)
    gx, gp = torch.autograd.grad(spikes, (x, exact[3]), grad.double())
    mine_x, mine_k = gpu_conv.backward(grad, y, scale, shift, parameters, CONSTANTS)
    tolerance = ROUNDING[dtype]
    torch.testing.assert_close(mine_x.double(), gx, rtol=tolerance, atol=tolerance * gx.abs().max().item())
    assert mine_k.item() == pytest.approx(gp[0].item(), rel=1e-4, abs=1e-5)


@runs
def test_odd_maps_are_refused():
    y, one = torch.zeros(2, 1, 1, 3, 4, device=DEVICE), torch.ones(1, device=DEVICE)
    with pytest.raises(ValueError, match="even height"):
        gpu_conv.forward(y, one, one, torch.zeros(6, device=DEVICE), CONSTANTS)
