"""Leave out of the image what the operator never uses, and compile the rest.

    python3 hack/image_trim.py packages VENV APP    in the stage that builds: site-packages of VENV, and APP beside it
    python3 hack/image_trim.py system               in the stage that becomes the image's root: the base image

Bytecode is compiled as unchecked-hash: Python uses it whatever times the files have after they were copied between
stages, and does not look for changes in the sources. Nothing in a read-only image changes.
"""

from __future__ import annotations

import compileall
import os
import py_compile
import re
import shutil
import stat
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

# Services of AWS whose descriptions stay: what the operator calls, and what botocore's credential providers call.
AWS_SERVICES = {"iam", "kms", "s3", "signin", "sso", "sso-oidc", "sts"}

# What installs packages, draws windows or shows documentation, in Debian's own layout and in that of python:slim.
SYSTEM_UNUSED = (
    "usr/{local/,}lib{,64}/python3.*/{ensurepip,idlelib,lib2to3,pydoc_data,test,tkinter,turtledemo}",
    "usr/{local/,}lib{,64}/python3*/{site,dist}-packages/{pip,setuptools,wheel}{,-*}",
    "usr/{local/,}lib{,64}/python3*/{site,dist}-packages/{pkg_resources,_distutils_hack,distutils-precedence.pth}",
    "usr/{local/,}bin/{pip,idle,2to3,pydoc}*",
    "usr/share/python-wheels",
    "usr/share/{locale,man,info}/*",
    "var/cache/*/*",
    "var/lib/apt/lists/*",
    "var/log/*",
    "debootstrap",
)


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def trim_aws(site: Path) -> None:
    for data in (site / "botocore" / "data", site / "boto3" / "data"):
        for service in data.iterdir():
            if service.is_dir() and service.name not in AWS_SERVICES:
                remove(service)


def words(*folders: Path) -> set[str]:
    """Every word in the Python sources of these folders."""
    sources = (path.read_text() for folder in folders for path in folder.rglob("*.py"))
    return {word for source in sources for word in re.findall(r"\w+", source)}


def trim_kubernetes(site: Path, app: Path) -> None:
    """Remove the generated classes of API groups, such as AppsV1Api, that neither the operator nor its libraries name.

    They are half of all that is installed. The models stay: answers are decoded into whatever they say they are.
    """
    package = site / "kubernetes"
    generated = [package / "client", package / "aio" / "client"]
    written = [folder for folder in (*package.iterdir(), *(package / "aio").iterdir()) if folder.is_dir()]
    used = words(app, site / "kopf", *(folder for folder in written if folder.name not in ("client", "aio")))
    for client in generated:
        for path in (client / "api").glob("*_api.py"):
            classes = re.findall(r"^class (\w+Api)\b", path.read_text(), re.MULTILINE)
            if not used.intersection(classes):
                remove(path)


def alternatives(pattern: str) -> Iterator[str]:
    """A pattern with braces, as in a shell, as patterns without."""
    before, brace, rest = pattern.partition("{")
    if not brace:
        yield pattern
        return
    choices, _, after = rest.partition("}")
    for choice in choices.split(","):
        yield from alternatives(before + choice + after)


def trim_system() -> None:
    root = Path("/")
    for pattern in SYSTEM_UNUSED:
        for one in alternatives(pattern):
            for path in list(root.glob(one)):
                remove(path)
    for path in root.glob("usr/share/doc/**/*"):
        if path.is_file() and path.name != "copyright":
            remove(path)
    for path in root.glob("usr/**/*"):
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID):  # nothing in the image changes its user
            path.chmod(stat.S_IMODE(mode) & ~(stat.S_ISUID | stat.S_ISGID))
    compile_all(Path(sysconfig.get_path("stdlib")))


def compile_all(*folders: Path) -> None:
    for folder in folders:
        # Some packages carry templates and test data that are not valid Python.
        compileall.compile_dir(
            folder,
            quiet=2,
            force=True,
            workers=len(os.sched_getaffinity(0)),
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )


def main() -> None:
    match sys.argv[1:]:
        case ["packages", venv, app]:
            (site,) = Path(venv).glob("lib/python*/site-packages")
            trim_aws(site)
            trim_kubernetes(site, Path(app))
            compile_all(site, Path(app))
        case ["system"]:
            trim_system()
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
