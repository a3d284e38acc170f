"""Exponents of all pairs of a tile of points and a block of centres, in registers."""

import triton
import triton.language as tl


@triton.jit
def first_slices(t, here, d, q, FORM: tl.constexpr, WHOLE: tl.constexpr, D: tl.constexpr):
    """All coordinates of the points at `t`, where they come in one block; loaded once."""
    t0 = tl.load(t, mask=here & (q < d), other=0.0)
    if FORM != "float64" and WHOLE:
        t1 = tl.load(t + D, mask=here, other=0.0)
        t2 = tl.load(t + 2 * D, mask=here, other=0.0)
    else:
        t1, t2 = t0, t0
    return t0, t1, t2


@triton.jit
def exponents(
    t, t0, t1, t2, begin, begin_rest, here, s, norm, norm_rest, there, d, q,
    FORM: tl.constexpr, WHOLE: tl.constexpr, P: tl.constexpr, A: tl.constexpr, D: tl.constexpr,
):  # fmt: skip
    """(P, A) float32 of start_i - norm_j + t_i . s_j in bits.

    FORM "float64", or that of `Half`: products of the first slices are exact, and so is their sum with start and norm.
    "columns": start and norm are columns of the slices. "near": the other products are added to what is then near 0;
    "apart": to a sum of their own, since a card cuts off digits of what it adds to.

    Args:
        t: places of the points, (P, D) of the first block of coordinates; float64, or the first of three float16 slices
            which are d apart.
        t0, t1, t2: the points themselves where d <= D (WHOLE).
        begin, begin_rest: (P,).
        here: (P, 1) which points there are.
        s: places of the centres, (D, A).
        norm, norm_rest: places of (A,).
        there: (A,) which centres there are.
        d, q: coordinates, and those of a block.
    """
    if FORM != "float64":
        if FORM == "columns":
            e = tl.zeros((P, A), dtype=tl.float32)
            rest = e
        else:
            e = begin[:, None] - tl.load(norm, mask=there, other=float("inf"))[None, :]
            rest = begin_rest[:, None] - tl.load(norm_rest, mask=there, other=0.0)[None, :]
        if WHOLE:
            s0 = tl.load(s, mask=there, other=0.0)
            s1 = tl.load(s + D, mask=there, other=0.0)
            s2 = tl.load(s + 2 * D, mask=there, other=0.0)
            e = tl.dot(t0, s0, e)
            if FORM == "apart":
                rest = tl.dot(t1, s1, rest)
                rest = tl.dot(t2, s0, rest)
                rest = tl.dot(t0, s2, rest)
                rest = tl.dot(t1, s0, rest)
                rest = tl.dot(t0, s1, rest)
            else:
                e = tl.dot(t1, s1, e)
                e = tl.dot(t2, s0, e)
                e = tl.dot(t0, s2, e)
                e = tl.dot(t1, s0, e)
                e = tl.dot(t0, s1, e)
        else:
            for left in range(0, d, D):
                u0 = tl.load(t + left, mask=here, other=0.0)
                s0 = tl.load(s + left, mask=there, other=0.0)
                e = tl.dot(u0, s0, e)
                u1 = tl.load(t + d + left, mask=here, other=0.0)
                s1 = tl.load(s + d + left, mask=there, other=0.0)
                rest = tl.dot(u1, s1, rest)
                rest = tl.dot(u1, s0, rest)
                rest = tl.dot(u0, s1, rest)
                u2 = tl.load(t + 2 * d + left, mask=here, other=0.0)
                s2 = tl.load(s + 2 * d + left, mask=there, other=0.0)
                rest = tl.dot(u2, s0, rest)
                rest = tl.dot(u0, s2, rest)
        if FORM != "columns":
            e += rest
        return e
    else:
        e = begin[:, None] - tl.load(norm, mask=there, other=float("inf"))[None, :]
        if WHOLE:
            s0 = tl.load(s, mask=there & (q < d)[:, None], other=0.0)
            e = tl.dot(t0, s0, e, input_precision="ieee", out_dtype=tl.float64)
        else:
            for left in range(0, d, D):
                inside = left + q < d
                u0 = tl.load(t + left, mask=here & inside, other=0.0)
                s0 = tl.load(s + left, mask=there & inside[:, None], other=0.0)
                e = tl.dot(u0, s0, e, input_precision="ieee", out_dtype=tl.float64)
        # What counts is within 100 bits of 0, where float32 keeps 4e-6 nats.
        return e.to(tl.float32)
