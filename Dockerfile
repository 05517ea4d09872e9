# syntax=docker/dockerfile:1
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS builder
ENV UV_SYSTEM_CERTS=1
WORKDIR /build
COPY requirements/uv.txt requirements/runtime.txt requirements/
RUN python -m venv /uv \
 && /uv/bin/python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements/uv.txt
RUN /uv/bin/uv venv --python "$(command -v python)" /venv \
 && /uv/bin/uv pip install --no-cache --python /venv/bin/python --require-hashes --no-deps -r requirements/runtime.txt

FROM ${PYTHON_IMAGE}
# kopf looks up the name of its user, which a bare number does not have.
# Debian has a group named `operator`, so the user has another name.
RUN groupadd --gid 65532 reltio \
 && useradd --uid 65532 --gid reltio --no-create-home --home-dir /tmp --shell /usr/sbin/nologin reltio
COPY --from=builder /venv /venv
COPY operator/reltio_export_operator /app/reltio_export_operator
ENV PATH=/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    USER=reltio
USER 65532:65532
ENTRYPOINT ["python", "-m", "reltio_export_operator"]
CMD ["run"]
