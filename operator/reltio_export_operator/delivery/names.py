"""Finds the objects that a manifest names, however it writes their names. Pure.

The documentation shows bare names. Full keys, URLs and names relative to a directory in between are accepted as well.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import unquote

_S3_SCHEMES = ("s3", "s3a", "s3n")
_WEB_SCHEMES = ("http", "https")
_CHECKSUM_SUFFIXES = (".crc", ".md5", ".sha1", ".sha256")
_NAME_FIELDS = ("key", "path", "name", "fileName", "file", "uri", "url")  # of an entry that is an object


def is_hidden(name: str) -> bool:
    """Whether readers of such directories leave the object out: `_SUCCESS`, `.part-00000.crc`, and the like.

    As FileInputFormat of Hadoop does:
    https://github.com/apache/hadoop/blob/trunk/hadoop-mapreduce-project/hadoop-mapreduce-client/hadoop-mapreduce-client-core/src/main/java/org/apache/hadoop/mapreduce/lib/input/FileInputFormat.java
    """
    return name.lower().endswith(_CHECKSUM_SUFFIXES) or any(part[:1] in ("_", ".") for part in name.split("/"))


def name_in(entry: object) -> str | None:
    """The name in an entry of the list of files, which is a text or an object with one."""
    if isinstance(entry, Mapping):
        entry = next((entry[field] for field in _NAME_FIELDS if isinstance(entry.get(field), str)), None)
    return entry.encode(errors="replace").decode() if isinstance(entry, str) else None  # JSON may have lone surrogates


@dataclass(frozen=True)
class Listed:
    """A name of the manifest. `name` is that of the object in the directory, or as it is shown if there is none."""

    name: str
    is_outside: bool = False


@dataclass(frozen=True)
class Directory:
    """The directory of an attempt, and the names of its objects. `base`: where in it the manifest is, or nothing."""

    bucket: str
    path: str
    names: Mapping[str, object]
    base: str = ""

    @cached_property
    def _by_last_part(self) -> Mapping[str, list[str]]:
        found = defaultdict[str, list[str]](list)
        for name in self.names:
            found[name.rpartition("/")[2]].append(name)
        return found

    @cached_property
    def _ends_of_path(self) -> list[str]:
        """The path without its first directories, longest first: `a/b/c/`, `b/c/`, `c/`."""
        parts = self.path.split("/")
        return ["/".join(parts[start:]) for start in range(len(parts)) if any(parts[start:])]

    def find(self, listed: str) -> Listed:
        """The object that the manifest means."""
        keys = list(self._keys(listed))
        tried = list(dict.fromkeys(self._tried(keys)))
        found = next((name for name in tried if name in self.names), None)
        if found is not None:
            return Listed(found)
        shown = tried[0] if tried else listed
        is_outside = not keys or ".." in shown.split("/") or ("://" in listed and not self._is_within(keys))
        below = [] if is_outside else self._below(keys)
        return Listed(below[0]) if len(below) == 1 else Listed(listed if is_outside else shown, is_outside)

    def _keys(self, listed: str) -> Iterator[str]:
        """The keys that a name may stand for; none if it names another bucket."""
        scheme, separator, rest = listed.partition("://")
        if not separator:
            yield listed.removeprefix(f"{self.bucket}/")
            yield listed
        elif scheme.lower() in _S3_SCHEMES:
            bucket, _, key = rest.partition("/")
            if bucket == self.bucket:
                yield key
                yield unquote(key)
        elif scheme.lower() in _WEB_SCHEMES:
            host, _, rest = rest.partition("/")
            key = unquote(rest.partition("?")[0])
            if host.startswith(f"{self.bucket}."):
                yield key
            elif key.startswith(f"{self.bucket}/"):
                yield key.removeprefix(f"{self.bucket}/")

    def _tried(self, keys: Iterable[str]) -> Iterator[str]:
        for key in keys:
            name = key.removeprefix("./").lstrip("/")
            yield name.removeprefix(self.path)
            yield self.base + name
            yield from (name.removeprefix(end) for end in self._ends_of_path if name.startswith(end))
            yield name
        if len(decoded := {unquote(key) for key in keys}) == 1 and "%" in "".join(keys):
            yield decoded.pop().removeprefix(self.path)

    def _is_within(self, keys: Iterable[str]) -> bool:
        return any(key.startswith(self.path) for key in keys)

    def _below(self, keys: Iterable[str]) -> list[str]:
        """The objects in subdirectories whose names end with the name."""
        name = next(iter(keys)).removeprefix("./").lstrip("/").removeprefix(self.path)
        return [found for found in self._by_last_part.get(name.rpartition("/")[2], ()) if found.endswith(f"/{name}")]
