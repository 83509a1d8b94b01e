"""Work by threads: in order, little at a time, and over at the first error."""

import pytest

from fewshot.errors import InputError
from fewshot.parallel import in_order


def test_threads_keep_the_order_and_work_on_few_things_at_a_time() -> None:
    started: list[int] = []

    def work(number: int) -> int:
        started.append(number)
        return number * number

    results = in_order(work, range(100), workers=3)
    for number in range(100):
        assert next(results) == number * number
        assert len(started) <= number + 1 + 2 * 3
    assert list(results) == []


def test_threads_stop_at_the_first_error() -> None:
    def work(number: int) -> int:
        if number == 5:
            raise InputError("the sixth is bad")
        return number

    results = in_order(work, range(1000), workers=2)
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(InputError, match="the sixth is bad"):
        next(results)
