"""The loop over all centres, and what becomes there of the exponents of a tile of points."""

import triton
import triton.language as tl

from ib_core.mixture.kernels.fused.exponents import exponents, first_slices


@triton.jit
def one_law(
    points, start, start_rest, own, centres, norms, norms_rest, bounds, blocks, counts, out, m, n, d, passes, most,
    FORM: tl.constexpr, WHOLE: tl.constexpr, LISTED: tl.constexpr, P: tl.constexpr, A: tl.constexpr, D: tl.constexpr,
):  # fmt: skip
    """out (parts, m) = sum_jk 2^(start_i - norm_jk + t_i . s_jk) over the atoms j of a part but the own one.

    The weight of an atom is in its norms.

    Args:
        points: (m, d) float64, or (m, 3, d) float16 with d a multiple of D.
        start, start_rest: (m,).
        own: (m,) of the own atom; -1 is none.
        centres: (passes, n, d), or (passes, n, 3, d).
        norms, norms_rest: (passes, n).
        bounds: (parts + 1,) int32 where the parts begin.
        blocks, counts, most: the blocks of A atoms that count, see `Lists`; where not LISTED all do.
        WHOLE: d <= D.
        FORM: see `exponents`.
    """
    # Blocks of large arrays begin at places of 64 bits, which are scalars; within a block 32 bits do.
    begin_i, part = tl.program_id(0).to(tl.int64) * P, tl.program_id(1)
    r, c, q = tl.arange(0, P), tl.arange(0, A), tl.arange(0, D)
    real = begin_i + r < m
    here, size = real[:, None], d
    begin = tl.load(start + begin_i + r, mask=real, other=0.0)
    begin_rest = begin
    if FORM != "float64":
        begin_rest = tl.load(start_rest + begin_i + r, mask=real, other=0.0)
        size = 3 * d
    mine = tl.load(own + begin_i + r, mask=real, other=-1).to(tl.int32)
    low, high = tl.load(bounds + part), tl.load(bounds + part + 1)
    t = points + begin_i * size + (r * size)[:, None] + q
    t0, t1, t2 = first_slices(t, here, d, q, FORM, WHOLE, D)
    offsets = (c * size)[None, :] + q[:, None]
    total = tl.zeros((P,), dtype=tl.float64)
    zero = tl.full((), 0, tl.int64)
    row = part.to(tl.int64) * tl.num_programs(0) + tl.program_id(0)
    if LISTED:
        meet, met = 0, tl.load(counts + row)
    else:
        # Blocks that hold own atoms of the tile come last, and so does one that is not full.
        every, partial = (high - low + A - 1) // A, tl.where((high - low) % A > 0, 1, 0)
        meet = tl.minimum(tl.maximum(tl.min(mine, 0) - low, 0) // A, every)
        until = tl.minimum(tl.maximum(tl.max(mine, 0) - low + A, 0) // A, every)
        meet = tl.where(until > meet, meet, every - partial)
        until = tl.where(partial > 0, every, tl.maximum(until, meet))
        met = until - meet
        for step in range((every - met) * passes):
            block = step // passes
            first = low + (block + tl.where(block >= meet, met, 0)) * A
            at = (zero + step - block * passes) * n + first
            there = first + c < high
            e = exponents(
                t, t0, t1, t2, begin, begin_rest, here, centres + at * size + offsets, norms + at + c,
                norms_rest + at + c, there, d, q, FORM, WHOLE, P, A, D,
            )  # fmt: skip
            total += tl.sum(tl.exp2(e), 1).to(tl.float64)
    for step in range(met * passes):
        block = step // passes
        at = (zero + step - block * passes) * n
        if LISTED:
            block = tl.load(blocks + row * most + block)
        first = low + (block + meet) * A
        at += first
        there = first + c < high
        e = exponents(
            t, t0, t1, t2, begin, begin_rest, here, centres + at * size + offsets, norms + at + c, norms_rest + at + c,
            there, d, q, FORM, WHOLE, P, A, D,
        )  # fmt: skip
        power = tl.where(((first + c)[None, :] == mine[:, None]) | (first + c >= high)[None, :], 0.0, tl.exp2(e))
        total += tl.sum(power, 1).to(tl.float64)
    tl.store(out + part.to(tl.int64) * m + begin_i + r, total, mask=real)


@triton.jit
def reduce(
    points, start, start_rest, own, centres, norms, norms_rest, weights, bounds, blocks, counts, out,
    m, n, d, passes, laws, most,
    HOW: tl.constexpr, FORM: tl.constexpr, WHOLE: tl.constexpr, LISTED: tl.constexpr, ONE_PASS: tl.constexpr,
    K: tl.constexpr, P: tl.constexpr, A: tl.constexpr, D: tl.constexpr,
):  # fmt: skip
    """Of e_ijk = start_i - norm_jk + t_i . s_jk in bits over the atoms j of one part: out (parts, K, m) of
    sum_j w_j sum_k 2^e_ijk without the own atom ("many" laws), out (parts, m) of max_jk e_ijk ("most"), or
    out (m, n) of sum_k 2^e_ijk ("sums").

    Args: those of `one_law`, and weights (n, laws).
    """
    begin_i, part = tl.program_id(0).to(tl.int64) * P, tl.program_id(1)
    r, c, q, k = tl.arange(0, P), tl.arange(0, A), tl.arange(0, D), tl.arange(0, K)
    real = begin_i + r < m
    here, size = real[:, None], d
    begin = tl.load(start + begin_i + r, mask=real, other=0.0)
    begin_rest = begin
    if FORM != "float64":
        begin_rest = tl.load(start_rest + begin_i + r, mask=real, other=0.0)
        size = 3 * d
    mine = tl.load(own + begin_i + r, mask=real, other=-1).to(tl.int32)
    low, high = tl.load(bounds + part), tl.load(bounds + part + 1)
    t = points + begin_i * size + (r * size)[:, None] + q
    t0, t1, t2 = first_slices(t, here, d, q, FORM, WHOLE, D)
    offsets = (c * size)[None, :] + q[:, None]
    found = tl.zeros((P, K), dtype=tl.float64)
    largest = tl.full((P,), -float("inf"), tl.float32)
    zero = tl.full((), 0, tl.int64)
    row, steps = part.to(tl.int64) * tl.num_programs(0) + tl.program_id(0), high - low
    if LISTED:
        steps = tl.load(counts + row) * A
    for step in range(0, steps, A):
        first = low + step
        if LISTED:
            first = low + tl.load(blocks + row * most + step // A) * A
        there = first + c < high
        at = zero + first
        if ONE_PASS:
            e = exponents(
                t, t0, t1, t2, begin, begin_rest, here, centres + at * size + offsets, norms + at + c,
                norms_rest + at + c, there, d, q, FORM, WHOLE, P, A, D,
            )  # fmt: skip
            if HOW == "most":
                largest = tl.maximum(largest, tl.max(tl.where(there[None, :], e, -float("inf")), 1))
            summed = tl.exp2(e)
        else:
            summed = tl.zeros((P, A), dtype=tl.float32)
            for _ in range(passes):
                e = exponents(
                    t, t0, t1, t2, begin, begin_rest, here, centres + at * size + offsets, norms + at + c,
                    norms_rest + at + c, there, d, q, FORM, WHOLE, P, A, D,
                )  # fmt: skip
                if HOW == "most":
                    largest = tl.maximum(largest, tl.max(tl.where(there[None, :], e, -float("inf")), 1))
                else:
                    summed += tl.exp2(e)
                at += n
        if HOW == "sums":
            place = out + begin_i * n + first + (r * n)[:, None] + c
            tl.store(place, summed.to(tl.float64), mask=here & there)
        elif HOW != "most":
            summed = tl.where((first + c)[None, :] == mine[:, None], 0.0, summed)
            of = weights + (zero + first) * laws
            w = tl.load(of + (c * laws)[:, None] + k, mask=there[:, None] & (k < laws), other=0.0)
            found = tl.dot(summed.to(tl.float64), w, found, input_precision="ieee", out_dtype=tl.float64)
    i = begin_i + r
    if HOW == "most":
        tl.store(out + part.to(tl.int64) * m + i, largest.to(tl.float64), mask=real)
    elif HOW != "sums":
        at_law = (part.to(tl.int64) * laws + k)[None, :] * m + i[:, None]
        tl.store(out + at_law, found, mask=here & (k < laws))
