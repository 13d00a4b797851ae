# Heddle's server, worker and migrations in one image:
#   docker run heddle migrate | serve | work
# Settings are HEDDLE_… variables; HEDDLE_DATABASE_URL and HEDDLE_TEMPORAL_ADDRESS are needed.

FROM python:3.13-slim AS dependencies
COPY requirements/runtime.txt /
RUN python -m venv --without-pip /opt/heddle \
 && python -m pip --python /opt/heddle/bin/python install --no-cache-dir --require-hashes --requirement /runtime.txt

FROM python:3.13-slim
# `generated` is an import root of its own.
ENV PATH=/opt/heddle/bin:$PATH \
    PYTHONPATH=/heddle:/heddle/generated \
    PYTHONUNBUFFERED=1 \
    HEDDLE_LISTEN=0.0.0.0:50051
COPY --from=dependencies /opt/heddle /opt/heddle
COPY . /heddle
# Compiled here, because the user below may not write there.
RUN python -m compileall -q /heddle
WORKDIR /heddle
# A number, so that an orchestrator can see that it is not root.
USER 10001:10001
EXPOSE 50051
# No HEALTHCHECK: a worker answers nowhere, and a server is asked by gRPC's own health protocol, which orchestrators speak.
ENTRYPOINT ["python", "-m", "service"]
CMD ["serve"]
