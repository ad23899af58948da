"""What several tests share: quiet TensorFlow, and real data where it lies beside the checkout."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parent))  # what tests share lies beside this file: picture_zoo

CHECKOUT = Path(__file__).resolve().parent.parent
SHARED_DATA = CHECKOUT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def checkout() -> Path:
    return CHECKOUT


@pytest.fixture(scope="session")
def shared_photographs() -> Path:
    folder = SHARED_DATA / "photos"
    if not folder.is_dir():
        pytest.skip("needs the development photographs, which a public checkout does not have")
    return folder
