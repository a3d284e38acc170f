"""What the loop over all centres takes of the points, and what it is made of: numbers of each row."""

import triton
import triton.language as tl


@triton.jit
def prepare(
    points, offset, scaled, start, rest, m, d, width, grid, reach,
    SCALE: tl.constexpr, HALF: tl.constexpr, COLUMNS: tl.constexpr, P: tl.constexpr, D: tl.constexpr,
):  # fmt: skip
    """Points (m, d) in the units of the sums, and start (m,) = (offset - |t|^2 / 2) in bits; NaN beyond `reach`.

    HALF: in three float16 slices (m, 3, width), the first a multiple of `grid`, and start as a multiple of its square
    and what is left; else in float64. COLUMNS: start in the last six columns, which meet those of `Half`.
    """
    i, q = tl.program_id(0).to(tl.int64) * P + tl.arange(0, P), tl.arange(0, D)
    here = (i < m)[:, None]
    squares, widest = tl.zeros((P,), dtype=tl.float64), tl.zeros((P,), dtype=tl.float64)
    for first in range(0, width, D):
        t = tl.load(points + (i * d + first)[:, None] + q, mask=here & (first + q < d), other=0.0)
        squares += tl.sum(t * t, 1)
        t = t * SCALE  # a constant: numbers that are passed to a kernel are float32
        if HALF:
            at = scaled + (i * (3 * width) + first)[:, None] + q
            within = here & (first + q < width - 6 * COLUMNS)
            coarse = tl.floor(t / grid + 0.5) * grid
            widest = tl.maximum(widest, tl.max(tl.abs(coarse), 1))
            middle = (t - coarse).to(tl.float16)
            tl.store(at, coarse.to(tl.float16), mask=within)
            tl.store(at + width, middle, mask=within)
            tl.store(at + 2 * width, (t - coarse - middle.to(tl.float64)).to(tl.float16), mask=within)
        else:
            tl.store(scaled + (i * d + first)[:, None] + q, t, mask=here & (first + q < d))
    begin = (tl.load(offset + i, mask=i < m, other=0.0) - squares / 2) * 1.4426950408889634
    # float16 has integers up to 2^11.
    begin = tl.where((squares <= reach) & (widest <= 2048.0 * grid), begin, float("nan"))
    if HALF:
        square = grid * grid
        whole = tl.floor(begin / square + 0.5) * square
        left = begin - whole
        if COLUMNS:
            column = tl.arange(0, 8)[None, :]
            at = scaled + (i * (3 * width) + width - 6)[:, None] + column
            high = whole.to(tl.float16)
            middle = (whole - high.to(tl.float64)).to(tl.float16)
            low = (whole - high.to(tl.float64) - middle.to(tl.float64)).to(tl.float16)
            last = tl.where(column == 2, low[:, None], 1.0)
            value = tl.where(column == 0, high[:, None], tl.where(column == 1, middle[:, None], last))
            within = here & (column < 6)
            tl.store(at, value.to(tl.float16), mask=within)
            tl.store(at + width, tl.where(column == 0, left.to(tl.float16)[:, None], 0.0).to(tl.float16), mask=within)
            tl.store(at + 2 * width, tl.zeros((P, 8), dtype=tl.float16), mask=within)
            tl.store(start + i, whole.to(tl.float32), mask=i < m)
        else:
            tl.store(start + i, whole.to(tl.float32), mask=i < m)
            tl.store(rest + i, left.to(tl.float32), mask=i < m)
    else:
        tl.store(start + i, begin, mask=i < m)


@triton.jit
def _totals(
    parts, part_group, n_parts, weights, i, k, m, laws, real, group, atom, value,
    OWN: tl.constexpr, GROUPS: tl.constexpr, P: tl.constexpr,
):  # fmt: skip
    """Of one law: the sums over all parts and over those of the own group, with the own atom's."""
    total, among = tl.zeros((P,), dtype=tl.float64), tl.zeros((P,), dtype=tl.float64)
    for part in range(n_parts):
        found = tl.load(parts + (part * laws + k) * m + i, mask=real, other=0.0)
        total += found
        if GROUPS:
            among += tl.where(tl.load(part_group + part) == group, found, 0.0)
    if OWN:
        term = tl.load(weights + atom * laws + k, mask=real, other=0.0) * value
        total += term
        among += term
    return total, among


@triton.jit
def finish(
    parts, part_group, n_parts, offset, own, own_group, own_value, weights, empty, wanted, logs, good, m, laws,
    smallest, largest, OWN: tl.constexpr, GROUPS: tl.constexpr, WANTED: tl.constexpr, P: tl.constexpr,
):  # fmt: skip
    """Logarithms (1 or 2, m, K) of the sums over parts (parts, K, m) with the own atom's, and where they are good.

    Where the total of any law is too large, none is good: exponents far above 0 have lost digits, whatever the weight.

    Args:
        part_group: (parts,) int32 the group of each part.
        own, own_group: (m,).
        own_value: (m,) sum of the own atom.
        weights: (N, K).
        empty: (C, K) bool where a group has no weight, whose logarithm is -inf.
        wanted: (m, K) bool which entries count; others are 0.
    """
    i, zero = tl.program_id(0).to(tl.int64) * P + tl.arange(0, P), tl.full((), 0, tl.int64)
    real = i < m
    group, atom, value = i, i, tl.zeros((P,), dtype=tl.float64)
    if GROUPS:
        group = tl.load(own_group + i, mask=real, other=0).to(tl.int64)
    if OWN:
        atom = tl.load(own + i, mask=real, other=0).to(tl.int64)
        value = tl.load(own_value + i, mask=real, other=0.0)
    begin = tl.load(offset + i, mask=real, other=0.0)
    most = tl.zeros((P,), dtype=tl.float64)
    for law in range(laws):
        total, among = _totals(
            parts, part_group, n_parts, weights, i, zero + law, m, laws, real, group, atom, value, OWN, GROUPS, P
        )
        most = tl.maximum(most, total)
    for law in range(laws):
        k = zero + law
        total, among = _totals(
            parts, part_group, n_parts, weights, i, k, m, laws, real, group, atom, value, OWN, GROUPS, P
        )
        fine = (total > smallest) & (most < largest)
        log = tl.log(total) - begin
        if WANTED:
            counts = tl.load(wanted + i * laws + k, mask=real, other=0) != 0
            log = tl.where(counts, log, 0.0)
            fine = fine | (counts == 0)
        at = i * laws + k
        tl.store(logs + at, log, mask=real)
        tl.store(good + at, fine.to(tl.int8), mask=real)
        if GROUPS:
            fine = (among > smallest) & (most < largest)
            log = tl.log(among) - begin
            none = tl.load(empty + group * laws + k, mask=real, other=0) != 0
            log = tl.where(none, -float("inf"), log)
            fine = fine | none
            if WANTED:
                log = tl.where(counts, log, 0.0)
                fine = fine | (counts == 0)
            at += (zero + m) * laws
            tl.store(logs + at, log, mask=real)
            tl.store(good + at, fine.to(tl.int8), mask=real)
