"""One step and its adjoint, as the plain functions that they are, against autograd through the reference."""

import pytest
import torch

from snnlib.kernels import reference, steps
from snnlib.tests.core.test_kernels import KINDS

LIMIT = reference.SATURATION
V_RESET = -0.125


def _setting(kind):
    """Parameters and constants, no two of which are equal by chance."""
    parameters, _, (threshold, width, *rest) = KINDS[kind]
    if kind != "lif":
        return parameters, (threshold, 0.75 * width, *rest)
    return parameters, (threshold, width, *rest[:3], V_RESET, *rest[4:])


def _steps_to_try(kind):
    """x, v, u and four parameters, each [n]: at random, on the edges and beside them, and beyond bounds."""
    parameters, constants = _setting(kind)
    generator = torch.Generator().manual_seed(11)
    n, (threshold, width, *_) = 400, constants
    scale = 40.0 if kind == "izhikevich" else 1.0
    x, v, u = (scale * torch.randn((3, n), generator=generator, dtype=torch.float64)).unbind()
    p = [value * (1 + torch.randn(n, generator=generator, dtype=torch.float64)) for value in parameters]
    p += [torch.zeros(n, dtype=torch.float64)] * (4 - len(p))
    # From v = u = 0 a charge of x gives h = rest + gain x, exactly: here h is an edge, or beside it.
    gain = {"lif": 0.5, "izhikevich": 0.5}.get(kind, 1.0)
    rest = {"lif": 0.5 * V_RESET, "izhikevich": 70.0}.get(kind, 0.0)
    bound = (1 - 2**-20) * LIMIT
    edges = [threshold, threshold - width, threshold + width, bound, -bound, 2 * LIMIT, -2 * LIMIT]
    edges += [LIMIT, -LIMIT]  # the bound itself, where the gradient still passes
    h = torch.tensor([edge + beside for beside in (0.0, 2**-20, -(2**-20)) for edge in edges], dtype=x.dtype)
    x[: len(h)], v[: len(h)], u[: len(h)] = (h - rest) / gain, 0.0, 0.0
    for row, value in zip(p, parameters, strict=False):
        row[: len(h)] = value
    far = slice(100, 140)  # U leaves its bounds where the first parameter is negative, V where it is squared
    u[far] *= LIMIT / scale
    p[0][far] *= 100
    v[120:160] *= LIMIT / 3
    return x, v, u, p


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_step_and_adjoint_are_the_reference(kind):
    constants = _setting(kind)[1]
    x, v, u, p = _steps_to_try(kind)
    leaves = [leaf.clone().requires_grad_() for leaf in (x, v, u, *p)]
    step, states = reference.STEPS[kind]
    spike, seen, after = step(leaves[0], tuple(leaves[1 : 1 + states]), leaves[3:], constants)
    gs, gv, gu = torch.randn((3, len(x)), generator=torch.Generator().manual_seed(12), dtype=x.dtype)
    gu = gu if states == 2 else torch.zeros_like(gu)
    after = (*after, leaves[2])[:2]
    expected = torch.autograd.grad(
        [spike, *after], leaves, [gs, gv, gu], allow_unused=True, materialize_grads=True
    )
    own = zip(*(row.tolist() for row in p), strict=True)
    rows = list(zip(x.tolist(), v.tolist(), u.tolist(), own, strict=True))
    charged = [getattr(steps, kind)(*row, constants) for row in rows]
    assert 50 < sum(fired for fired, *_ in charged) < len(rows) - 50
    assert [float(fired) for fired, *_ in charged] == spike.tolist()
    for got, want in zip(zip(*(state for _, *state in charged), strict=True), after, strict=True):
        assert list(got) == want.tolist()
    assert any(value == LIMIT for value in seen[0].tolist())

    adjoint = getattr(steps, f"{kind}_adjoint")
    given = zip(rows, zip(gs.tolist(), gv.tolist(), gu.tolist(), strict=True), strict=True)
    gradients = [adjoint(*row, constants, *grads) for row, grads in given]
    for got, want in zip(zip(*gradients, strict=True), expected, strict=True):
        torch.testing.assert_close(torch.tensor(got, dtype=x.dtype), want, rtol=1e-9, atol=1e-12)
