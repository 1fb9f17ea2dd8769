import os

import pytest

from benchmarks.kit.instructions import can_count, count_instructions, parse_count


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        pytest.param(
            "123456,,instructions,98765,100.00,1.2,insn per cycle\n", 123456, id="counted"
        ),
        pytest.param("3,,instructions:u,1,100.00,,\n", 3, id="of the program alone"),
        pytest.param("<not supported>,,instructions,0,100.00,,\n", None, id="no counter"),
        pytest.param("<not counted>,,instructions,0,100.00,,\n", None, id="never ran"),
        pytest.param("Error: no permission\n", None, id="an error"),
    ],
)
def test_output_of_perf(output: str, expected: int | None) -> None:
    assert parse_count(output) == expected


def test_each_group_has_a_count_where_the_machine_counts() -> None:
    with count_instructions([os.getpid()], []) as finish:
        sum(range(100_000))
        counted, nothing = finish()
    assert nothing is None
    assert (counted is not None and counted > 100_000) == can_count()
