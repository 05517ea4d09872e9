"""Checks a receipt against what lies beside it."""

from __future__ import annotations

import json
import sys

import boto3
import click
import msgspec
from botocore.exceptions import BotoCoreError, ClientError
from rich.progress import track

from ..api.job import ExportJob
from ..api.meta import JOBS
from ..aws.integrity import read_through
from ..jobs.delivery import RECEIPT
from . import complete
from .cluster import UsageProblem, cluster_options, connect, friendly, output_option, print_json


@click.command()
@click.argument("job", shell_complete=complete.jobs)
@click.option("--verify", is_flag=True, help="Read every file and compare its SHA-256.")
@cluster_options
@output_option("text", "json")
@friendly
def receipt(job: str, verify: bool, context: str | None, namespace: str | None, output: str) -> None:
    """Show the receipt of JOB, read with your own AWS credentials; with --verify exit with 0 only if all is whole.

    \b
    Example: kubectl reltio-export receipt people --verify -n mdm
    """
    found = msgspec.convert(connect(context, namespace).get(JOBS, job), ExportJob)
    where = found.status.output
    if where is None or where.receipt is None:
        raise UsageProblem(f"ExportJob {job} has no receipt. Jobs with spec.delivery.receipt: true leave one.")
    try:
        s3 = boto3.client("s3")
        held = json.loads(s3.get_object(Bucket=where.bucket, Key=where.prefix + RECEIPT)["Body"].read())
        wrong = []
        if verify:
            for entry in track(held["files"], description="Reading", disable=not sys.stderr.isatty()):
                body = s3.get_object(Bucket=where.bucket, Key=where.prefix + entry["name"])["Body"]
                if read_through(entry["name"], body).sha256 != entry["sha256"]:
                    wrong.append(entry["name"])
    except (BotoCoreError, ClientError) as error:
        raise UsageProblem(f"s3://{where.bucket}/{where.prefix} cannot be read: {error}") from None
    if output == "json":
        print_json({**held, **({"wrong": wrong} if verify else {})})
    else:
        click.echo(f"{where.receipt}: {len(held['files'])} files, digest {held['digest']}")
        for name in wrong:
            click.echo(f"  {name} differs")
        if verify:
            click.echo("Every file is as it was delivered." if not wrong else f"{len(wrong)} files differ.")
    sys.exit(1 if wrong else 0)
