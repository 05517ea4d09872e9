"""The target that a session of a role is for, as AWS sees it in the name and the tags of the session."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from ..api.foreign import KNOWN, PROCESS, Secrets

# Letters, digits and _+=,.@- are allowed. https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html (text
# of botocore 1.44.5)
_MAX_NAME = 64
_MAX_NAMESPACE = 40  # a longer one is shortened, so that something of the target's name is left
_HASH = 16  # hexadecimal digits
_TAG = "reltio-export/"


@dataclass(frozen=True)
class Owner:
    """A target. The role session carries its namespace and name, so that policies and CloudTrail can distinguish it."""

    namespace: str
    target: str

    @property
    def session_name(self) -> str:
        """`<namespace>.<target>`; a part that is too long ends with `_` and a hash of the whole.

        No namespace has a dot or an underscore, so the text before the first dot is one namespace and no other, whole
        or shortened: a trust policy may compare with `<namespace>.*`.
        """
        namespace = _shortened(self.namespace, _MAX_NAMESPACE)
        return f"{namespace}.{_shortened(self.target, _MAX_NAME - 1 - len(namespace))}"

    @property
    def secrets(self) -> Secrets:
        """What AWS may repeat in an answer to a call for this target."""
        return KNOWN.of([PROCESS, self.namespace])

    @property
    def tags(self) -> list[dict[str, str]]:
        """The session tags, as AssumeRole takes them."""
        return [
            {"Key": f"{_TAG}namespace", "Value": self.namespace},
            {"Key": f"{_TAG}target", "Value": self.target},
        ]


def _shortened(text: str, room: int) -> str:
    if len(text) <= room:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:_HASH]
    return f"{text[: room - _HASH - 1]}_{digest}"
