"""Every reason that a condition or a check of an ExportTarget can have.

Reasons that belong to one check may be beside it in `checks.py`. Reasons of failed calls come from `reltio/messages.py`
and `aws/messages.py`.
"""

from __future__ import annotations

from ..api.reasons import Reason
from ..api.target import NOT_UNDERSTOOD

# -- conditions

PROVEN = {
    "AssumeRole": Reason(
        "Verified",
        "Every check passed for the operator's AWS principal. Only an export proves it for Reltio's principal.",
    ),
    "Inspect": Reason(
        "Verified", "The role's policies allow Reltio's principals what exports need. The role was not assumed."
    ),
    "AssumeRoleAndInspect": Reason(
        "Verified", "Every check passed for the operator's AWS principal, and the role's policies name Reltio's."
    ),
}
HEALTHY = {
    "ReltioAuthenticated": Reason("Verified", "Reltio accepts the client, which can read the tenant."),
    "RoleAssumable": Reason("Verified", "The role can be assumed with the external ID."),
    "BucketAccessible": Reason("Verified", "List, put, get and delete work under the path."),
    "Recommended": Reason("Verified", "There are no recommendations."),
}
NOT_CHECKED = Reason("NotVerified", "Not checked in mode {mode}.")
VERIFYING_AGAIN = Reason("", "{error} The operator will verify the target again soon.")
CANARY_DECIDES = Reason("CanaryRunning", "A canary export shows whether Reltio can use the role.")
VERIFICATION_DISABLED = Reason("VerificationDisabled", "spec.verification.mode is Disabled.")
READY_UNVERIFIED = Reason(
    "VerificationDisabled", "The target was not verified, because spec.verification.mode is Disabled."
)
REFUSED = Reason("NotVerified", "Not checked, because the settings of the operator do not allow the target.")
SUSPENDED = Reason("Suspended", "The target is suspended.", "Set spec.suspend to false to continue.")

# -- checks

