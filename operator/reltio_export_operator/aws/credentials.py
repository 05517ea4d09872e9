"""The caller's own credentials: those of the operator in its pod, or those of a user at a terminal.

They are resolved before a call, so that a fault in them is not taken for one of the target.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from botocore import exceptions as boto

from ..api.foreign import own
from . import messages
from .errors import CALL_FAILURES, AwsError, from_botocore

# https://docs.aws.amazon.com/sdkref/latest/guide/feature-assume-role-credentials.html and
# https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
_TOKEN_FILES = ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
# Words of botocore's fetcher of metadata: https://github.com/aws/amazon-ecs-agent/issues/1780
_REFUSED = re.compile(r"non 200 response \((4\d\d)\)")
_PROVIDERS = {"container-role": "the agent of EKS Pod Identity or ECS", "iam-role": "the instance metadata service"}


def resolve(find: Callable[[], Any], *, of_user: bool) -> None:
    """Find the credentials of a boto3 session, and renew them when they are due. Blocking. Raises AwsError.

    `of_user`: they are those of a person at a terminal, who can log in.
    """
    try:
        found = find()
        if found is None:
            raise boto.NoCredentialsError
        found.get_frozen_credentials()
    except (*CALL_FAILURES, OSError, ValueError) as error:
        raise (_of_user(error) if of_user else _of_operator(error)) from None


def _of_user(error: Exception) -> AwsError:
    if isinstance(error, boto.ClientError | boto.HTTPClientError | boto.ConnectionError):
        return _of_call(error)
    return AwsError(messages.NO_USER_CREDENTIALS, error=own(type(error).__name__))


def _of_operator(error: Exception) -> AwsError:
    unusable = _unusable_token_file()
    if unusable is not None:
        return unusable
    if isinstance(error, boto.NoCredentialsError | boto.PartialCredentialsError | boto.ProfileNotFound):
        return AwsError(messages.NO_CREDENTIALS)
    if isinstance(error, boto.CredentialRetrievalError):
        provider = _PROVIDERS.get(str(error.kwargs.get("provider")), str(error.kwargs.get("provider")))
        refused = _REFUSED.search(str(error))
        if refused:
            return AwsError(messages.CREDENTIALS_REFUSED, provider=own(provider), answer=own(refused[1]))
        return AwsError(messages.CREDENTIALS_UNREACHABLE, provider=own(provider))
    if isinstance(error, boto.ClientError | boto.HTTPClientError | boto.ConnectionError):
        return _of_call(error)
    return AwsError(messages.CREDENTIALS_FAILED, error=own(type(error).__name__))


def _of_call(error: Exception) -> AwsError:
    """A call of STS that was to return the credentials, as for IRSA."""
    failure = from_botocore(error, "sts:AssumeRoleWithWebIdentity", "the role of the operator")
    failure.own_credentials = True
    return failure


def _unusable_token_file() -> AwsError | None:
    """What is wrong with the file that a token is read from, if there is one and it cannot be used."""
    for variable in _TOKEN_FILES:
        path = os.environ.get(variable)
        if not path:
            continue
        try:
            problem = "" if Path(path).read_bytes().strip() else "is empty"
        except FileNotFoundError:
            problem = "does not exist"
        except OSError as error:
            problem = f"cannot be read ({error.strerror})"
        if problem:
            return AwsError(messages.TOKEN_FILE_UNUSABLE, path=path, variable=variable, problem=own(problem))
    return None
