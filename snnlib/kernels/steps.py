"""One time step of each neuron and its adjoint on scalars: what the compiled kernels are made of.

Plain functions, compiled twice: by numba for the CPU (``cpu.py``) and by Triton for the GPU (``gpu.py``).
They restate ``reference.py`` in the same order of operations, so that spikes agree to the last bit; the
adjoints are written by hand and tested against autograd through the reference.

``charge(x, v, u, p, c) -> (fired, v, u)`` takes the input current, the state after the last step's reset,
the neuron's own parameters ``p`` and the layer's constants ``c`` (``reference.constants``, all in the
precision of the arithmetic, which literals would leave); ``adjoint(x, v, u, p, c, gs, gv, gu)`` takes the
same and the gradients of spike and next state, and returns the gradients of x, v, u and of the four ``p``.
One signature serves all: a neuron with a single state passes ``u`` through, unused parameters are 0.
"""

# Where each constant stands in c.
THRESHOLD, WIDTH, LIMIT, ZERO, ONE, V_RESET, DT, QUADRATIC, LINEAR, CONSTANT = range(10)


def select(condition, a, b):
    """Both compilers replace this by their own."""
    return a if condition else b


def saturate(x, limit):
    x = select(x < -limit, -limit, x)
    return select(limit < x, limit, x)


def pass_inside(g, raw, saturated, zero):
    """The gradient of ``saturate``."""
    return select(raw == saturated, g, zero)


def window(g, x, half_width, zero):
    return select((x < half_width) & (x > -half_width), g, zero)


def arctan(g, x, pi, one):
    y = pi * x
    return g / (one + y * y)


def first_order(x, v, u, p, c):
    h = saturate(p[0] * v + x, c[LIMIT])
    fired = h - c[THRESHOLD] > c[ZERO]
    return fired, select(fired, c[ZERO], h), u


def first_order_adjoint(x, v, u, p, c, gs, gv, gu):
    threshold, half_width, limit, zero = c[THRESHOLD], c[WIDTH], c[LIMIT], c[ZERO]
    decay = p[0]
    raw = decay * v + x
    h = saturate(raw, limit)
    fired = h - threshold > zero
    gh = select(fired, zero, gv) + window(gs - gv * h, h - threshold, half_width, zero)
    gh = pass_inside(gh, raw, h, zero)
    return gh, gh * decay, gu, gh * v, zero, zero, zero


def second_order(x, v, u, p, c):
    theta_a, theta_b, theta_c, theta_d = p[0], p[1], p[2], p[3]
    h = saturate(v + (v * v - v - u + x), c[LIMIT])
    w = saturate(u + theta_a * (theta_b * v - u), c[LIMIT])
    fired = h - c[THRESHOLD] > c[ZERO]
    return fired, select(fired, theta_c, h), select(fired, w + theta_d, w)


def second_order_adjoint(x, v, u, p, c, gs, gv, gu):
    threshold, half_width, limit, zero, one = c[THRESHOLD], c[WIDTH], c[LIMIT], c[ZERO], c[ONE]
    theta_a, theta_b, theta_c, theta_d = p[0], p[1], p[2], p[3]
    raw_v = v + (v * v - v - u + x)
    raw_u = u + theta_a * (theta_b * v - u)
    h, w = saturate(raw_v, limit), saturate(raw_u, limit)
    fired = h - threshold > zero
    through_spike = window(gs + gv * (theta_c - h) + gu * theta_d, h - threshold, half_width, zero)
    gh = pass_inside(select(fired, zero, gv) + through_spike, raw_v, h, zero)
    gw = pass_inside(gu, raw_u, w, zero)
    return (
        gh,
        gh * (v + v) + gw * theta_a * theta_b,
        gw * (one - theta_a) - gh,
        gw * (theta_b * v - u),
        gw * theta_a * v,
        select(fired, gv, zero),
        select(fired, gu, zero),
    )


def lif(x, v, u, p, c):
    v_reset = c[V_RESET]
    h = saturate(v + p[0] * (x - (v - v_reset)), c[LIMIT])
    fired = h - c[THRESHOLD] >= c[ZERO]
    return fired, select(fired, v_reset, h), u


def lif_adjoint(x, v, u, p, c, gs, gv, gu):
    threshold, pi, limit, zero, one = c[THRESHOLD], c[WIDTH], c[LIMIT], c[ZERO], c[ONE]
    k = p[0]
    drive = x - (v - c[V_RESET])
    raw = v + k * drive
    h = saturate(raw, limit)
    fired = h - threshold >= zero
    gh = pass_inside(arctan(gs, h - threshold, pi, one) + select(fired, zero, gv), raw, h, zero)
    gk = gh * k
    return gk, gh - gk, gu, gh * drive, zero, zero, zero


def izhikevich(x, v, u, p, c):
    a, b, reset_v, jump_u = p[0], p[1], p[2], p[3]
    dt, quadratic, linear, constant = c[DT], c[QUADRATIC], c[LINEAR], c[CONSTANT]
    h = saturate(v + dt * (quadratic * v * v + linear * v + constant - u + x), c[LIMIT])
    w = saturate(u + dt * (a * (b * v - u)), c[LIMIT])
    fired = h - c[THRESHOLD] > c[ZERO]
    return fired, select(fired, reset_v, h), select(fired, w + jump_u, w)


def izhikevich_adjoint(x, v, u, p, c, gs, gv, gu):
    threshold, half_width, limit, zero = c[THRESHOLD], c[WIDTH], c[LIMIT], c[ZERO]
    dt, quadratic, linear, constant = c[DT], c[QUADRATIC], c[LINEAR], c[CONSTANT]
    a, b, reset_v, jump_u = p[0], p[1], p[2], p[3]
    raw_v = v + dt * (quadratic * v * v + linear * v + constant - u + x)
    raw_u = u + dt * (a * (b * v - u))
    h, w = saturate(raw_v, limit), saturate(raw_u, limit)
    fired = h - threshold > zero
    through_spike = window(gs + gv * (reset_v - h) + gu * jump_u, h - threshold, half_width, zero)
    gh = pass_inside(select(fired, zero, gv) + through_spike, raw_v, h, zero)
    gw = pass_inside(gu, raw_u, w, zero)
    gx = dt * gh
    ga = dt * gw
    return (
        gx,
        gh + gx * (quadratic * (v + v) + linear) + ga * a * b,
        gw - ga * a - gx,
        ga * (b * v - u),
        ga * a * v,
        select(fired, gv, zero),
        select(fired, gu, zero),
    )
