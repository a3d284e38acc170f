"""The fingerprint of a stage: it hears code, not prose, and only the code its numbers come from."""

import ast

from tasks.fingerprint import _hash, fingerprint


def test_prose_changes_nothing_and_code_does():
    plain = 'def f(x):\n    """Twice."""\n    return 2 * x  # why\n'
    reworded = 'def f(x):\n    """Double of x."""\n\n    return 2*x\n'
    changed = 'def f(x):\n    """Twice."""\n    return 3 * x\n'
    hashes = [_hash(ast.parse(text)) for text in (plain, reworded, changed)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_stage_counts_the_mathematics_it_reaches_and_no_machinery():
    information = fingerprint("information")
    assert {"tasks.information", "ib_core.estimators.sample_propagation", "ib_core.mixture.atoms"} <= set(information)
    assert not {"tasks.store", "tasks.unit", "tasks.fanout", "tasks.tracking", "ib_core.bounds"} & set(information)
    assert "ib_core.bounds" in fingerprint("bounds")
