"""Every reason that a call to Reltio can fail with: the message, and what to do.

`{answer}` is the HTTP status that Reltio returned with its own words in quotation marks.
"""

from __future__ import annotations

from ..api.reasons import Reason

_RETRIED = "No action is needed; the operator will retry."
_PERSISTS = "No action is needed; the operator will retry. If the error persists, contact Reltio Support."
_SPEC_EXPORT = "Correct spec.export in a new ExportJob."
_DESTINATION = "Correct spec.s3 of the ExportTarget, or spec.path in a new ExportJob."

# -- authentication and permissions

CREDENTIALS_REJECTED = Reason(
    "CredentialsRejected",
    "Reltio rejected the client ID and client secret.",
    "Correct them in the Secret that spec.reltio.credentialsSecretRef names.",
)
TOKEN_REJECTED = Reason(
    "TokenRejected",
    "Reltio rejected a new access token. It returned {answer}.",
    "Check that the client may use this environment (spec.reltio.environment, spec.reltio.authURL).",
)
ACCESS_DENIED = Reason(
    "AccessDenied",
    "Reltio denied the call. It returned {answer}.",
    "There are two usual causes. Add the address from which the operator calls Reltio to the IP allow list of the "
    "tenant: other addresses are denied although the token is valid. Or give the client a role with export permissions "
    "(such as ROLE_API) on the tenant in spec.reltio.tenant.",
)

# -- the request

NOT_FOUND = Reason(
    "NotFound",
    "Reltio did not find the tenant or the task. It returned {answer}.",
    "Check spec.reltio.tenant and spec.reltio.exportServiceURL.",
)
BAD_REQUEST = Reason("BadRequest", "Reltio refused the request. It returned {answer}.", _SPEC_EXPORT)
INVALID_PARAMETER = Reason(
    "InvalidParameter", "Reltio refused a parameter of the export. It returned {answer}.", _SPEC_EXPORT
)
INVALID_DESTINATION = Reason(
    "InvalidParameter", "Reltio refused the destination of the export. It returned {answer}.", _DESTINATION
)
UNENCODABLE_EXPORT = Reason("InvalidParameter", "spec.export cannot be sent to Reltio: {error}.", _SPEC_EXPORT)
UNENCODABLE_HEADER = Reason(
    "InvalidParameter",
    "{parameter} cannot be sent to Reltio, because HTTP headers take printable ASCII characters only.",
    _DESTINATION,
)
PAYLOAD_TOO_LARGE = Reason(
    "PayloadTooLarge",
    "The request is larger than the 50 MB that Reltio takes. It returned {answer}.",
    "Shorten spec.export.filter or the lists in spec.export in a new ExportJob.",
)
PAYLOAD_PART_TOO_LARGE = Reason(
    "PayloadTooLarge",
    "The request is larger than the 50 MB that Reltio takes. It returned {answer}. "
    "The longest part of the request is {field} with {size} bytes.",
    "Shorten {field} in a new ExportJob.",
)
REQUEST_TOO_LONG = Reason(
    "RequestTooLong",
    "The URL or the headers of the request are longer than Reltio takes. It returned {answer}.",
    "Shorten spec.export.filter, spec.export.select or spec.path in a new ExportJob.",
)
PART_TOO_LONG = Reason(
    "RequestTooLong",
    "The URL or the headers of the request are longer than Reltio takes. It returned {answer}. "
    "The longest part of them is {field} with {size} bytes.",
    "Shorten {field} in a new ExportJob.",
)
DESTINATION_BUSY = Reason(
    "DestinationBusy",
    "Another task exports to this directory. Reltio returned {answer}.",
    "No action is needed; the operator follows that task.",
)

# -- limits and outages

