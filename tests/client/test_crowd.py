"""Two hundred tasks, each a process of its own, on one division with sixty calls a minute."""

from __future__ import annotations

import pytest

from tests.client.crowd import Crowd


@pytest.mark.parametrize("calls", [1, 5])
@pytest.mark.parametrize(
    ("at_once", "start_up"),
    [(4, 0.5), (16, 0.5), (32, 0.5), (32, 0.1), (64, 0.5), (200, 0.5)],
)
def test_all_finish_and_hardly_a_call_meets_the_limit(at_once, start_up, calls):
    crowd = Crowd(200, at_once, calls, start_up=start_up).run()
    assert crowd.finished == 200
    assert crowd.share_refused <= 0.02
    # A tenth of each minute is left to those who were not heard of, and the last minute is rarely a full one.
    assert crowd.minutes < 200 * calls / 60 / 0.9 + 1.1


def test_processes_that_never_hear_of_each_other_all_finish_too():
    crowd = Crowd(200, 200, delay=None).run()
    assert crowd.finished == 200
