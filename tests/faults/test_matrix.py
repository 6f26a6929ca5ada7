"""The matrix says what is tested, and nothing of it is left without a test."""

from tests.faults.matrix import ROWS, TABLE, marked, render


def test_every_row_has_a_test() -> None:
    assert marked().keys() == ROWS.keys()


def test_the_page_is_up_to_date() -> None:
    """Renew it with: make fault-table"""
    assert TABLE.read_text("utf-8") == render()
