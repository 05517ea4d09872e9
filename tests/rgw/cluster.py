"""Ceph from Debian's packages with one process of each kind: a monitor, an OSD in memory and the RADOS gateway (RGW).

The monitor and the gateway listen on loopback only, and everything they write is in one temporary directory.
"""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import shutil
import socket
import struct
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx

PACKAGES = ("radosgw", "ceph-mon", "ceph-osd", "ceph-common")
REGION = "us-east-1"
_HOST = "127.0.0.1"
_START_SECONDS = 120.0
_CONFIG = """
[global]
fsid = {fsid}
mon host = [v2:{host}:{mon}]
mon initial members = a
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
ms bind ipv4 = true
ms bind ipv6 = false
public addr = {host}
cluster addr = {host}
run dir = {directory}
admin socket = {directory}/$name.sock
log file = {directory}/$name.log
keyring = {directory}/keyring
mon cluster log file = {directory}/cluster.log
mon data = {directory}/mon
osd data = {directory}/osd
osd objectstore = memstore
memstore device bytes = 2147483648
memstore page set = false
osd crush chooseleaf type = 0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon warn on pool no redundancy = false
mon osd min in ratio = 0
mon data avail crit = 1
mon data avail warn = 1
mon max pg per osd = 2000
osd max pg per osd hard ratio = 100
osd memory target = 939524096
rgw frontends = beast endpoint={host}:{http} tcp_nodelay=1
rgw sts key = {sts_key}
rgw s3 auth use sts = true
rgw max chunk size = 1048576
rgw thread pool size = 32
"""


class CephError(Exception):
    """Ceph did not start, or a command of it failed."""


@dataclass(frozen=True)
class Keys:
    id: str
    secret: str


def install() -> None:
    """Install the packages that are missing, as root on Debian. Raises CephError."""
    if all(shutil.which(name) for name in ("radosgw", "ceph-mon", "ceph-osd", "ceph")):
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise CephError(f"Ceph is missing. Install the packages {', '.join(PACKAGES)}.")
    quiet = {"env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, "stdout": subprocess.DEVNULL}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *PACKAGES]):
        if subprocess.run(["apt-get", "-qq", *command], check=False, **quiet).returncode:  # type: ignore[call-overload]
            raise CephError(f"apt-get {command[0]} failed.")


class Ceph:
    """A cluster in this directory. `start` takes some seconds, and `stop` ends the processes that were started."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._processes: list[subprocess.Popen[bytes]] = []
        self._http = _free_port()
        self.url = f"http://{_HOST}:{self._http}"

    def start(self) -> None:
        """Raises CephError."""
        own = self._directory
        for name in ("mon", "osd", "rgw"):
            (own / name).mkdir()
        monitor, fsid = _free_port(), str(uuid.uuid4())
        sts_key = secrets.token_hex(8)  # RGW takes exactly 16 characters
        (own / "ceph.conf").write_text(
            _CONFIG.format(fsid=fsid, host=_HOST, mon=monitor, http=self._http, directory=own, sts_key=sts_key)
        )
        self._write_keyring()
        self._run(
            "monmaptool", "--create", "--fsid", fsid, "--addv", "a", f"[v2:{_HOST}:{monitor}]", str(own / "monmap")
        )
        self._run("ceph-mon", "-i", "a", "--mkfs", "--monmap", str(own / "monmap"), "--keyring", str(own / "keyring"))
        self._spawn("ceph-mon", "-i", "a")
        self._eventually("the monitor", lambda: self._ceph("-s"))
        self._ceph("osd", "new", fsid)
        self._ceph("auth", "add", "osd.0", "-i", str(own / "keyring"))
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", fsid, "--osdspec-affinity", "")
        self._spawn("ceph-osd", "-i", "0")
        self._eventually("the OSD", self._osd_is_up)
        self._spawn("radosgw", "-n", "client.admin")
        self._eventually("RGW", self._answers)

    def stop(self) -> None:
        """End the processes, the gateway first."""
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()

    def create_user(self, account: str, name: str, *, caps: str) -> Keys:
        """A user in a tenant of RGW, whose name takes the place of the account id in ARNs.

        `caps`: rights of the administration API, such as ``roles=*``.
        """
        keys = Keys(secrets.token_hex(10).upper(), secrets.token_hex(20))
        named = ["--tenant", account, "--uid", name, "--display-name", name]
        with_keys = ["--access-key", keys.id, "--secret-key", keys.secret, "--caps", caps]
        self._run("radosgw-admin", "-n", "client.admin", "user", "create", *named, *with_keys)
        return keys

    def version(self) -> str:
        """Such as ``ceph version 16.2.15``."""
        return " ".join(self._run("radosgw", "--version").split()[:3])

    def memory_mib(self) -> int:
        """Resident memory of the processes, in MiB."""
        statuses = [Path(f"/proc/{process.pid}/status").read_text() for process in self._processes]
        return sum(int(status.partition("VmRSS:")[2].split()[0]) for status in statuses) // 1024

    def client(self, service: Any, keys: Keys) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=keys.id,
            aws_secret_access_key=keys.secret,
        )

    def _write_keyring(self) -> None:
        """One key for all: `client.admin` runs the gateway as well."""
        everything = {"mon": "allow *", "osd": "allow *", "mds": "allow *", "mgr": "allow *"}
        lines = []
        for name, caps in (("mon.", {"mon": "allow *"}), ("client.admin", everything), ("osd.0", everything)):
            lines += [f"[{name}]", f"key = {_secret_key()}", *(f'caps {kind} = "{may}"' for kind, may in caps.items())]
        keyring = self._directory / "keyring"
        keyring.touch(mode=0o600)
        keyring.write_text("\n".join(lines) + "\n")

    def _osd_is_up(self) -> None:
        if "1 up" not in self._ceph("osd", "stat"):
            raise CephError("The OSD is not up.")

    def _answers(self) -> None:
        try:
            httpx.get(self.url, trust_env=False)
        except httpx.HTTPError as error:
            raise CephError(str(error)) from None

    def _ceph(self, *arguments: str) -> str:
        return self._run("ceph", "--connect-timeout", "5", *arguments)

    def _run(self, program: str, *arguments: str) -> str:
        command = [program, "-c", str(self._directory / "ceph.conf"), *arguments]
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL
        )
        if done.returncode:
            raise CephError(f"{program} {arguments[0]} failed: {done.stderr.strip()[-500:]}")
        return done.stdout

    def _spawn(self, program: str, *arguments: str) -> None:
        command = [program, "-f", "-c", str(self._directory / "ceph.conf"), *arguments]
        output = (self._directory / f"{program}.out").open("wb")
        with output:
            self._processes.append(subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL))

    def _eventually(self, what: str, check: Any) -> None:
        end = time.monotonic() + _START_SECONDS
        while True:
            try:
                check()
            except CephError as error:
                ended = [process for process in self._processes if process.poll() is not None]
                if ended or time.monotonic() > end:
                    raise CephError(f"Ceph did not start ({what}): {error}") from None
                time.sleep(0.2)
            else:
                return


@contextlib.contextmanager
def ceph(directory: Path) -> Iterator[Ceph]:
    """A running cluster, ended with the block."""
    cluster = Ceph(directory)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def _secret_key() -> str:
    """A key of cephx: type 1, the time, the length, and 16 random bytes."""
    key = secrets.token_bytes(16)
    return base64.b64encode(struct.pack("<hiih", 1, int(time.time()), 0, len(key)) + key).decode()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((_HOST, 0))
        port: int = found.getsockname()[1]
        return port
