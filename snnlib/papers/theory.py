"""Theory that several chapters share: fixed points, stimuli, firing rates, capability.

NumPy in, NumPy out; potentials dimensionless and time in steps, as everywhere (see ``snnlib.neurons``).
"""

import math

import numpy as np
import pandas as pd
import torch

SINE_SD = 0.723  # standard deviation of the stimulus of MDN's Fig. 4; its amplitude is about 1.02


def simulate(neuron, current) -> dict[str, np.ndarray]:
    """Run a neuron in float64 on a current [T] or [T, N]: spikes "S", and "V" (and "U"), of its shape."""
    current = np.asarray(current, float)
    sequence = torch.tensor(current.reshape(len(current), 1, -1))
    with torch.no_grad():
        spikes, trace = neuron(sequence, trace=True)
    return {name: value.reshape(current.shape).numpy() for name, value in {"S": spikes, **trace}.items()}


def sine_stimulus(time_steps: int, period: float, sd: float = SINE_SD, phase: float = 0.0) -> np.ndarray:
    """Sine of mean 0 and standard deviation ``sd`` (MDN, Sec. 4.4), ``[time_steps]``; period in steps."""
    return sd * math.sqrt(2) * np.sin(2 * np.pi * np.arange(time_steps) / period + phase)


# --- 2nd-order neuron (MDN, Eq. 2) --------------------------------------------------------------------------


def fixed_points(current, u) -> tuple[np.ndarray, np.ndarray]:
    """V* = 1/2 -+ sqrt(1/4 + U - I), where dV/dt = V^2 - V - U + I vanishes: lower, upper; NaN if not real.

    The lower one attracts and the upper one repels in continuous time; see ``multiplier`` for the Euler step.
    ``current`` is I after the sigmoid, which the definition of epsilon in MDN, Sec. 3.2 leaves out.
    """
    epsilon = 0.25 + np.asarray(u, float) - np.asarray(current, float)
    root = np.sqrt(np.where(epsilon >= 0, epsilon, np.nan))
    return 0.5 - root, 0.5 + root


def multiplier(v_star) -> np.ndarray:
    """Growth of a small deviation from V* in one Euler step (dt = 1), 2 V*: it dies out where |2 V*| < 1.

    With dt = 1 the charge of Eq. 2 is V <- V^2 + (I - U), the quadratic map.
    """
    return 2 * np.asarray(v_star, float)


def equilibria(current: float, theta_b: float) -> np.ndarray:
    """V of the joint fixed points of V and U, ascending: none, one or two. There the nullclines cross, the
    parabola U = V^2 - V + I on which dV/dt = 0 and the line U = theta_b V on which dU/dt = 0.
    """
    discriminant = (1 + theta_b) ** 2 / 4 - current
    if discriminant < 0:
        return np.array([])
    return np.unique((1 + theta_b) / 2 + np.array([-1, 1]) * math.sqrt(discriminant))


def jacobian(v: float, theta_a: float, theta_b: float) -> np.ndarray:
    """Linearised Euler step (dt = 1) of (V, U) at V, [2, 2]."""
    return np.array([[2 * v, -1.0], [theta_a * theta_b, 1 - theta_a]])


def is_stable(v: float, theta_a: float, theta_b: float, threshold: float = 0.5) -> bool:
    """Whether Euler steps return to the joint fixed point at V after a small push; False from threshold."""
    if not v < threshold:
        return False
    return bool(abs(np.linalg.eigvals(jacobian(v, theta_a, theta_b))).max() < 1)


def linearity(neuron) -> tuple[float, float]:
    """R^2 and slope of a line through firing rate against input strength.

    Input: 101 constant currents before the sigmoid over the range of Fig. 4's sine; rate: spikes a step over
    1000 steps (MDN, Sec. 4.4 speaks of the relation and has no number).
    """
    amplitude = SINE_SD * math.sqrt(2)
    inputs = np.linspace(-amplitude, amplitude, 101)
    rate = simulate(neuron, np.tile(1 / (1 + np.exp(-inputs)), (1000, 1)))["S"].mean(0)
    return float(np.corrcoef(inputs, rate)[0, 1] ** 2), float(np.polyfit(inputs, rate, 1)[0])


# --- leaky integrate-and-fire neuron ------------------------------------------------------------------------


def lif_response(current: float, tau: float, steps) -> np.ndarray:
    """V after n steps of Eq. 5 (PLIF) from 0 under constant input, no threshold: X (1 - (1 - 1/tau)^n)."""
    return current * (1 - (1 - 1 / tau) ** np.asarray(steps))


def effective_tau(tau: float) -> float:
    """Time constant of the exponential decay that Eq. 5 with ``tau`` > 1 makes: -1 / ln(1 - 1/tau) steps."""
    return -1 / math.log1p(-1 / tau)


def lif_interval(current: float, tau: float, threshold: float = 1.0) -> float:
    """Steps between spikes of a LIF neuron under constant input; inf where it never fires.

    Smallest n with X (1 - (1 - 1/tau)^n) >= threshold, hard reset to 0; its rate is 1 / n per step.
    """
    if current < threshold or (current == threshold and threshold > 0):
        return math.inf  # X = threshold is only approached
    if threshold <= 0:
        return 1
    n = max(1, math.floor(math.log(1 - threshold / current) / math.log1p(-1 / tau)) - 1)
    while lif_response(current, tau, n) < threshold:  # ties: the logarithm rounds either way
        n += 1
    return n


# --- accuracies over seeds ----------------------------------------------------------------------------------


def capability(accuracy: pd.DataFrame) -> pd.DataFrame:
    """Normalised accuracy per task over neurons, (Acc - mean) / sd (MDN, Eq. 7); columns task, neuron, mean.

    The equation prints var(Acc), its text says standard deviation: the population one (divided by n) here.
    Returns tasks x neurons. Raises ValueError where a task and neuron occur twice.
    """
    if accuracy.duplicated(["task", "neuron"]).any():
        raise ValueError("capability needs one accuracy per task and neuron; average over seeds first.")
    wide = accuracy.pivot(index="task", columns="neuron", values="mean")
    return wide.sub(wide.mean(axis=1), axis=0).div(wide.std(axis=1, ddof=0), axis=0)
