"""docs/rgw.md lists the deviations that `make rgw-test` probes."""

from __future__ import annotations

from pathlib import Path

from rgw.deviations import DEVIATIONS

PAGE = Path(__file__).parents[3] / "docs" / "rgw.md"


def test_the_page_lists_each_deviation_that_is_probed_and_no_other() -> None:
    rows = PAGE.read_text().partition("| Deviation |")[2].partition("\n\n")[0].splitlines()[2:]
    assert [row.split("|")[1].strip() for row in rows] == [deviation.name for deviation in DEVIATIONS]
