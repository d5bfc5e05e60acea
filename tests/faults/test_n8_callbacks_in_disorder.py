"""N8: callbacks dropped, doubled and out of order, by seed: our book equals the broker's."""

from __future__ import annotations

import pytest

from tests.faults.bursts import burst_in_disorder
from tests.faults.conftest import MakeRoom


@pytest.mark.parametrize("seed", range(1, 3))
def test_the_books_agree_whatever_became_of_the_callbacks(room: MakeRoom, seed: int) -> None:
    burst_in_disorder(room, seed=seed)
