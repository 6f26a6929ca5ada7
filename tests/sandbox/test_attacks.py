"""What a daemon that has been taken over may still do: tried for real, without the walls and behind them."""

import os

import pytest

from collector.sandbox import wall
from tests.sandbox.attacks import DONE
from tests.sandbox.ground import Ground, shown, table

pytestmark = [
    pytest.mark.skipif(os.getuid() != 0, reason="root, who may do all of it, has the most to be kept from"),
    pytest.mark.skipif(bool(os.statvfs("/proc").f_flag & os.ST_RDONLY), reason="/proc keeps some of it by itself here"),
    pytest.mark.skipif(bool(wall.prospect("enforce").missing), reason="this kernel or a library lacks a wall"),
]


@pytest.fixture(scope="module")
def before_and_after(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], dict[str, str]]:
    ground = Ground(tmp_path_factory.mktemp("ground"))
    return ground.attacked("off"), ground.attacked("enforce")


def test_all_of_it_can_be_done_without_and_nothing_of_it_inside(
    before_and_after: tuple[dict[str, str], dict[str, str]],
) -> None:
    before, after = before_and_after
    assert {row for row, outcome in before.items() if outcome != DONE} == set()
    assert {row for row, outcome in after.items() if outcome == DONE} == set()


def test_the_readme_shows_what_came_of_it(before_and_after: tuple[dict[str, str], dict[str, str]]) -> None:
    """Renewed by `python -m tests.sandbox.ground`."""
    assert shown() == table(*before_and_after)
