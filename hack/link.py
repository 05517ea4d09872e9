"""Install the checkout into the virtual environment that runs this script, without a build.

A .pth file puts operator/ on the path, a .dist-info folder holds the entry points of pyproject.toml, and the scripts
are written beside the interpreter.
"""

from __future__ import annotations

import re
import sys
import sysconfig
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    site = Path(sysconfig.get_path("purelib"))
    (site / "reltio-export-operator.pth").write_text(f"{ROOT / 'operator'}\n")
    init = (ROOT / "operator" / "reltio_export_operator" / "__init__.py").read_text()
    version = re.findall(r'__version__ = "(.+)"', init)[0]
    for old in site.glob("reltio_export_operator-*.dist-info"):
        for file in old.iterdir():
            file.unlink()
        old.rmdir()
    info = site / f"reltio_export_operator-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {version}\n")
    groups = {"console_scripts": project["scripts"], **project["entry-points"]}
    (info / "entry_points.txt").write_text(
        "\n".join(
            f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in entries.items())
            for group, entries in groups.items()
        )
    )
    for name, target in project["scripts"].items():
        module, _, function = target.partition(":")
        script = Path(sys.executable).parent / name
        script.write_text(f"#!{sys.executable}\nfrom {module} import {function}\n{function}()\n")
        script.chmod(0o755)


if __name__ == "__main__":
    main()
