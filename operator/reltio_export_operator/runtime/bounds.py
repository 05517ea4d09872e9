"""The limits of what other systems may answer: sizes, nesting, numbers of values, and time.

Every answer is read by `runtime/answers.py` or through it. Objects of S3 have limits of their own (`delivery/`,
`aws/bodies.py`), because they are data and not answers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from enum import Enum

_KIB, _MIB = 1 << 10, 1 << 20


class Answer(Enum):
    """A kind of answer that has limits."""

    RELTIO = "Reltio"
    SUBMISSION = "Reltio's submission"
    TOKEN = "the token service"  # noqa: S105 - the name of a service
    AWS = "AWS"
    AWS_ERROR = "AWS to a failed call"
    CREDENTIALS = "the credentials endpoint"
    API_SERVER = "the API server"
    DISCOVERY = "API discovery"


@dataclass(frozen=True)
class AnswerLimits:
    """The most that one answer may take; infinity switches a limit off.

    `encoded_bytes`: as received. `decoded_bytes`: after decompression. `error_bytes`: the same of an answer with an
    error status, of which the rest is left out; errors of AWS are a kind of their own. `depth`: of nested values.
    `entries`: values and keys of JSON, elements and attributes of XML. `seconds`: from the request to the last byte of
    the answer.
    """

    encoded_bytes: float
    decoded_bytes: float
    error_bytes: float
    depth: float
    entries: float
    seconds: float


# A parsed answer takes up to ten times its size. What is larger than a slice is parsed in slices (runtime/slices.py);
# to split 4 MiB with 100,000 values keeps the event loop for some 15 ms.
_LIMITS = {
    # A page has at most 100 tasks, of some kilobytes each.
    Answer.RELTIO: AnswerLimits(4 * _MIB, 4 * _MIB, 64 * _KIB, 32, 100_000, 60.0),
    # Some ids. Reltio may take a minute for them, after a minute of waiting for a connection.
    Answer.SUBMISSION: AnswerLimits(1 * _MIB, 1 * _MIB, 64 * _KIB, 32, 10_000, 150.0),
    # A token of some kilobytes.
    Answer.TOKEN: AnswerLimits(256 * _KIB, 256 * _KIB, 64 * _KIB, 16, 1_000, 30.0),
    # A page of 1,000 keys with 1,024 bytes, of which each takes three when it is escaped, and 400 bytes more in 9
    # elements. The parser of botocore holds the interpreter for some 30 ms.
    Answer.AWS: AnswerLimits(4 * _MIB, 4 * _MIB, 4 * _MIB, 32, 20_000, 60.0),
    # A code and a message, of some kilobytes. It is refused and not cut: XML cannot be parsed without its end.
    # botocore goes through the elements of an error several times.
    Answer.AWS_ERROR: AnswerLimits(256 * _KIB, 256 * _KIB, 256 * _KIB, 32, 1_000, 60.0),
    # Credentials of some kilobytes, from this node.
    Answer.CREDENTIALS: AnswerLimits(256 * _KIB, 256 * _KIB, 64 * _KIB, 16, 1_000, 30.0),
    # etcd takes objects of 1.5 MiB. A page that is larger is asked for again with fewer objects.
    Answer.API_SERVER: AnswerLimits(4 * _MIB, 4 * _MIB, 256 * _KIB, 64, 100_000, 60.0),
    # The names of a hundred groups and versions, which kopf parses at once.
    Answer.DISCOVERY: AnswerLimits(1 * _MIB, 1 * _MIB, 256 * _KIB, 32, 20_000, 60.0),
}


def answer_limits(kind: Answer) -> AnswerLimits:
    """The limits that hold now."""
    return _LIMITS[kind]


def change_answer_limits(*kinds: Answer, **values: float) -> None:
    """Set fields of AnswerLimits, of all kinds when none is named. For tests, which need small limits or none."""
    for kind in kinds or tuple(Answer):
        _LIMITS[kind] = replace(_LIMITS[kind], **values)


def lift_answer_limits(*names: str) -> None:
    """Switch these fields of AnswerLimits off, or all. For tests that show what the limits prevent."""
    change_answer_limits(**dict.fromkeys(names or tuple(each.name for each in fields(AnswerLimits)), math.inf))


# How often the delay of the event loop is sampled: a longer delay is always noticed.
LOOP_SAMPLE_SECONDS = 0.05
