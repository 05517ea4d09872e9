"""What the files of an export are called, and what they hold."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Sequence
from typing import Any

from .config import SimulatorConfig
from .data import Record
from .submit import Order, normal

EXTENSIONS = {"GZIP": ".gz", "ZIP": ".zip"}


def is_json(order: Order) -> bool:
    """Merge trees are always JSON; all else is what was asked for, CSV by default."""
    return order.export_type == "MERGE_TREE" or order.file_format == "JSON"


def file_name(order: Order, number: int, config: SimulatorConfig) -> str:
    """`part-00000.gz` and the like: the number takes the place of `{{n}}`, or follows the template."""
    template = order.query.get("filenameTemplate", config.default_template)
    digits = f"{number:05d}"
    base = template.replace("{{n}}", digits) if "{{n}}" in template else template + config.number_separator + digits
    return base + _extension(order, config)


def combined_name(order: Order, number: int, config: SimulatorConfig) -> str:
    """`<name>_part_1.zip` and the like, numbered from one; without a size of parts, the only file is `<name>.zip`."""
    name = order.made_up_name if config.combined_names == "exportName" else order.name
    part = f"_part_{number}" if order.part_bytes is not None else ""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name) + part + _extension(order, config)


def key_of(order: Order, name: str, config: SimulatorConfig) -> str:
    """The key of an object of the export, in the path or in the subdirectory that the service adds."""
    directory = normal("/".join((order.destination["s3Path"], config.subdirectory)))
    return f"{directory}/{name}"


def listed_as(order: Order, name: str, config: SimulatorConfig) -> str:
    """How the manifest lists a file."""
    bucket, key = order.destination["s3Bucket"], key_of(order, name, config)
    forms = {"key": key, "s3": f"s3://{bucket}/{key}", "https": link_to(order, name, config)}
    return forms.get(config.manifest_names, name)


def link_to(order: Order, name: str, config: SimulatorConfig) -> str:
    return f"https://{order.destination['s3Bucket']}.s3.amazonaws.com/{key_of(order, name, config)}"


def counts(rows: Sequence[Record], order: Order) -> Counter[str]:
    """What totalObjects may count of these rows: objects, records in the files, and items."""
    items = sum(len(row.get("items", ("itself",))) for row in rows)
    return Counter(objects=len(rows), items=items, records=len(rows) if is_json(order) else items)


def _extension(order: Order, config: SimulatorConfig) -> str:
    if not config.append_extension:
        return ""
    packed, form = EXTENSIONS.get(config.compression, ""), ".json" if is_json(order) else ".csv"
    return form + packed if config.format_extension or not packed else packed


def encoded(rows: Sequence[Record], order: Order, *, as_array: bool = False) -> bytes:
    """The rows as UTF-8: CSV, or JSON with an object per line or all in one array."""
    if not is_json(order):
        return _csv(rows)
    if as_array or order.body.get("outputAsJsonArray"):
        return json.dumps(list(rows)).encode()
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def compressed(content: bytes, name: str, compression: str) -> bytes:
    """GZIP and ZIP carry no time, so that the same rows make the same bytes."""
    if compression == "GZIP":
        return gzip.compress(content, compresslevel=1, mtime=0)
    if compression == "ZIP":
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(zipfile.ZipInfo(name.removesuffix(".zip")), content)
        return out.getvalue()
    return content


def _csv(rows: Sequence[Record]) -> bytes:
    """A column is there only if a row has a value for it; no rows, no columns."""
    flat = [_flat(line) for row in rows for line in _lines(row)]
    columns = list(dict.fromkeys(key for row in flat for key in row))
    if not columns:
        return b""
    out = io.StringIO()
    table = csv.DictWriter(out, columns)
    table.writeheader()
    table.writerows(flat)
    return out.getvalue().encode()


def _lines(row: Record) -> list[Record]:
    """A row of CSV for each item of an activity, which has the columns of the item; other rows as they are."""
    if "items" not in row:
        return [row]
    whole = {key: value for key, value in row.items() if key not in ("items", "itemsTotal")}
    return [{**whole, **item} for item in row["items"]]


def _flat(row: Record) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, dict):
            flat |= {f"{key.capitalize()}.{inner}": text for inner, text in value.items()}
        elif key == "uri":
            flat["ID"] = str(value).partition("/")[2]
        else:
            flat[{"type": "Type"}.get(key, key)] = value
    return flat
