"""Random workloads that can be repeated."""

import os
import random
import secrets
import sys

import pytest


@pytest.fixture
def choose() -> random.Random:
    """Random choices; the seed is printed, and is taken from FLASHTICKET_TEST_SEED if set."""
    seed = int(os.environ.get("FLASHTICKET_TEST_SEED") or secrets.randbits(32))
    sys.stdout.write(f"To repeat this run: FLASHTICKET_TEST_SEED={seed}\n")
    return random.Random(seed)  # noqa: S311  a workload, not a secret
