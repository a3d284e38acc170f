"""The compiled loops of the kernel on a CPU: points in tiles, held against one block of centres after another."""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import njit

# All constants of the loops stand here: their machine code on disk is kept until *this* file changes.
BLOCK = 128  # neighbouring atoms of one inner loop, skipped together
WHOLE = 8  # layers narrower than this have loops of their own, which hold a point's coordinates in registers
STEP = 4  # coordinates of one turn of the other loops
DEPTH = 32  # coordinates of one product, a multiple of STEP; several such, summed, err less than one over all
ROWS = 64  # points that meet a block together: their products with it stay in cache
SPREAD = 0.05  # of |t - o| |s - o|, what partial sums of a product that is itself small may have
GAP_ERROR = 2.0**-23  # of a squared distance from a box, for each coordinate
SQUARE_ERROR = 2.0**-46  # of a squared distance in float64, which subtraction from another leaves
FIRST = 16  # blocks that are looked for a nearest centre in the order of their distance
LARGE = 16.0  # bits of doubt from which on it pays to look whether a block counts at all
NEVER = 1e30  # bits; an infinity would not be safe from fast mathematics
LARGEST = np.float32(128.0)  # bits, whose power is infinite; narrow layers stay below it, see `Trial.reach`
ELEMENTWISE = {"nnan", "ninf", "nsz", "contract"}  # no reordering: `exp2` needs (x + ROUND) - ROUND as it stands


def _entry(function: Callable[..., Any], name: str, **options: Any) -> Any:
    """Compile what Python calls, and keep the machine code on disk, or in memory only where no folder can be written.

    Each name has one signature and files of its own. Numba names the files of several by counting: processes that
    compile at the same time would take the same number, and one would load the code of the other.
    """
    function.__qualname__ = "_".join(name.replace(",", "").split())
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:
        return njit(**options)(function)


@njit(fastmath=ELEMENTWISE)
def exp2(x):
    """2^x in float32 within 2e-7, exactly 1 at 0; never below 2^-126; infinite at 128, which x may not exceed."""
    x = max(x, np.float32(-125.0))
    rounded = x + np.float32(12582912.0)  # 1.5 * 2^23: the last bits are the nearest whole number
    part = x - (rounded - np.float32(12582912.0))  # in [-.5, .5]
    power = np.float32(1.326465239e-03)  # minimax in relative error, with the constant held at 1
    power = power * part + np.float32(9.671511324e-03)
    power = power * part + np.float32(5.550733963e-02)
    power = power * part + np.float32(2.402224212e-01)
    power = power * part + np.float32(6.931469775e-01)
    bits = np.float32(power * part + np.float32(1.0)).view(np.int32)
    return np.int32(bits + (np.float32(rounded).view(np.int32) << 23)).view(np.float32)


@njit(fastmath=True)
def _square_gaps(points, low, high, gaps):
    """Squared distances (m,) of points (d, m) from the box with corners low, high (d,)."""
    gaps[:] = 0
    for q in range(points.shape[0]):
        below, above = low[q], high[q]
        coordinates = points[q]
        for i in range(len(coordinates)):
            gap = max(max(below - coordinates[i], coordinates[i] - above), below - below)
            gaps[i] += gap * gap


@njit(fastmath=True)
def _about(points, first, origin, relative, squares, part):
    """Points (d, first to first + ROWS) relative to an origin (d,), and their float64 squares (ROWS,)."""
    squares[:] = 0.0
    for begin in range(0, len(origin), DEPTH):  # sums of sums err less
        part[:] = 0.0
        for q in range(begin, min(begin + DEPTH, len(origin))):
            row, coordinates, middle = relative[q], points[q, first : first + ROWS], origin[q]
            for i in range(ROWS):
                difference = coordinates[i] - middle
                row[i] = difference
                part[i] += difference * difference
        for i in range(ROWS):
            squares[i] += part[i]


