"""Which kind of policy denied a call, by the words of AWS, and what to do about it.

The forms of the messages and the kinds of policies:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/troubleshoot-403-errors.html#access-denied-message-examples,
https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html and, for the ARN of the policy,
https://aws.amazon.com/blogs/security/enhanced-access-denied-error-messages-with-policy-arns
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..api.foreign import Quoted, own
from ..api.reasons import Reason
from . import messages

ASSUME_ROLE = "sts:AssumeRole"

# IAM names the caller, the action and the resource, then why. The resource may be the random key of a probe object: it
# is not kept.
_CALLER = re.compile(r"\bUser: (?P<arn>arn:\S+)")
_ACTION = re.compile(r"not authorized to perform: (?P<action>[\w-]+:\w+)")
_EXPLANATION = re.compile(r"\b(?:because |with an explicit deny\b).*", re.DOTALL)
# "with an explicit deny in a VPC endpoint policy transitively through a service control policy": the last one counts.
_THROUGH = "transitively through"
# Words that say nothing beyond that the call is denied.
_PLAIN = re.compile(r"access denied|access is denied|forbidden|not authorized to perform:? ?[\w-]+:\w+", re.IGNORECASE)
_ROOT = "root account"  # https://github.com/kubeflow/testing/pull/961

# That may be named instead of the action that was called.
_ACTIONS = frozenset(
    {
        *("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom"),
        *(ASSUME_ROLE, "sts:TagSession", "sts:SetSourceIdentity"),
    }
)

_OF_S3 = {
    "identity-based policy": messages.DENIED_BY_ROLE_POLICY,
    "resource-based policy": messages.DENIED_BY_BUCKET_POLICY,
    "permissions boundary": messages.DENIED_BY_ROLE_BOUNDARY,
    "session policy": messages.DENIED_BY_SESSION_POLICY,
    "sessions policy": messages.DENIED_BY_SESSION_POLICY,  # so in the examples of the IAM User Guide
    "VPC endpoint policy": messages.DENIED_BY_ENDPOINT_POLICY,
    "service control policy": messages.DENIED_BY_ORGANIZATION,
    "resource control policy": messages.DENIED_BY_ORGANIZATION,
}
_OF_STS = {
    "identity-based policy": messages.ASSUMING_DENIED_BY_OWN_POLICY,
    "role trust policy": messages.ASSUMING_DENIED_BY_TRUST_POLICY,
    "resource-based policy": messages.ASSUMING_DENIED_BY_TRUST_POLICY,
    "permissions boundary": messages.ASSUMING_DENIED_BY_OWN_BOUNDARY,
    "session policy": messages.ASSUMING_DENIED_BY_OWN_SESSION,
    "sessions policy": messages.ASSUMING_DENIED_BY_OWN_SESSION,
    "VPC endpoint policy": messages.ASSUMING_DENIED_BY_ENDPOINT_POLICY,
    "service control policy": messages.ASSUMING_DENIED_BY_ORGANIZATION,
    "resource control policy": messages.ASSUMING_DENIED_BY_ORGANIZATION,
}
# Actions that AssumeRole needs as well.
_BESIDE = {"sts:TagSession": messages.TAGGING_DENIED, "sts:SetSourceIdentity": messages.SOURCE_IDENTITY_DENIED}


@dataclass(frozen=True)
class Denial:
    """A message of IAM about a denied call. `caller` is the ARN of a user, or of the role of a session, `action` like
    ``s3:PutObject``, `kind` a kind of policy, `explanation` the words of AWS about it; each may be empty.
    `to_root`: the caller is the root user of an account.
    """

    caller: str
    action: str
    kind: str
    explanation: str
    to_root: bool = False

    @classmethod
    def of(cls, said: str, quotable: Quoted) -> Denial:
        """`said` decides. What may not be quoted of it is not shown, unless it is a word of AWS that is known here."""
        words = " ".join(said.split())
        caller, action, why = _CALLER.search(quotable), _ACTION.search(words), _EXPLANATION.search(words)
        shown = _EXPLANATION.search(quotable)
        known = action is not None and (action["action"] in _ACTIONS or action[0] in quotable)
        explanation = shown[0] if shown else ""
        if not explanation and action is None and not _PLAIN.fullmatch(words.rstrip(".")):
            explanation = quotable
        return cls(
            principal(caller["arn"]) if caller else "",
            action["action"] if action is not None and known else "",
            _kind(why[0]) if why else "",
            explanation.rstrip("."),
            to_root=_ROOT in words,
        )

    @property
    def quoted(self) -> Quoted:
        """Why, in the words of AWS where they may be quoted."""
        if self.explanation:
            return own(f'"{self.explanation}"')
        return own(f"by a {self.kind}" if self.kind else "no reason given")

    def reason(self, action: str) -> Reason:
        """The reason for a denied call of this action."""
        denied = self.action or action
        if denied.startswith("kms:"):
            return messages.KMS_ACTION_DENIED
        if action != ASSUME_ROLE:
            return _OF_S3.get(self.kind, messages.ACCESS_DENIED)
        if denied in _BESIDE:
            return _BESIDE[denied]
        if self.to_root:
            return messages.ASSUMING_DENIED_TO_ROOT
        unnamed = messages.ASSUMING_DENIED_OTHERWISE if self.explanation else messages.ASSUME_ROLE_DENIED
        return _OF_STS.get(self.kind, unnamed)


def _kind(explanation: str) -> str:
    """The kind of policy that an explanation names, empty if none: the first one, or that behind _THROUGH."""
    words = explanation.lower()
    _, _, last = words.rpartition(_THROUGH)
    at = {kind: last.find(kind.lower()) for kind in _OF_STS}
    return min((kind for kind in at if at[kind] >= 0), key=lambda kind: at[kind], default="")


def principal(arn: str) -> str:
    """The ARN of a caller as a policy names it: of a session the role, without its path, which AWS does not return.

    A session has its name from a process, and a policy can name only the role, or one session as a whole:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html#principal-role-session
    """
    kind, _, rest = arn.rstrip(".,").partition(":assumed-role/")
    return f"{kind.replace(':sts:', ':iam:')}:role/{rest.partition('/')[0]}" if rest else kind
