"""Strategies for inputs that are made from nothing."""

from __future__ import annotations

import json

from hypothesis import strategies as st

_ANY_TEXT = st.text(st.characters(codec=None), max_size=40)
_KEYS = st.sampled_from(
    [
        *("id", "status", "name", "error", "errorCode", "errorMessage", "message", "error_description"),
        *("access_token", "expires_in", "taskIds", "groupId", "currentState", "globalStatus", "statusId"),
        *("createdTime", "endTime", "parameters", "exportName", "etaMillis", "metadata", "spec", "uid", "generation"),
        *("conditions", "tasks", "s3", "reltio", "bucket", "roleARN", "export", "path", "Statement", "Effect"),
        *("Action", "Condition", "files", "Principal", "exportedFiles", "numberOfProcessedObjects", "total", "items"),
        *("totalObjects", "success", "submission", "annotations", "finalizers", "kind", "clusters", "contexts"),
    ]
)
_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**63, -(2**64), 10**400])
    | st.floats(allow_nan=False, allow_infinity=False)
    | _ANY_TEXT
    | st.sampled_from(["1e999", "nan", "-1", "2026-01-01T00:00:00Z", "9999-99-99", "*", ""])
)
VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS | _ANY_TEXT, inner, max_size=6),
    max_leaves=12,
)
OBJECTS = st.dictionaries(_KEYS, VALUES, max_size=6)
_JSON = VALUES.map(lambda value: json.dumps(value).encode())
_CUT = st.tuples(_JSON, st.integers(0, 200)).map(lambda pair: pair[0][: pair[1]])
BYTES = _JSON | _CUT | st.binary(max_size=200) | st.text(alphabet='[]{}",:\\u d8tn1e', max_size=60).map(str.encode)
XML = st.text(alphabet="<>/a&;!\"'=- ?%[{", max_size=60).map(str.encode) | BYTES
TEXTS = _ANY_TEXT | st.text(alphabet="%&#x;\\u0041=+ \u200bextid:/.*?$", max_size=80)
DATES = (
    st.datetimes().map(lambda moment: moment.strftime("%a, %d %b %Y %H:%M:%S GMT"))
    | st.text(st.characters(codec="latin-1"), max_size=40)
    | st.integers().map(str)
    | st.text(alphabet="0123456789 :,+-²٣MonJanGT", max_size=40)
)
PROXIES = st.fixed_dictionaries(
    {},
    optional={
        name: st.text(alphabet="htps:/@%[]*.,0123456789aü \n#?", max_size=40) for name in ("HTTPS_PROXY", "NO_PROXY")
    },
)