@njit(fastmath=ELEMENTWISE)
def _products(relative, d, chosen, centres, gathered, product, part):
    """product (len(chosen), BLOCK) = relative[:, chosen].T @ centres, DEPTH coordinates at a time, four rows at once.

    Each number is made by the same operations wherever it stands, which no BLAS promises: with Haswell kernels of
    OpenBLAS the last bits depend on the position of a row.
    """
    height = -(-len(chosen) // 4) * 4
    rows = relative
    if len(chosen) < ROWS:
        rows = gathered[: len(relative) * height].reshape(len(relative), height)
        for q in range(d):
            for g in range(height):
                rows[q, g] = relative[q, chosen[min(g, len(chosen) - 1)]]
        rows[d:] = 0.0
    for begin in range(0, len(rows), DEPTH):
        target = part if begin else product
        for g in range(0, height, 4):
            t_0, t_1, t_2, t_3 = target[g], target[g + 1], target[g + 2], target[g + 3]
            for q in range(begin, min(begin + DEPTH, len(rows)), STEP):
                a_0, a_1, a_2, a_3 = rows[q, g], rows[q, g + 1], rows[q, g + 2], rows[q, g + 3]
                b_0, b_1, b_2, b_3 = rows[q + 1, g], rows[q + 1, g + 1], rows[q + 1, g + 2], rows[q + 1, g + 3]
                c_0, c_1, c_2, c_3 = rows[q + 2, g], rows[q + 2, g + 1], rows[q + 2, g + 2], rows[q + 2, g + 3]
                d_0, d_1, d_2, d_3 = rows[q + 3, g], rows[q + 3, g + 1], rows[q + 3, g + 2], rows[q + 3, g + 3]
                line_a, line_b, line_c, line_d = centres[q], centres[q + 1], centres[q + 2], centres[q + 3]
                if q == begin:
                    for j in range(BLOCK):
                        a, b, c, e = line_a[j], line_b[j], line_c[j], line_d[j]
                        t_0[j] = a_0 * a + b_0 * b + c_0 * c + d_0 * e
                        t_1[j] = a_1 * a + b_1 * b + c_1 * c + d_1 * e
                        t_2[j] = a_2 * a + b_2 * b + c_2 * c + d_2 * e
                        t_3[j] = a_3 * a + b_3 * b + c_3 * c + d_3 * e
                else:
                    for j in range(BLOCK):
                        a, b, c, e = line_a[j], line_b[j], line_c[j], line_d[j]
                        t_0[j] += a_0 * a + b_0 * b + c_0 * c + d_0 * e
                        t_1[j] += a_1 * a + b_1 * b + c_1 * c + d_1 * e
                        t_2[j] += a_2 * a + b_2 * b + c_2 * c + d_2 * e
                        t_3[j] += a_3 * a + b_3 * b + c_3 * c + d_3 * e
            if begin:
                for r in range(g, g + 4):
                    total, more = product[r], part[r]
                    for j in range(BLOCK):
                        total[j] += more[j]


@njit(fastmath=True)
def _weigh(sums, rows, weights, first, end, totals):
    """totals (m, K) += sums (m, n) @ weights (K, n).T over `rows` and columns `first` to `end`; K is 1 or 4 c."""
    if weights.shape[0] == 1:
        w_0 = weights[0, first:end]
        for i in rows:
            values = sums[i, first:end]
            t_0 = 0.0
            for j in range(len(values)):
                t_0 += np.float64(values[j]) * w_0[j]
            totals[i, 0] += t_0
        return
    for c in range(0, weights.shape[0], 4):
        w_0, w_1 = weights[c, first:end], weights[c + 1, first:end]
        w_2, w_3 = weights[c + 2, first:end], weights[c + 3, first:end]
        for i in rows:
            values = sums[i, first:end]
            t_0 = t_1 = t_2 = t_3 = 0.0
            for j in range(len(values)):
                value = np.float64(values[j])
                t_0 += value * w_0[j]
                t_1 += value * w_1[j]
                t_2 += value * w_2[j]
                t_3 += value * w_3[j]
            totals[i, c] += t_0
            totals[i, c + 1] += t_1
            totals[i, c + 2] += t_2
            totals[i, c + 3] += t_3


@njit(fastmath=True)
def _sum(values):
    """Of float32 numbers."""
    total = np.float32(0.0)
    for j in range(BLOCK):
        total += values[j]
    return total


@njit(fastmath=True)
def _top(values):
    """The largest."""
    top = values[0]
    for j in range(BLOCK):
        top = max(top, values[j])
    return top


@njit
def _doubt(rate, radius, offset, square):
    """Bits by which exponents near 0 may be off, from the squared distance of a point to the middle of the block."""
    size = (radius * radius + abs(offset - square)) / 2 + SPREAD * radius * np.sqrt(square)  # of the products
    return rate * size + SQUARE_ERROR * square


@njit
def _peak(values):
    """The largest of float32 numbers, or 0 if none is above it: the bits of positive numbers are in their order."""
    bits = np.int32(0)
    for j in range(BLOCK):
        bits = max(bits, np.float32(values[j]).view(np.int32))
    return np.int32(bits).view(np.float32)


square_gaps = _entry(_square_gaps.py_func, "square_gaps", fastmath=True)


# Parts of the loop below: each is copied into it before it is compiled, with the constants of its variant. A part for a
# whole tile costs nothing; one for a single point would, since it counts references to its arrays each time.
_part = njit(inline="always")


class Turns(NamedTuple):
    """Some turns of the blocks of centres: what `Blocks` holds, cut along its first side."""

    low: Any  # (turns, blocks, d), like the next two
    high: Any
    origins: Any
    radii: Any  # (turns, blocks)
    atoms: Any  # (turns,) of a block, where lanes are passes
    centres: Any  # (turns, blocks, d or more, BLOCK)
    norms: Any  # (turns, blocks, BLOCK)


class Sums(NamedTuple):
    """What the loop knows of m points, and what it adds up for them: own atoms are left out but where it seeks them."""

    totals: Any  # (2, m, K) under the laws: all atoms, the own atom's group
    matrix: Any  # (m, atoms) within each atom; or (0, atoms), where totals are wanted
    near: Any  # (tiles, blocks) which were not skipped by all points of a tile
    error: Any  # (m,) of exponents from products, in bits
    offset: Any  # (m,) added to every exponent, in bits
    atom: Any  # (m,) own atoms, given or found; -1 for none
    group: Any  # (m,) of the own atom
    power: Any  # (m,) what own atoms that were found added


@_part
def _round(rounded, columns, first):
    """The coordinates (d, ROWS) of a tile in float32."""
    for q in range(len(rounded)):
        row, coordinates = rounded[q], columns[q, first : first + ROWS]
        for i in range(ROWS):
            row[i] = coordinates[i]


@_part
def _limit(limit, offset, cutoff, slack):
    """Squared distances (ROWS,) from a box beyond which the block cannot count."""
    for i in range(ROWS):
        limit[i] = (offset[i] + cutoff) * slack


@_part
def _near(gaps, limit, chosen):
    """How many points the block may count for; `chosen` gets their indices."""
    found = 0
    for i in range(ROWS):  # without a branch, which the processor could not predict
        chosen[found] = i
        found += gaps[i] <= limit[i]
    return found


@_part
def _within_reach(chosen, direct, squares, found, largest):
    """How many of the chosen points products are good enough for, and how many, put into `direct`, need differences."""
    multiplied = differenced = 0
    for i in chosen[:found]:
        inside = squares[i] <= largest
        chosen[multiplied] = i
        direct[differenced] = i
        multiplied += inside
        differenced += not inside
    return multiplied, differenced


@_part
def _add_products(
    block_sums, touched, chosen, multiplied, product, norm, radius, squares, offset, own_atom, error,
    exponents, powers, block, atom, rate, cutoff, wide, by_atom, assigned,
):  # fmt: skip
    """The powers of one turn, by products, for the chosen points."""
    for g in range(multiplied):
        i = chosen[g]
        row, values = block_sums[i], product[g]
        start = norm.dtype.type(offset[i] - squares[i])
        if wide:
            doubt = _doubt(rate, radius, offset[i], squares[i])
            if doubt > LARGE:
                own = own_atom[i] - block * BLOCK
                if by_atom and own == atom:
                    continue
                for j in range(BLOCK):
                    exponents[j] = (start - norm[j]) + (values[j] + values[j])
                if not by_atom and 0 <= own < BLOCK:
                    exponents[own] = -NEVER
                if _top(exponents) + doubt < -cutoff:  # no lane counts, however wrong its exponent is
                    continue
            error[i] = max(error[i], doubt)
        if (by_atom or not assigned) and not touched[i]:
            row[:] = 0.0
        touched[i] = True
        target = powers if by_atom else row
        for j in range(BLOCK):
            exponent = np.float32((start - norm[j]) + (values[j] + values[j]))
            if wide:
                exponent = min(exponent, LARGEST)
            if assigned:
                target[j] = exp2(exponent)
            else:
                target[j] += exp2(exponent)
        if by_atom:
            row[atom] += _sum(powers)


@_part
def _seek(
    block_sums, touched, chosen, multiplied, product, norm, radius, squares, offset, own_atom, error,
    exponents, totals, block, rate,
):  # fmt: skip
    """The same where points take their nearest centre as their own atom: the offset is lowered to it as it is found."""
    for g in range(multiplied):
        i = chosen[g]
        row, values = block_sums[i], product[g]
        start = norm.dtype.type(offset[i] - squares[i])
        for j in range(BLOCK):
            exponents[j] = (start - norm[j]) + (values[j] + values[j])
        peak = _peak(exponents)
        if peak > 0:
            for j in range(BLOCK):
                if exponents[j] == peak:
                    own_atom[i] = block * BLOCK + j
            offset[i] -= peak
            totals[i] *= 2.0 ** -np.float64(peak)
            start = norm.dtype.type(offset[i] - squares[i])
        error[i] = max(error[i], _doubt(rate, radius, offset[i], squares[i]))
        touched[i] = True
        for j in range(BLOCK):
            row[j] = exp2(min(np.float32((start - norm[j]) + (values[j] + values[j])), LARGEST))


@_part
def _add_differences(
    block_sums, touched, direct, differenced, relative, centre, offset,
    exponents, powers, atom, d, width, by_atom, assigned,
):  # fmt: skip
    """The powers of one turn, by differences from the centres (d, BLOCK) of a narrow layer, for the points `direct`."""
    flat = centre.reshape(-1)
    for i in direct[:differenced]:
        row = block_sums[i]
        if (by_atom or not assigned) and not touched[i]:
            row[:] = 0.0
        touched[i] = True
        start = centre.dtype.type(offset[i])
        point = relative[:, i]
        target = powers if by_atom else row
        if width < WHOLE:
            for j in range(BLOCK):
                exponent = start
                for q in range(width):
                    difference = point[q] - flat[q * BLOCK + j]
                    exponent -= difference * difference
                if assigned:
                    target[j] = exp2(np.float32(exponent))
                else:
                    target[j] += exp2(np.float32(exponent))
        else:
            exponents[:] = start
            for q in range(0, d, STEP):
                coordinates = point[q : q + STEP]
                lines = flat[q * BLOCK : (q + STEP) * BLOCK]
                for j in range(BLOCK):
                    exponent = exponents[j]
                    for r in range(STEP):
                        difference = coordinates[r] - lines[r * BLOCK + j]
                        exponent -= difference * difference
                    exponents[j] = exponent
            for j in range(BLOCK):
                if assigned:
                    target[j] = exp2(np.float32(exponents[j]))
                else:
                    target[j] += exp2(np.float32(exponents[j]))
        if by_atom:
            row[atom] += _sum(powers)


@_part
def _without_own(block_sums, touched, chosen, own_atom, own_power, block, seeking):
    """The points (some,) that the block counted for; the sum of their own atom is taken out, or noted where sought."""
    found = 0
    for i in range(ROWS):
        if touched[i]:
            chosen[found] = i
            found += 1
            own = own_atom[i] - block * BLOCK
            if 0 <= own < BLOCK:
                if seeking:
                    own_power[i] = block_sums[i, own]
                else:
                    block_sums[i, own] = 0.0  # the caller adds its exact value
    return chosen[:found]


@_part
def _store(block_sums, rows, matrix):
    """Add the sums within each atom to those of the matrix (ROWS, BLOCK)."""
    for i in rows:
        row, target = block_sums[i], matrix[i]
        for j in range(BLOCK):
            target[j] += row[j]


@_part
def _weigh_groups(block_sums, rows, segments, weights, totals, own_totals, own_group, same, several):
    """Add the sums times the weights (K, BLOCK) of this block to the totals; `segments` are its parts in the groups."""
    for s in range(len(segments)):
        group, begin, end = segments[s, 1], segments[s, 2], segments[s, 3]
        _weigh(block_sums, rows, weights, begin, end, totals)
        if several:
            found = 0
            for i in rows:
                same[found] = i
                found += own_group[i] == group
            _weigh(block_sums, same[:found], weights, begin, end, own_totals)


@cache
def sums_loop(width: int, lanes: str, dtype: str) -> Any:
    """The loop for layers of that width; WHOLE stands for all from there on that take differences, 0 for wider ones.

    A constant number of coordinates is what lets LLVM vectorise. Centres come in the floats of that dtype.
    """
    by_atom = lanes == "passes"
    seeking = lanes == "atoms, one turn, sought"
    assigned = by_atom or seeking or lanes == "atoms, one turn"  # else added to the turns before
    wide = width == 0

    def loop(columns, turns, segments, weights, sums, cutoff, reach, rate):
        # columns (d, m) of the points, segments (S, 4) of (block, group, first, end), weights (blocks, K, BLOCK).
        # Adds all but the own atoms to the totals or, if that has rows, to the matrix, where it sets `near`. Where own
        # atoms are sought, it lowers the offset to the nearest centre, sets the atom and its power, and adds it. In
        # wide layers it raises the error to what products, which err by `rate` of themselves, may cost an exponent
        # that was added.
        low, high, origins, radii, atoms, centres, norms = turns
        n_turns, blocks, d = origins.shape
        rounded, gaps = np.empty((d, ROWS), low.dtype), np.empty(ROWS, low.dtype)
        relative = np.zeros((centres.shape[2], ROWS), centres.dtype)
        gathered = np.empty(relative.size, centres.dtype)
        exponents, powers = np.empty(BLOCK, centres.dtype), np.empty(BLOCK, np.float32)
        product, part = np.empty((ROWS, BLOCK), centres.dtype), np.empty((ROWS, BLOCK), centres.dtype)
        limit, squares, square_parts = np.empty(ROWS), np.empty(ROWS), np.empty(ROWS)
        chosen, direct, same = np.empty(ROWS, np.int64), np.empty(ROWS, np.int64), np.empty(ROWS, np.int64)
        touched, block_sums = np.empty(ROWS, np.bool_), np.empty((ROWS, BLOCK), np.float32)
        several = segments[-1, 1] > 0
        slack = 1.0 + (d + 8) * GAP_ERROR
        for first in range(0, columns.shape[1], ROWS):
            tile = slice(first, first + ROWS)
            offset, own_atom, error = sums.offset[tile], sums.atom[tile], sums.error[tile]
            totals, own_totals = sums.totals[0, tile], sums.totals[1, tile]
            _round(rounded, columns, first)
            _limit(limit, offset, cutoff, slack)
            segment = 0
            for block in range(blocks):
                touched[:] = False
                if seeking:
                    _limit(limit, offset, cutoff, slack)
                for k in range(n_turns):
                    _square_gaps(rounded, low[k, block], high[k, block], gaps)
                    found = _near(gaps, limit, chosen)
                    if not found:
                        continue
                    _about(columns, first, origins[k, block], relative, squares, square_parts)
                    norm, radius = norms[k, block], radii[k, block]
                    largest = reach * abs(reach) / max(radius * radius, 1e-30)
                    multiplied, differenced = _within_reach(chosen, direct, squares, found, largest)
                    if multiplied:
                        _products(relative, d, chosen[:multiplied], centres[k, block], gathered, product, part)
                        if seeking:
                            _seek(
                                block_sums, touched, chosen, multiplied, product, norm, radius, squares, offset,
                                own_atom, error, exponents, totals, block, rate,
                            )  # fmt: skip
                        else:
                            _add_products(
                                block_sums, touched, chosen, multiplied, product, norm, radius, squares, offset,
                                own_atom, error, exponents, powers, block, atoms[k], rate, cutoff,
                                wide, by_atom, assigned,
                            )  # fmt: skip
                    if not wide and differenced:
                        _add_differences(
                            block_sums, touched, direct, differenced, relative, centres[k, block], offset,
                            exponents, powers, atoms[k], d, width, by_atom, assigned,
                        )  # fmt: skip
                rows = _without_own(block_sums, touched, chosen, own_atom, sums.power[tile], block, seeking)
                begin = segment
                while segment < len(segments) and segments[segment, 0] == block:
                    segment += 1
                if len(sums.matrix):
                    sums.near[first // ROWS, block] |= len(rows) > 0
                    _store(block_sums, rows, sums.matrix[tile, block * BLOCK : (block + 1) * BLOCK])
                else:
                    _weigh_groups(
                        block_sums, rows, segments[begin:segment], weights[block], totals, own_totals,
                        sums.group[tile], same, several,
                    )  # fmt: skip

    return _entry(loop, f"sums {width} {lanes} {dtype}", fastmath=ELEMENTWISE)


@cache
def nearest_loop(dtype: str) -> Any:
    """The loop that finds nearest centres, which come in the floats of that dtype."""

    def nearest(points, low, high, origins, centres, enough, smallest):
        # Lowers `smallest` (m,) to the squared distance of each point (m, d) to its nearest centre, or to one that is
        # near enough. The blocks that may hold the nearest come first, and then the others in turn.
        passes, blocks, d = origins.shape
        low, high, origins = low.reshape(-1, d), high.reshape(-1, d), origins.reshape(-1, d)
        centres = centres.reshape(passes * blocks, -1, BLOCK)
        gaps, squares = np.empty(passes * blocks), np.empty(BLOCK, centres.dtype)
        for i in range(points.shape[0]):
            if smallest[i] <= enough:
                continue
            point = points[i]
            for block in range(len(gaps)):
                below, above = low[block], high[block]
                gap = 0.0
                for q in range(d):
                    outside = max(max(below[q] - point[q], point[q] - above[q]), 0.0)
                    gap += outside * outside
                gaps[block] = gap
            for turn in range(FIRST + len(gaps)):
                if smallest[i] <= enough:
                    break
                block = int(gaps.argmin()) if turn < FIRST else turn - FIRST
                if gaps[block] > smallest[i]:
                    if turn < FIRST:
                        break
                    continue
                gaps[block] = NEVER
                squares[:] = 0.0
                for q in range(d):
                    coordinate = centres.dtype.type(point[q] - origins[block, q])
                    line = centres[block, q]
                    for j in range(BLOCK):
                        difference = coordinate - line[j]
                        squares[j] += difference * difference
                smallest[i] = min(smallest[i], squares.min())

    return _entry(nearest, f"nearest {dtype}", fastmath=True)
