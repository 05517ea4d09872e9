"""Every place that calls another system, or parses what came from one, is known, and is read within limits."""

from __future__ import annotations

import ast
import re
from pathlib import Path

OPERATOR = Path(__file__).parents[2] / "operator" / "reltio_export_operator"
OUTSIDE = re.compile(
    r"json\.loads?|json\.decode|json\.Decoder|DECODER\.decode|\.json$|safe_load|yaml\.load|ParserCreate|fromstring|decompressobj|\bZipFile|\.ZipFile|GzipFile"
    r"|urlopen|create_connection|open_connection|AsyncClient|AsyncHTTPTransport|ClientSession|TCPConnector|ApiClient"
    r"|RESTClientObject|URLLib3Session|BotocoreSession|_Session$|boto3\.(Session|client|resource)|_http\.\w+$"
)
# The file and what it calls, and why an answer cannot be without limits there.
KNOWN = {
    ("api/attempt.py", "msgspec.json.decode"): "an annotation, which the API server limits",
    ("api/schedule.py", "msgspec.json.decode"): "as above",
    ("aws/answers.py", "expat.ParserCreate"): "is the limit",
    ("aws/transport.py", "_Session"): "sends with LimitedSession",
    ("aws/transport.py", "boto3.Session"): "as above",
    ("cli/cluster.py", "client.ApiClient"): "is given LimitedRest",
    ("cli/documents.py", "yaml.safe_load_all"): "a file of the user",
    ("cli/receipt.py", "json.loads"): "an object, with a limit of its own",
    ("cli/receipt.py", "msgspec.json.decode"): "as above",
    ("delivery/integrity.py", "zipfile.ZipFile"): "an object, with limits of its own",
    ("delivery/gzip_members.py", "zlib.decompressobj"): "as above",
    ("delivery/manifest_json.py", "json.loads"): "as above",
    ("delivery/manifest_json.py", "_DECODER.decode"): "as above",
    ("aws/models.py", "msgspec.json.decode"): "files of botocore",
    ("kube/kubeconfig.py", "yaml.safe_load"): "a file of the administrator",
    ("kube/rest.py", "msgspec.json.decode"): "what was read within limits",
    ("kube/notices.py", "msgspec.json.Decoder"): "what was read within limits",
    ("kube/slim.py", "msgspec.json.Decoder"): "as above",
    ("kube/slim.py", "msgspec.json.decode"): "what it has encoded itself",
    ("kube/routing.py", "client.ApiClient"): "has the middleware `limiting`",
    ("kube/watching.py", "aiohttp.ClientSession"): "as above",
    ("kube/watching.py", "aiohttp.TCPConnector"): "as above",
    ("reltio/auth.py", "self._http.post"): "the client of reltio/transport.py; the kind of answer is named",
    ("reltio/client.py", "self._http.request"): "as above",
    ("reltio/transport.py", "httpx.AsyncClient"): "its transport reads within limits",
    ("reltio/transport.py", "httpx.AsyncHTTPTransport"): "as above",
    ("schedules/pointer.py", "msgspec.json.decode"): "an object of at most MAX_BYTES",
    ("runtime/answers.py", "msgspec.json.Decoder"): "the parser of what was read within limits",
    ("runtime/answers.py", "zlib.decompressobj"): "is the limit",
    ("runtime/settings.py", "msgspec.json.decode"): "what the operator wrote itself",
    ("runtime/slices.py", "msgspec.json.Decoder"): "the parser of what was read within limits",
    ("runtime/settings_loader.py", "yaml.load"): "a file of the administrator",
}


def found() -> set[tuple[str, str]]:
    calls = set()
    for path in OPERATOR.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and OUTSIDE.search(called := ast.unparse(node.func)):
                calls.add((str(path.relative_to(OPERATOR)), called))
    return calls


def test_every_call_to_the_outside_has_limits() -> None:
    """A new one belongs into KNOWN once it reads within limits, and into `tests/limits/calls.py`."""
    assert found() == set(KNOWN)
