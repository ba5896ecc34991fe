"""Radial functions of one pair, by their recurrence."""

from __future__ import annotations

import math

from linpot.kernels.compile import kernel


@kernel
def fill_radial(r, parameters, recurrence, radial, d_radial):
    """
    Evaluate ``R_n(r)`` and, if asked for, ``dR_n/dr``.

    Parameters
    ----------
    r : float, A
    parameters : float64[4]
        Cutoff, decay, taper_start, taper_end.
    recurrence : float64[n_radial, 3]
    radial : float64[n_radial], out
    d_radial : float64[n_radial] or None, out, 1/A
    """
    cutoff, decay, start, end = parameters[0], parameters[1], parameters[2], parameters[3]
    n_radial = len(recurrence)
    if r >= cutoff or r < start:
        radial[:] = 0.0
        if d_radial is not None:
            d_radial[:] = 0.0
        return
    floor = math.exp(-decay)
    decayed = math.exp(-decay * r / cutoff)
    x = 1.0 - 2.0 * (decayed - floor) / (1.0 - floor)
    dx = 2.0 * decay / cutoff * decayed / (1.0 - floor)
    angle = math.pi * r / cutoff
    half = 0.5 * (1.0 + math.cos(angle))
    d_half = -0.5 * math.pi / cutoff * math.sin(angle)
    envelope = half * (1.0 - x)
    d_envelope = d_half * (1.0 - x) - half * dx
    if r < end:
        t = (r - start) / (end - start)
        switch = t * t * t * (10.0 - 15.0 * t + 6.0 * t * t)
        d_switch = 30.0 * t * t * (1.0 - t) * (1.0 - t) / (end - start)
        d_envelope = d_envelope * switch + envelope * d_switch
        envelope = envelope * switch
    previous, current = 0.0, recurrence[0, 0] * envelope
    d_previous, d_current = 0.0, recurrence[0, 0] * d_envelope
    radial[0] = current
    if d_radial is not None:
        d_radial[0] = d_current
    for n in range(1, n_radial):
        slope = recurrence[n, 0]
        factor = slope * x + recurrence[n, 1]
        if d_radial is not None:
            d_next = factor * d_current + slope * dx * current - recurrence[n, 2] * d_previous
            d_previous, d_current = d_current, d_next
            d_radial[n] = d_current
        following = factor * current - recurrence[n, 2] * previous
        previous, current = current, following
        radial[n] = current
