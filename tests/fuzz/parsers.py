"""Every parser of foreign input."""

from __future__ import annotations

from . import of_aws, of_files, of_kube, of_reltio, of_text
from .parser import Parser

PARSERS: dict[str, Parser] = {
    **of_reltio.PARSERS,
    **of_aws.PARSERS,
    **of_kube.PARSERS,
    **of_files.PARSERS,
    **of_text.PARSERS,
}
