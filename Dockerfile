# Three stages: `builder` makes the virtual environment, `root` is the base image without what runs never use, and the
# last one is nothing but the files of both, so that pip is in no layer of it. The base needs `python3` with `venv`.
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS builder
ARG PIP_INDEX_URL
ARG UV_DEFAULT_INDEX
ENV UV_SYSTEM_CERTS=1 UV_LINK_MODE=copy
WORKDIR /build
COPY requirements/uv.txt requirements/runtime.txt requirements/
# The secret is a file of the authorities to trust while packages are fetched, for networks whose proxy has its own.
RUN --mount=type=secret,id=ca-bundle \
    if [ -s /run/secrets/ca-bundle ]; then export SSL_CERT_FILE=/run/secrets/ca-bundle PIP_CERT=/run/secrets/ca-bundle; fi \
 && python3 -m venv /uv \
 && /uv/bin/python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements/uv.txt \
 && /uv/bin/uv venv --python "$(command -v python3)" /venv \
 && /uv/bin/uv pip install --no-cache --python /venv/bin/python --require-hashes --no-deps -r requirements/runtime.txt \
 && rm -f /venv/.lock
COPY operator/reltio_export_operator /app/reltio_export_operator
COPY hack/image_trim.py hack/
RUN python3 hack/image_trim.py packages /venv /app

FROM ${PYTHON_IMAGE} AS root
COPY hack/image_trim.py /tmp/
RUN python3 -B /tmp/image_trim.py system && rm -rf /tmp/*

FROM scratch
COPY --from=root / /
COPY --from=builder /venv /venv
COPY --from=builder /app /app
COPY LICENSE /licenses/
# No user has an entry in /etc/passwd: any number works. USER is the name that libraries ask for; HOME is writable.
# MALLOC_*: glibc gives memory of large objects back, and has two heaps for all threads (docs/performance.md).
ENV PATH=/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    LANG=C.UTF-8 \
    HOME=/tmp \
    USER=reltio \
    PYTHONPATH=/app \
    PYTHONSAFEPATH=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MALLOC_ARENA_MAX=2 \
    MALLOC_MMAP_THRESHOLD_=65536 \
    MALLOC_TRIM_THRESHOLD_=65536
USER 65532:65532
ENTRYPOINT ["/venv/bin/python", "-m", "reltio_export_operator"]
CMD ["run"]
ARG PYTHON_IMAGE
ARG VERSION
ARG REVISION
ARG SOURCE
LABEL org.opencontainers.image.title="reltio-export-operator" \
      org.opencontainers.image.description="Kubernetes operator that runs Reltio exports into your own S3 buckets" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="${PYTHON_IMAGE}"
