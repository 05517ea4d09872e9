"""The name and the tags of a role session: what trust policies and CloudTrail see of a target."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from reltio_export_operator.aws.owner import Owner

LABELS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)
NAMES = st.lists(LABELS, min_size=1, max_size=4).map(".".join)


def test_a_short_name_is_namespace_and_target() -> None:
    assert Owner("sales", "lake").session_name == "sales.lake"


@given(LABELS, NAMES)
def test_aws_takes_every_name_and_tag(namespace: str, target: str) -> None:
    owner = Owner(namespace, target)
    assert re.fullmatch(r"[\w+=,.@-]{2,64}", owner.session_name, re.ASCII)
    for tag in owner.tags:
        assert re.fullmatch(r"[\w .:/=+@-]{1,128}", tag["Key"], re.ASCII)
        assert re.fullmatch(r"[\w .:/=+@-]{0,256}", tag["Value"], re.ASCII)


@given(LABELS, NAMES, LABELS, NAMES)
def test_the_part_before_the_first_dot_belongs_to_one_namespace(a: str, x: str, b: str, y: str) -> None:
    first, second = (Owner(*one).session_name.partition(".")[0] for one in ((a, x), (b, y)))
    assert (first == second) is (a == b)


def test_long_names_with_the_same_beginning_stay_different() -> None:
    namespace, target = "n" * 63, "t" * 252
    names = {
        Owner(namespace[:-1] + one, target + two).session_name for one, two in (("a", "a"), ("a", "b"), ("b", "a"))
    }
    assert len(names) == 3
    assert all(len(name) == 64 for name in names)


def test_a_namespace_of_up_to_40_characters_is_kept_whole_whatever_the_target() -> None:
    assert Owner("n" * 40, "t" * 200).session_name.startswith(f"{'n' * 40}.tttttt_")
    assert Owner("n" * 41, "t").session_name.startswith(f"{'n' * 23}_")
