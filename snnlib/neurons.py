"""The five neurons. Each is a function of its input: state is born inside the call and forgotten after it.

``spikes = neuron(current_seq)`` takes the input current ``[T, B, *]``, time first, and returns spikes (0 or
1) of the same shape, dtype and device. ``spikes, trace = neuron(current_seq, trace=True)`` also returns
what the neuron went through: ``trace["V"]``, the membrane potential as it is compared with the threshold
(before a reset), and ``trace["U"]`` for the 2nd-order neurons. tau is in time steps, potentials are
dimensionless (both papers say so); Izhikevich alone is in mV and ms. Every call raises ValueError for an
input that is not floating point with time and batch axes, or that does not fit per-neuron parameters.
Settings are given by name: a number by position would be read as tau where a layer's size was meant.

A compiled kernel for the tensor's device does the work (``snnlib.kernels``); what it computes is defined in
plain PyTorch in ``kernels/reference.py``, which also serves traces, forward-mode derivatives and
``torch.func``. Potentials are float64 for a float64 current, else float32, in traces too: half precision
enters and leaves at the edges. They saturate at +-1e18, where their gradient ends: no finite input leads to
NaN, and a neuron that diverges (theta_a < 0 over hundreds of steps) keeps a defined state. Within the papers'
20 to 30 steps nothing comes near that bound.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from snnlib.kernels import block, ops, pooled, pooling, reference, still

PRESETS: dict[str, tuple[float, float, float, float]] = {
    "2-FS": (0.060, 0.219, -0.065, 0.003),
    "2-RS": (0.060, 0.219, -0.010, 0.050),
    "2-SDS": (-0.009, 0.246, -0.058, 0.065),
    "2-WDS": (0.005, 0.158, -0.058, 0.065),
}
"""The four meta neurons of MDN, Table 2: name -> (theta_a, theta_b, theta_c, theta_d)."""


class Maps(NamedTuple):
    """What stands around neurons that see maps ``[T, B, C, H, W]`` and is one pass with them where a kernel
    serves: ``norm`` before them, max-pooling by ``pool`` behind; ``steps`` > 0: maps ``[1, B, C, H, W]``, the
    same at so many steps.
    """

    pool: int = 0
    norm: nn.BatchNorm2d | None = None
    steps: int = 0

    def run(self, kind: str, maps: Tensor, parameters: tuple, initial: tuple, constants: tuple) -> Tensor:
        steps = self.steps or len(maps)
        if block.serves(kind, maps, parameters, self.pool, self.norm):
            return block.run(kind, maps, parameters, initial, constants, steps, self.pool, self.norm)
        if self.norm:
            maps = self.norm(maps.flatten(0, 1)).unflatten(0, maps.shape[:2])
        if self.pool and pooled.pools(kind, maps, parameters, self.pool):
            return pooled.run(kind, maps, parameters, initial, constants, steps)
        if self.steps:
            maps = still.repeated(maps[0], steps)
        spikes = ops.run(kind, maps, parameters, initial, constants)
        if self.pool < 2:
            return spikes
        return pooling.max_pool(spikes.flatten(0, 1), self.pool, self.pool).unflatten(0, spikes.shape[:2])


class Neuron(nn.Module):
    """What the five share: checking the input, running the kernel, returning a trace when asked.

    ``isinstance(module, Neuron)`` tells a layer of neurons from other modules.
    """

    traced = ("V",)

    def _run(
        self,
        kind: str,
        current_seq: Tensor,
        parameters: tuple,
        initial: tuple,
        constants: tuple,
        trace: bool,
        maps: "Maps | None" = None,
    ):
        self._check(current_seq)
        if maps:
            if trace:
                raise ValueError(
                    f"{type(self).__name__} gives a trace of its neurons alone; leave out pool, norm and "
                    "steps, or the trace."
                )
            if maps.steps and len(current_seq) != 1:
                raise ValueError(
                    f"steps={maps.steps} repeats one step [1, B, *], and the input has {len(current_seq)}; "
                    "leave steps out."
                )
            return maps.run(kind, current_seq, parameters, initial, constants)
        if not trace:
            return ops.run(kind, current_seq, parameters, initial, constants)
        spikes, traces = ops.run(kind, current_seq, parameters, initial, constants, trace=True)
        return spikes, dict(zip(self.traced, traces, strict=True))

    def _check(self, current_seq: Tensor) -> None:
        name = type(self).__name__
        if not isinstance(current_seq, Tensor) or current_seq.layout != torch.strided:
            kind = getattr(current_seq, "layout", type(current_seq).__name__)
            raise ValueError(f"{name} needs a dense tensor as its input current, got {kind}.")
        if not current_seq.is_floating_point():
            raise ValueError(
                f"{name} needs a floating-point input current, got {current_seq.dtype}; call .float() first."
            )
        if current_seq.dim() < 2 or current_seq.shape[0] == 0:
            raise ValueError(
                f"{name} needs an input [T, B, *] with at least one time step, got "
                f"{tuple(current_seq.shape)}."
            )


class FirstOrder(Neuron):
    """1st-order neuron (MDN, Eq. 3).

    charge   V <- decay V (1 - S_previous) + I
    fire     S = 1 where V > threshold (strict)

    The reset to 0 acts at the next step, through S_previous, and is not detached: gradient flows through S
    by the window of Eq. 6. Starts from V = 0, S = 0. The published conductance g = 0.8 acts as
    decay = 1 - g = 0.2 in the authors' code; the sign in Eq. 3 is loose. The current I is taken after the
    sigmoid.
    """

    def __init__(self, *, decay: float = 0.2, threshold: float = 0.5, half_width: float = 0.5):
        super().__init__()
        self.decay, self.threshold, self.half_width = decay, threshold, half_width

    def forward(self, current_seq: Tensor, trace: bool = False):
        constants = reference.constants(self.threshold, self.half_width)
        return self._run("first_order", current_seq, (self.decay,), (0.0,), constants, trace)

    def extra_repr(self) -> str:
        return f"decay={self.decay}, threshold={self.threshold}"


class SecondOrder(Neuron):
    """2nd-order meta-dynamic neuron (MDN, Eq. 2), Euler steps of length 1.

    reset    V <- V (1 - S_previous) + theta_c S_previous
             U <- U + theta_d S_previous
    charge   V <- V + (V^2 - V - U + I)              both from the
             U <- U + theta_a (theta_b V - U)        values before the charge
    fire     S = 1 where V > threshold (strict)

    The reset is not detached: S carries the window surrogate (Eq. 6) into V, U and theta. Starts from V = 0,
    U = initial_u, S = 0. The current I is what comes after the sigmoid.

    theta: theta_a, theta_b, theta_c, theta_d, all four or none; ``neurons``: how many neurons get a set of
    their own (None: one set for the layer); ``learnable``: whether they receive gradients. ``quadratic``,
    ``linear`` and ``dt``, 1, -1 and 1 in the paper, make the charge V <- V + dt (quadratic V^2 + linear V - U
    + I) and U <- U + dt theta_a (theta_b V - U): without V^2, or in steps of another length (at most 1).
    """

    traced = ("V", "U")

    def __init__(
        self,
        *theta: float,
        neurons: int | None = None,
        learnable: bool = False,
        threshold: float = 0.5,
        half_width: float = 0.5,
        initial_u: float = 0.08,
        quadratic: float = 1.0,
        linear: float = -1.0,
        dt: float = 1.0,
    ):
        super().__init__()
        if not 0 < reference.number("dt", dt) <= 1:
            raise ValueError(f"SecondOrder needs a step dt above 0 and at most 1, got {dt}.")
        if len(theta) not in (0, 4):
            raise ValueError(
                f"SecondOrder takes theta_a, theta_b, theta_c and theta_d, got {len(theta)} of the four; the "
                "size of a layer is neurons=size."
            )
        shape = () if neurons is None else (neurons,)
        for name, value in zip("abcd", theta or (0.02, 0.2, 0.0, 0.08), strict=True):
            start = torch.full(shape, reference.number(f"theta_{name}", value))
            self.register_parameter(f"theta_{name}", nn.Parameter(start, requires_grad=learnable))
        self.threshold, self.half_width, self.initial_u = threshold, half_width, initial_u
        self.quadratic = reference.number("quadratic", quadratic)
        self.linear, self.dt = reference.number("linear", linear), dt

    @property
    def thetas(self) -> tuple[Tensor, ...]:
        return self.theta_a, self.theta_b, self.theta_c, self.theta_d

    def forward(self, current_seq: Tensor, trace: bool = False):
        usual = self.quadratic == -self.linear == self.dt == 1.0  # else Izhikevich's step, other coefficients
        numbers = {} if usual else {"dt": self.dt, "polynomial": (self.quadratic, self.linear, 0.0)}
        constants = reference.constants(self.threshold, self.half_width, **numbers)
        kind = "second_order" if usual else "izhikevich"
        return self._run(kind, current_seq, self.thetas, (0.0, self.initial_u), constants, trace)

    def extra_repr(self) -> str:
        if any(theta.dim() for theta in self.thetas):
            neurons = max(theta.numel() for theta in self.thetas)
            return f"neurons={neurons}, learnable={self.theta_a.requires_grad}"
        return ", ".join(f"theta_{n}={t.item():g}" for n, t in zip("abcd", self.thetas, strict=True))


class LIF(Neuron):
    """Leaky integrate-and-fire neuron with a fixed membrane time constant (PLIF, Eq. 2-5).

    charge   H = V + (X - (V - v_reset)) / tau
    fire     S = 1 where H >= threshold (not strict)
    reset    V = H (1 - S) + v_reset S, in the same step, S detached (supplement 6)

    Surrogate: arctan. Starts from V = v_reset. Eq. 5 prints -V - V_reset, a misprint that only V_reset = 0
    hides. tau in time steps, tau > 1. ``pool`` (2, say): max-pool the spikes of maps ``[T, B, C, H, W]`` by
    so much in the same pass, which returns ``[T, B, C, H // pool, W // pool]``; ``norm`` and ``steps``: see
    Maps. Raises ValueError for one of these with ``trace``, and for ``steps`` of an input of several steps.
    """

    def __init__(self, *, tau: float = 2.0, threshold: float = 1.0, v_reset: float = 0.0):
        super().__init__()
        self.tau, self.threshold, self.v_reset = _checked_tau(tau), threshold, v_reset

    def forward(self, current_seq: Tensor, trace: bool = False, **maps):
        constants = reference.constants(self.threshold, v_reset=self.v_reset)
        around = Maps(**maps) if maps else None
        return self._run("lif", current_seq, (1 / self.tau,), (self.v_reset,), constants, trace, around)

    def extra_repr(self) -> str:
        return f"tau={self.tau}"


class PLIF(Neuron):
    """LIF whose membrane time constant is learned, one per layer (PLIF, Eq. 6).

    charge   H = V + k(a) (X - (V - v_reset)),   k(a) = sigmoid(a) = 1 / tau

    Fire, reset, surrogate, initial state, ``pool``, ``norm`` and ``steps`` as LIF. tau = 1 + exp(-a) stays
    above one step whatever the optimiser does; ``a`` starts at -ln(tau - 1) for the given initial tau.
    """

    def __init__(self, *, tau: float = 2.0, threshold: float = 1.0, v_reset: float = 0.0):
        super().__init__()
        self.a = nn.Parameter(torch.tensor(-math.log(_checked_tau(tau) - 1)))
        self.threshold, self.v_reset = threshold, v_reset

    @property
    def tau(self) -> Tensor:
        """The present membrane time constant in time steps, 1 / sigmoid(a)."""
        return 1 / torch.sigmoid(self.a)

    def forward(self, current_seq: Tensor, trace: bool = False, **maps):
        constants = reference.constants(self.threshold, v_reset=self.v_reset)
        around = Maps(**maps) if maps else None
        k = torch.sigmoid(self.a.to(reference.precision(current_seq)))
        return self._run("lif", current_seq, (k,), (self.v_reset,), constants, trace, around)

    def extra_repr(self) -> str:
        return f"tau={self.tau.item():.4g}" if self.a.dim() == 0 else f"neurons={self.a.numel()}"


class Izhikevich(Neuron):
    """Izhikevich's neuron in its own units, mV and ms (MDN, Eq. 1), for comparison.

    charge   V <- V + dt (0.04 V^2 + 5 V + 140 - U + I)      both from the
             U <- U + dt a (b V - U)                         values before
    fire     S = 1 where V > threshold
    reset    V = c, U = U + d, in the same step, not detached; surrogate: window

    Starts at rest, V = c and U = b c, a start that gets no gradient. Defaults are his regular-spiking neuron;
    dt in ms, at most 1.
    """

    traced = ("V", "U")

    def __init__(
        self,
        *,
        a: float = 0.02,
        b: float = 0.2,
        c: float = -65.0,
        d: float = 8.0,
        dt: float = 1.0,
        threshold: float = 30.0,
        half_width: float = 30.0,
    ):
        super().__init__()
        if not 0 < reference.number("dt", dt) <= 1:
            raise ValueError(
                f"Izhikevich needs a step dt between 0 and 1 ms, got {dt}; larger Euler steps diverge."
            )
        self.a, self.b, self.c, self.d = a, b, c, d
        self.dt, self.threshold, self.half_width = dt, threshold, half_width

    def forward(self, current_seq: Tensor, trace: bool = False):
        numbers = {"dt": self.dt, "polynomial": (0.04, 5.0, 140.0)}
        constants = reference.constants(self.threshold, self.half_width, **numbers)
        parameters = (self.a, self.b, self.c, self.d)
        self._check(current_seq)
        for value in parameters:  # before two are multiplied
            ops.fitted(value, current_seq)
        start = (self.c, self.b * self.c)
        return self._run("izhikevich", current_seq, parameters, start, constants, trace)

    def extra_repr(self) -> str:
        return f"a={self.a}, b={self.b}, c={self.c}, d={self.d}, dt={self.dt}"


def _checked_tau(tau: float) -> float:
    return reference.number("tau", tau, 1.0, "greater than 1 time step, where Eq. 5 is valid")
