"""What is in the image, and what is not."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from image.conftest import ROOT, pod_of, render
from image.pod import Container, Image, oci_spec
from reltio_export_operator import __version__


def files(image: Image) -> Iterator[Path]:
    return (path for path in image.rootfs.rglob("*") if path.is_file() and not path.is_symlink())


async def run_python(image: Image, folder: Path, code: str, *, user: str | None = None, **environment: str) -> Any:
    """Run code in a pod that the chart describes; what it printed, as JSON."""
    pod = pod_of(render())
    pod["containers"][0]["command"] = ["python", "-c", textwrap.dedent(code)]
    pod["containers"][0]["args"] = []
    async with Container(oci_spec(image, pod, {}, environment, user=user), folder) as container:
        exit_code = await container.exit_code()
        output = container.log.read_text()
    assert exit_code == 0, output
    return json.loads(output.splitlines()[-1])


def test_the_image_says_what_it_is(image: Image) -> None:
    labels = {name.rpartition(".")[2]: value for name, value in image.config["Labels"].items()}
    assert labels["version"] == __version__
    assert labels["licenses"] == "Apache-2.0"
    assert labels["title"] == "reltio-export-operator"
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    if head.returncode == 0:
        assert labels["revision"].removesuffix("-dirty") == head.stdout.strip()


def test_the_user_is_a_number_that_is_not_root(image: Image) -> None:
    uid, _, gid = image.config["User"].partition(":")
    assert int(uid) > 0
    assert int(gid) > 0


def test_signals_reach_the_operator_without_a_shell_between(image: Image) -> None:
    assert image.config["Entrypoint"] == ["/venv/bin/python", "-m", "reltio_export_operator"]
    assert image.config["Cmd"] == ["run"]


def test_nothing_in_the_image_installs_or_compiles_programs(image: Image) -> None:
    unwanted = re.compile(r"pip3?(\.\d+)*|gcc.*|g\+\+.*|cc|clang.*|make|ld|as|uv|ensurepip|.*-linux-gnu-gcc.*")
    found = [path for path in image.rootfs.glob("**/bin/*") if unwanted.fullmatch(path.name)]
    packages = ("pip", "ensurepip", "setuptools", "uv")
    found += [path for name in packages for path in image.rootfs.glob(f"**/python3*/**/{name}") if path.is_dir()]
    found += [path for path in files(image) if re.fullmatch(r"(pip|setuptools)-.*\.whl", path.name)]
    assert found == []


def test_nothing_in_the_image_changes_its_user(image: Image) -> None:
    assert [path for path in files(image) if path.stat().st_mode & (stat.S_ISUID | stat.S_ISGID)] == []


def test_every_file_can_be_read_by_any_user(image: Image) -> None:
    ours = [path for folder in ("app", "venv") for path in (image.rootfs / folder).rglob("*") if not path.is_symlink()]
    assert len(ours) > 1000
    assert [path for path in ours if not path.stat().st_mode & stat.S_IROTH] == []
    assert [path for path in ours if path.is_dir() and not path.stat().st_mode & stat.S_IXOTH] == []
    assert [path for path in ours if path.stat().st_mode & stat.S_IWOTH] == []


def test_the_sandbox_is_not_in_the_image(image: Image) -> None:
    assert list(image.rootfs.glob("venv/lib/python*/site-packages/moto")) == []
    assert list((image.rootfs / "app").glob("**/reltio_export_sandbox")) == []


IMPORT_ALL = """
    import importlib, importlib.machinery, json, pkgutil, sys
    compiled = []
    compile_source = importlib.machinery.SourceFileLoader.source_to_code
    def note(self, data, path, *rest, **options):
        compiled.append(str(path))
        return compile_source(self, data, path, *rest, **options)
    importlib.machinery.SourceFileLoader.source_to_code = note
    import reltio_export_operator as package
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    ours = [name for name in sys.modules if name.startswith(package.__name__)]
    print(json.dumps({"compiled": compiled, "ours": len(ours), "all": len(sys.modules)}))
