"""Philox and Box-Muller in one launch on a CUDA card, the same numbers as `philox` gives but for their last digits."""

import torch
import triton
import triton.language as tl

PAIRS = 512  # of one program


@triton.jit(do_not_specialize=["key_0", "key_1", "count_2", "count_3"])
def _fill(out, pairs, key_0, key_1, count_2, count_3, P: tl.constexpr):
    place = tl.program_id(0).to(tl.int64) * P + tl.arange(0, P)
    low, high = (place & 0xFFFFFFFF).to(tl.uint32), (place >> 32).to(tl.uint32)
    two, three = low * 0 + count_2.to(tl.uint32), low * 0 + count_3.to(tl.uint32)
    keys = low * 0 + key_0.to(tl.uint32), low * 0 + key_1.to(tl.uint32)
    a, b, c, d = tl.philox_impl(low, high, two, three, keys[0], keys[1], 10)
    first = ((a >> 5).to(tl.float64) * 67108864.0 + (b >> 6).to(tl.float64)) / 9007199254740992.0
    second = ((c >> 5).to(tl.float64) * 67108864.0 + (d >> 6).to(tl.float64)) / 9007199254740992.0
    # 1 - u is exact.
    radius, angle = tl.sqrt(-2.0 * tl.log(1.0 - first)), 6.283185307179586 * second
    tl.store(out + 2 * place, radius * tl.cos(angle), mask=place < pairs)
    tl.store(out + 2 * place + 1, radius * tl.sin(angle), mask=place < pairs)


def fill(out: torch.Tensor, words: tuple[int, int, int, int]) -> None:
    """Standard normal numbers into `out` (an even number of float64 on a CUDA device)."""
    # Beyond 2^32 they all are of one type; what is above 32 bits is cut off again.
    given = (word + 2**32 for word in words)
    _fill[(triton.cdiv(len(out), 2 * PAIRS),)](out, len(out) // 2, *given, PAIRS)
