"""Writing an export to the customer's bucket, as the customer's role."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

import boto3
from botocore.config import Config

from .data import Record
from .submit import Order, normal

_CONFIG = Config(retries={"max_attempts": 1}, connect_timeout=5, read_timeout=30)


class Writer:
    """Assumes the role of each order and writes through it. Blocking: runs in a thread."""

    def __init__(self, endpoint: str, key_id: str, secret: str) -> None:
        self._endpoint = endpoint
        self._key = {"aws_access_key_id": key_id, "aws_secret_access_key": secret}

    def write(self, order: Order, rows: Sequence[Record], first: int, per_file: int, compression: str) -> list[str]:
        """Write the rows as part files numbered from `first`; returns their names."""
        s3, place = self._bucket(order), order.place
        names = []
        for number, chunk in enumerate(_chunks(rows, per_file), first):
            content = _encode(chunk, order)
            name = _name(order, number, compression)
            self._put(s3, order, f"{place[1]}/{name}", gzip.compress(content) if compression == "GZIP" else content)
            names.append(name)
        return names

    def finish(self, order: Order, names: Sequence[str], objects: int, seconds: float) -> None:
        """Read back, clean up and write the manifest, last of all. Uses all four actions the role must allow."""
        s3, (bucket, path) = self._bucket(order), order.place
        s3.list_objects_v2(Bucket=bucket, Prefix=f"{path}/", MaxKeys=1)
        marker = f"{path}/_writing"
        self._put(s3, order, marker, b"")
        s3.get_object(Bucket=bucket, Key=marker)
        s3.delete_object(Bucket=bucket, Key=marker)
        manifest = {
            "success": True,
            "files": list(names),
            "totalObjects": objects,
            "totalNumberOfFiles": len(names),
            "duration": f"PT{int(seconds)}S",
            "outputFileFormat": str(order.query.get("fileFormat", "csv")).upper(),
        }
        self._put(s3, order, f"{path}/manifest.json", json.dumps(manifest).encode())

    def _bucket(self, order: Order) -> Any:
        region = order.destination.get("s3Region", "us-east-1")
        common = {"endpoint_url": self._endpoint, "region_name": region, "config": _CONFIG}
        external = {"ExternalId": order.destination["externalId"]} if "externalId" in order.destination else {}
        session: Any = boto3.Session()
        credentials = session.client("sts", **common, **self._key).assume_role(
            RoleArn=order.destination["roleArn"], RoleSessionName="reltio-export", **external
        )["Credentials"]
        return session.client(
            "s3",
            **common,
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"],
        )

    @staticmethod
    def _put(s3: Any, order: Order, key: str, body: bytes) -> None:
        more = {}
        if "s3Sse" in order.destination:
            more["ServerSideEncryption"] = order.destination["s3Sse"]
        if "s3SseKmsKey" in order.destination:
            more["SSEKMSKeyId"] = order.destination["s3SseKmsKey"]
        s3.put_object(Bucket=order.destination["s3Bucket"], Key=normal(key), Body=body, **more)


def _chunks(rows: Sequence[Record], size: int) -> Iterator[Sequence[Record]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _name(order: Order, number: int, compression: str) -> str:
    template = str(order.query.get("filenameTemplate", "part-{{n}}"))
    digits = f"{number:05d}"
    base = template.replace("{{n}}", digits) if "{{n}}" in template else template + digits
    fallback = str(order.query.get("fileFormat", "csv")).lower()
    return f"{base}.gz" if compression == "GZIP" else f"{base}.{fallback}"


def _encode(rows: Sequence[Record], order: Order) -> bytes:
    if order.export_type == "MERGE_TREE" or str(order.query.get("fileFormat", "csv")).upper() == "JSON":
        if order.body.get("outputAsJsonArray"):
            return json.dumps(list(rows)).encode()
        return "".join(json.dumps(row) + "\n" for row in rows).encode()
    flat = [_flat(row) for row in rows]
    columns = list(dict.fromkeys(key for row in flat for key in row))
    out = io.StringIO()
    table = csv.DictWriter(out, columns)
    table.writeheader()
    table.writerows(flat)
    return out.getvalue().encode()


def _flat(row: Record) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, dict):
            flat |= {f"{key.capitalize()}.{inner}": text for inner, text in value.items()}
        else:
            flat[{"uri": "ID", "type": "Type"}.get(key, key)] = value
    return flat