NOT_REACHED = Reason("NotReached", "Not checked yet.")
BLOCKED = Reason("NotReached", "Not checked, because {check} failed.")
PROBE_TIMEOUT = Reason(
    "ProbeTimeout",
    "The check did not finish within {seconds:.0f} s.",
    "Check the network between the operator and the service.",
)
INTERNAL_ERROR = Reason(
    "InternalError", "The check failed with {error}.", "See the log of the operator. It will try again."
)
SECRET_NOT_ALLOWED = Reason(
    "SecretNotAllowed",
    "Secret {secret} has not opted in to be used by the operator. It was not used.",
    "To allow it, run `{command}`.",
)
SECRET_UNUSABLE = Reason(
    "SecretUnusable",
    "{error}",
    "Create or correct the Secret, or correct {field}.",
    about="A Secret was not found, may not be read, or does not have a usable value under a key that the target names.",
)
OPERATOR_IS = Reason("Passed", "The operator is {caller}.")
SMALLER_SESSION_POLICY = Reason(
    "Passed",
    "The session is limited to the bucket, not to the path: STS did not take the longer session policy, for which the "
    "session tags may leave no room.",
)
NO_SESSION_POLICY = Reason(
    "Passed",
    "The session may do what the role may: STS did not take a session policy, for which the session tags may leave no "
    "room, or which an S3-compatible store may not know.",
)
ONLY_PREVIOUS_EXTERNAL_ID = Reason(
    "Passed", "Only the previous external ID works: the role's trust policy does not have the current one yet."
)
REGION_UNKNOWN = Reason("Passed", "The bucket exists. AWS did not return its region.")
IN_REGION = Reason("Passed", "The bucket is in {region}.")
BUCKET_REGION_MISMATCH = Reason(
    "BucketRegionMismatch",
    "Bucket {bucket} is in {region}, not in {configured}.",
    "Set spec.s3.region of the ExportTarget to {region}, or remove it.",
)
ENCRYPTED = Reason("Passed", "Objects can be written and read with {algorithm}.")
NO_EXTERNAL_ID = Reason(
    "NoExternalID",
    "The target has no external ID, so the role trusts everybody who can make its principal act.",
    "Set spec.s3.externalID or externalIDSecretRef, and require it in the role's trust policy.",
)
EXTERNAL_ID_NOT_REQUIRED = Reason(
    "ExternalIDNotRequired",
    "The role can be assumed {how}, so everybody who can make its principal act can write to this bucket.",
    "Add the condition StringEquals sts:ExternalId to the role's trust policy.",
)
EXTERNAL_ID_NOT_EXACT = Reason(
    "ExternalIDNotExact",
    "The trust policy of {role} compares the external ID with a pattern, so it accepts others as well.",
    "Use StringEquals instead of StringLike for sts:ExternalId in the trust policy.",
)
SESSION_ALLOWED = Reason("Passed", "The role allows sessions of {hours} hours.")
SESSION_TOO_SHORT = Reason(
    "SessionTooShort",
    "The role does not allow sessions of 12 hours, which Reltio asks for so that large exports can finish.",
    "Set the role's maximum session duration (MaxSessionDuration) to 43200 seconds.",
)
SESSION_NOT_READABLE = Reason(
    "NotReadable",
    "The operator uses a role itself, so AWS limits its sessions to one hour, and it may not read the role's setting.",
    "Allow the operator iam:GetRole on the role, or check that MaxSessionDuration is 43200.",
)
PROVEN_BY_CANARY = Reason(
    "Passed",
    "The policies have conditions that the operator does not evaluate. Reltio delivered the canary export with them.",
)
ROLE_NOT_READABLE = Reason(
    "RoleNotReadable",
    "{error}",
    "Allow the operator iam:GetRole, iam:ListRolePolicies, iam:GetRolePolicy, iam:ListAttachedRolePolicies, "
    "iam:GetPolicy and iam:GetPolicyVersion.",
    about="The policies of the role cannot be read.",
)
TRUSTED = Reason("Passed", "The trust policy allows {principals} to assume the role with the external ID.")
PRINCIPAL_NOT_TRUSTED = Reason(
    "PrincipalNotTrusted",
    "The trust policy of {role} does not allow {principals} to assume it with the external ID of the target.",
    "Name the principal in the trust policy and let sts:ExternalId equal spec.s3.externalID.",
)
TRUST_NOT_UNDERSTOOD = Reason(
    NOT_UNDERSTOOD,
    "The trust policy has conditions that the operator does not evaluate. Only an export shows whether they hold.",
    "Set spec.verification.canary to true to run one. If the policy names a user or role of an account that is in "
    "spec.verification.reltioPrincipals, you can list its ARN there instead.",
)
REFUSAL_NOT_UNDERSTOOD = Reason(NOT_UNDERSTOOD, "The trust policy has conditions that the operator does not evaluate.")
PERMITTED = Reason("Passed", "The permission policies allow list, put, get and delete under the path.")
ACTION_NOT_ALLOWED = Reason(
    "ActionNotAllowed",
    "The policies of {role} do not allow {actions} under {path}.",
    "Allow {actions} in a permission policy of the role.",
)
PERMISSIONS_NOT_UNDERSTOOD = Reason(
    NOT_UNDERSTOOD,
    "The permission policies have conditions that the operator does not evaluate.",
    "Set spec.verification.canary to true to run an export.",
)

# -- what the operator does not understand

SPEC_NOT_UNDERSTOOD = Reason(
    "SpecNotUnderstood",
    "This release of the operator cannot read the target: {error}.",
    "Correct the field, or run the release of the operator that belongs to the installed CRDs.",
)
STATUS_VALUES_IGNORED = Reason(
    "StatusNotUnderstood",
    "{problems} The operator uses defaults instead, and keeps what is stored.",
    "Correct it with `kubectl edit exporttarget {name} -n {namespace} --subresource=status`, or run the release of "
    "the operator that wrote it.",
)

OVERLAPPING_RELEASES = Reason(
    "OverlappingReleases",
    "The operators of Leases {releases} both work on this target and its jobs. Each job is still exported once, but "
    "more jobs than spec.maxConcurrentJobs may run, and the settings of either operator may apply.",
    "Uninstall one of them, or give them different namespaces in watch.namespaces.",
)

# -- the canary export

CANARY_RUNNING = Reason("CanaryRunning", "The canary export runs as ExportJob {job}.")
CANARY_DELIVERED = Reason("CanaryDelivered", "Reltio delivered the canary export.")
CANARY_FAILED = Reason(
    "", "The canary export failed: {error}", "To retry it, run: kubectl reltio-export verify {target}."
)
CANARY_NOT_CREATED = Reason("CanaryNotCreated", "ExportJob {job} cannot be created: {error}")
CANARY_NAME_TAKEN = Reason(
    "CanaryNameTaken", "ExportJob {job} exists and does not belong to this target.", "Delete it."
)

# -- events that repeat the message of condition Ready

VERIFICATION_FAILED = Reason("VerificationFailed", "{message}", about="The target is not Ready.")
VERIFIED = Reason("Verified", "{message}", about="The target is Ready.")