"""


@pytest.mark.parametrize("user", [None, "1000650000:0"], ids=["chart", "openshift"])
async def test_no_module_is_compiled_when_it_is_imported(image: Image, tmp_path: Path, user: str | None) -> None:
    seen = await run_python(image, tmp_path, IMPORT_ALL, user=user)
    assert seen["compiled"] == []
    assert seen["ours"] > 80
    assert seen["all"] > 800


async def test_the_process_has_a_name_and_a_place_to_write_whatever_its_number(image: Image, tmp_path: Path) -> None:
    code = """
        import getpass, json, os, pathlib, tempfile
        refused = []
        for place in ("/", "/app", "/venv", "/var"):
            try:
                pathlib.Path(place, "written").touch()
            except OSError as error:
                refused.append([place, error.errno])
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"x")
        capabilities = [line.split()[1] for line in open("/proc/self/status") if line.startswith("Cap")]
        print(json.dumps({
            "user": getpass.getuser(), "ids": [os.getuid(), os.getgid()], "home": os.path.expanduser("~"),
            "refused": refused, "capabilities": capabilities,
        }))
    """
    seen = await run_python(image, tmp_path, code, user="1000650000:0")
    assert seen["user"] == "reltio"
    assert seen["ids"] == [1000650000, 0]
    assert seen["home"] == "/tmp"
    assert [place for place, _ in seen["refused"]] == ["/", "/app", "/venv", "/var"]
    assert {int(number, 16) for number in seen["capabilities"]} == {0}


async def test_the_services_of_aws_that_are_left_work_in_every_partition(image: Image, tmp_path: Path) -> None:
    code = """
        import boto3, json
        keys = {"aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "secret"}
        def endpoint(service, region):
            return boto3.client(service, region_name=region, **keys).meta.endpoint_url
        regions = ("us-east-1", "eu-central-1", "us-gov-west-1", "cn-north-1")
        found = {f"{s} {r}": endpoint(s, r) for s in ("iam", "kms", "s3", "sts") for r in regions}
        s3 = boto3.client("s3", region_name="eu-central-1", **keys)
        found["signed"] = s3.generate_presigned_url("get_object", Params={"Bucket": "exports", "Key": "k"})
        found["paginator"] = s3.can_paginate("list_objects_v2")
        found["waiter"] = "bucket_exists" in s3.waiter_names
        print(json.dumps(found))
    """
    found = await run_python(image, tmp_path, code)
    assert found["s3 eu-central-1"] == "https://s3.eu-central-1.amazonaws.com"
    assert found["sts us-gov-west-1"] == "https://sts.us-gov-west-1.amazonaws.com"
    assert found["sts cn-north-1"] == "https://sts.cn-north-1.amazonaws.com.cn"
    assert found["iam cn-north-1"].endswith(".amazonaws.com.cn")
    assert found["signed"].startswith("https://exports.s3.")
    assert found["paginator"] is True
    assert found["waiter"] is True


async def test_time_zones_are_known(image: Image, tmp_path: Path) -> None:
    code = """
        import datetime, json, zoneinfo
        zone = zoneinfo.ZoneInfo("Europe/Berlin")
        print(json.dumps(datetime.datetime(2026, 7, 1, tzinfo=zone).isoformat()))
    """
    assert await run_python(image, tmp_path, code) == "2026-07-01T00:00:00+02:00"
    without_the_system = await run_python(image, tmp_path, code, PYTHONTZPATH="")
    assert without_the_system == "2026-07-01T00:00:00+02:00"


async def test_the_versions_in_the_image_are_those_of_the_lock(image: Image, tmp_path: Path) -> None:
    code = """
        import importlib.metadata as metadata, json
        print(json.dumps({d.name.lower().replace("_", "-"): d.version for d in metadata.distributions()}))
    """
    lock = (ROOT / "requirements" / "runtime.txt").read_text()
    pinned = dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", lock.replace("_", "-"), re.MULTILINE))
    installed = await run_python(image, tmp_path, code)
    assert installed.items() <= pinned.items(), set(installed.items()) - set(pinned.items())
    assert len(installed) > 30