RATE_LIMITED = Reason("RateLimited", "Reltio received too many requests. It returned {answer}.", _RETRIED)
TENANT_TASK_LIMIT = Reason(
    "TenantTaskLimit",
    "The tenant has too many background tasks. Reltio returned {answer}.",
    "Wait until other background tasks of the tenant have ended, or ask Reltio to raise the limit.",
)
STORAGE_MISSING = Reason(
    "ServiceStorageMissing",
    "The bucket in which Reltio keeps intermediate data does not exist. Reltio returned {answer}.",
    "Contact Reltio Support.",
)
SERVER_ERROR = Reason("ServerError", "The call failed in Reltio. It returned {answer}.", _PERSISTS)
SERVICE_UNAVAILABLE = Reason("ServiceUnavailable", "Reltio is not available. It returned {answer}.", _PERSISTS)

# -- the connection

UNREACHABLE = Reason(
    "Unreachable",
    "Cannot connect to {host} ({error}).",
    "Check spec.reltio.environment or spec.reltio.exportServiceURL, spec.reltio.authURL, and the network.",
)
CALLS_PAUSED = Reason(
    "CallsPaused",
    "Calls to {host} are paused, because several in a row had no connection or no answer ({error}).",
    "The operator tries again within a minute, and continues by itself. If it persists, check spec.reltio.authURL, "
    "spec.reltio.environment or spec.reltio.exportServiceURL, and the network.",
)
UNTRUSTED_CERTIFICATE = Reason(
    "Unreachable",
    "The certificate of {host} is not trusted.",
    "Behind a proxy that inspects TLS, name its certificate authority in caBundle of the chart; see docs/proxies.md.",
)
INVALID_URL = Reason(
    "InvalidURL",
    "The URL cannot be used: {error}.",
    "Correct spec.reltio.environment, spec.reltio.exportServiceURL or spec.reltio.authURL.",
)
_ALLOW = (
    "Correct spec.reltio.environment, spec.reltio.exportServiceURL or spec.reltio.authURL, or ask the administrator of "
)
HOST_NOT_ALLOWED = Reason(
    "HostNotAllowed",
    "The settings of the operator do not allow {host} as a host of Reltio. Nothing was sent.",
    _ALLOW + "the operator to add the host to the setting reltioHosts.",
)
PLAIN_HTTP_NOT_ALLOWED = Reason(
    "HostNotAllowed",
    "The settings of the operator do not allow http:// for {host}. Nothing was sent.",
    "Use https:// in spec.reltio.exportServiceURL and spec.reltio.authURL, or ask the administrator of the operator to "
    "add the host to the setting insecureHosts.",
)
ADDRESS_NOT_ALLOWED = Reason(
    "HostNotAllowed",
    "{host} has no public address, and the settings of the operator do not allow the one that it has. Nothing was "
    "sent.",
    _ALLOW + "the operator to add the network of the address to the setting privateNetworks.",
)
ANSWER_LOST = Reason("AnswerLost", "{host} did not send a complete answer ({error}).", _RETRIED)
NO_TASK_IDS = Reason("AnswerLost", "Reltio accepted the export, but did not return the ids of its tasks.", _RETRIED)
UNEXPECTED_ANSWER = Reason(
    "UnexpectedAnswer",
    "The answer is not one of Reltio's: {detail}.",
    "Check that spec.reltio.exportServiceURL and spec.reltio.authURL are services of Reltio, not a portal or a proxy.",
)
ANSWER_BEYOND_LIMITS = Reason(
    "AnswerBeyondLimits",
    "The operator stopped reading what {host} sent: {limit}.",
    "Check that spec.reltio.exportServiceURL and spec.reltio.authURL are services of Reltio, not a portal or a proxy. "
    "The operator will retry.",
)
SEARCH_INCOMPLETE = Reason(
    "SearchIncomplete",
    "Reltio's list of tasks is too long to be searched: it did not end within {pages} pages.",
    "Search Reltio's console for exports of this job. Cancel the job if there are none, and create a new one.",
)
NOT_SENT = Reason(
    "NotSent",
    "The submission was not sent, because this replica no longer holds the Lease.",
    "No action is needed; the replica that holds the Lease submits the export.",
)
