"""`pytest tests/gpu` on a machine with a CUDA card; skipped without one. It needs torch, triton, numpy and scipy."""

import pytest
import torch


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without a card there is nothing to test."""
    if not torch.cuda.is_available():
        for item in items:
            if "tests/gpu" in item.path.as_posix():
                item.add_marker(pytest.mark.skip(reason="no CUDA card"))
