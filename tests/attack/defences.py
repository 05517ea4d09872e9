"""The code that takes one defence away, for the control of a row: it runs in the operator's process before it starts.

A name that the product no longer has makes the operator end at once, and with it the control.
"""

from __future__ import annotations

_ANY_HOST = """
from reltio_export_operator.reltio.hosts import ReltioHosts
assert ReltioHosts.check_url and ReltioHosts.check_request and ReltioHosts.check_address
ReltioHosts.check_url = ReltioHosts.check_request = lambda self, url: None
ReltioHosts.check_address = lambda self, host, address: None
ReltioHosts.permits = lambda self, address: True
"""

PRELUDES: dict[str, str] = {
    "Secrets opt in": """
from reltio_export_operator.api import opt_in
assert opt_in.has_opted_in
opt_in.has_opted_in = lambda type_, labels: True
""",
    "allowed roles": """
from reltio_export_operator.runtime.allowed_roles import AllowedRoles
assert AllowedRoles.allows
AllowedRoles.allows = lambda self, namespace, role_arn: True
""",
    "masking of secrets": """
from reltio_export_operator.api import foreign
assert foreign.quote and foreign.Needles.mask
foreign.quote = lambda text, secrets, limit=512: text._text if isinstance(text, foreign.ForeignText) else str(text)
foreign.Needles.mask = lambda self, text, cut=False: text
""",
    "allowed hosts": _ANY_HOST,
    "redirects are not followed": _ANY_HOST
    + """
import httpx
from reltio_export_operator.reltio import transport
send = httpx.AsyncClient.send
async def following(self, request, **options):
    return await send(self, request, **{**options, "follow_redirects": True})
httpx.AsyncClient.send = following
""",
    "only documented errors are quoted": """
from reltio_export_operator.reltio import quoting
assert quoting.outline
quoting.outline = lambda response: response.text[:512]
""",
    "answer limits": """
from reltio_export_operator.runtime import bounds
bounds.lift_answer_limits()
""",
    "limits of deliveries": """
from reltio_export_operator.delivery import limits
limits.LIMITS = limits.UNLIMITED
""",
}
