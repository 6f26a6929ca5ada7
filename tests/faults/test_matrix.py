"""The matrix says what is tested, and nothing of it is left without a test or a reason."""

from tests.faults.matrix import ROWS, TABLE, WITHOUT_TEST, marked, render


def test_every_row_has_a_test_or_a_reason_and_not_both() -> None:
    tested = marked().keys()
    assert tested <= ROWS.keys()
    assert {row for row in ROWS if row not in tested} == WITHOUT_TEST.keys()


def test_the_page_is_up_to_date() -> None:
    """Renew it with: make fault-table"""
    assert TABLE.read_text("utf-8") == render()
