"""Services that repeat a secret of the request in their answers, in words that a plain comparison does not find."""

from __future__ import annotations

import asyncio
import base64
import html
import json
from collections.abc import Callable, Iterator
from urllib.parse import quote

from reltio_export_sandbox.environment import ROLE

from .gateway import text
from .rows import Attack, Row
from .stage import CLIENT, Stage

SECRET = "Ext/ID+7f=1c:9b@Qz"  # with characters that encodings change, and capitals
_MASK = "masking of secrets"


def _percent(value: str) -> str:
    return "".join(f"%{byte:02X}" for byte in value.encode())


PHRASINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "percent-encoded": lambda value: quote(value, safe=""),
    "percent-encoded in lower case": lambda value: quote(value, safe="").lower(),
    "every byte percent-encoded": _percent,
    "as numbers of HTML": lambda value: "".join(f"&#{ord(char)};" for char in value),
    "in upper case": str.upper,
    "in lower case": str.lower,
    "in base64": lambda value: base64.b64encode(value.encode()).decode(),
    "as JSON escapes": lambda value: "".join(f"\\u{ord(char):04x}" for char in value),
    "with zero-width spaces": lambda value: "\u200b".join(value),
}


def rows() -> Iterator[Row]:
    for how, phrase in PHRASINGS.items():
        yield Row(f"Reltio repeats the external ID {how}", _MASK, _from_reltio(phrase))
        yield Row(f"STS repeats the external ID {how}", _MASK, _from_sts(phrase))
    for secret in ("ab", "cde"):
        yield Row(f"Reltio repeats an external ID of {len(secret)} characters", _MASK, _from_reltio(str, secret))
    yield Row("the token endpoint repeats the client secret", _MASK, _from_token_endpoint)


def _from_reltio(phrase: Callable[[str], str], secret: str = SECRET) -> Attack:
    said = f"Cannot assume the role with [{phrase(secret)}]"

    async def attack(stage: Stage) -> str:
        await stage.secret()
        stage.reltio.on("/export/", text(400, json.dumps({"errorMessage": said, "errorCode": 400})), method="POST")
        await _target(stage, secret)
        await stage.world.job()
        await stage.outcome("ExportJob", "nightly")
        return await _leaked(stage, f"[{phrase(secret)}]")

    return attack


def _from_sts(phrase: Callable[[str], str]) -> Attack:
    said = html.escape(f"The request with [{phrase(SECRET)}] is not valid")
    answer = f"<ErrorResponse><Error><Code>ValidationError</Code><Message>{said}</Message></Error></ErrorResponse>"

    async def attack(stage: Stage) -> str:
        await stage.secret()
        stage.aws.on("", text(400, answer, "text/xml"), body="Action=AssumeRole")
        await _target(stage, SECRET)
        await stage.outcome("ExportTarget", "lake")
        return await _leaked(stage, f"[{phrase(SECRET)}]")

    return attack


async def _from_token_endpoint(stage: Stage) -> str:
    await stage.secret()
    said = json.dumps({"errorMessage": f"client with secret {CLIENT.secret} is locked"})
    stage.reltio.on("/oauth/token", text(423, said))
    await stage.target()
    await stage.outcome("ExportTarget", "lake")
    return await _leaked(stage, CLIENT.secret)


async def _target(stage: Stage, external_id: str) -> None:
    cloud = stage.world.sandbox.cloud
    await asyncio.to_thread(cloud.set_external_id, ROLE, external_id)
    await stage.target(externalID=external_id)


async def _leaked(stage: Stage, said: str) -> str:
    published = await stage.published()
    forms = {said, json.dumps(said)[1:-1], said.replace("\\", "\\\\")}
    return "a secret" if any(form in published for form in forms) else ""
