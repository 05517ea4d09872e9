"""What may be quoted of an answer that is not the expected one.

Who may create targets reads the status, and chooses the host that answers as far as the settings allow it. So text is
quoted only if the answer is an error as Reltio documents it; of all others only the outline is shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import httpx

_MEDIA_TYPE = re.compile(r"[a-z]+/[a-z0-9][a-z0-9.+-]{0,63}")
_OAUTH_ERROR = re.compile(r"[a-z_]{1,64}")


def quotable(body: Mapping[str, Any]) -> str:
    """The text of a documented error; empty if the body is none.

    The API has errorMessage with errorCode, severity or errorDetailMessage, or alone; the token service has error with
    error_description, as in RFC 6749.
    """
    message, error = body.get("errorMessage"), body.get("error")
    if isinstance(message, str) and message.strip():
        return message
    description = body.get("error_description")
    if isinstance(error, str) and _OAUTH_ERROR.fullmatch(error):
        return description if isinstance(description, str) and description.strip() else error
    return ""


def outline(response: httpx.Response) -> str:
    """Content type and length of the body, such as `text/html, 512 bytes`."""
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    shown = media_type if _MEDIA_TYPE.fullmatch(media_type) else "no known content type"
    return f"{shown}, {len(response.content)} bytes"
