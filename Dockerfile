# phiz with its models, built and verified here: the running container downloads nothing.
#
#   docker build -t phiz .
#   docker run --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges \
#       --memory 512m --cpus 1 --env PHIZ_MAX_PIXELS=13000000 -p 127.0.0.1:8000:8000 phiz
#
# BASE is any image with Python 3.11 or later and its venv module, in any folder. A digest pins it:
# --build-arg BASE=python:3.11-slim-bookworm@sha256:…
ARG BASE=python:3.11-slim-bookworm


FROM ${BASE} AS source
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /source


# The packages of the converters stay in this stage.
FROM source AS models
COPY requirements/build.txt requirements/
RUN --mount=type=cache,target=/root/.cache/pip \
    python3 -m venv /opt/build && \
    /opt/build/bin/pip install --quiet --require-hashes -r requirements/build.txt
COPY . .
RUN /opt/build/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheel . && \
    /opt/build/bin/pip install --quiet --no-deps /wheel/*.whl
ENV PHIZ_MODELS=/opt/phiz/models
# "face classify" adds the classifiers, and "face classify study" the networks of the study alone.
ARG MODELS=face
# "int8" adds the networks in 8 bits that are not used unless the study chooses them.
ARG VARIANTS=
RUN for group in ${MODELS}; do \
        /opt/build/bin/phiz models build --group "${group}" ${VARIANTS:+--variants "${VARIANTS}"} || \
            exit; \
    done && \
    /opt/build/bin/phiz models verify


FROM source AS packages
# "openvino" adds OpenVINO, "otel" traces, "heif" HEIC images, and "openvino otel" two of them.
ARG PACKAGES=serve
COPY requirements/serve.txt requirements/openvino.txt requirements/otel.txt requirements/heif.txt requirements/
RUN --mount=type=cache,target=/root/.cache/pip \
    python3 -m venv /opt/phiz && \
    for packages in ${PACKAGES}; do \
        /opt/phiz/bin/pip install --quiet --require-hashes -r "requirements/${packages}.txt" || exit; \
    done
COPY --from=models /wheel /wheel
# The service needs no package installer, and no tests, compilers, converters or sources of other
# packages, and no types or polynomials. uvicorn frames messages with the core of websockets alone,
# and numpy tests its vectors with _simd. The library for C programs holds all of onnxruntime a
# second time. rich highlights Python alone here. OpenVINO reads ONNX alone, on a processor, and sends
# no usage data to its makers.
RUN /opt/phiz/bin/pip install --quiet --no-deps /wheel/*.whl && \
    /opt/phiz/bin/pip uninstall --quiet --yes openvino-telemetry pip setuptools && \
    find /opt/phiz/lib/python3*/site-packages -depth \
        \( -path '*/numpy/*/tests' -o -path '*/numpy/distutils' -o -path '*/numpy/f2py' \
        -o -path '*/onnxruntime/tools' -o -path '*/onnxruntime/transformers' \
        -o -path '*/onnxruntime/quantization' -o -name 'libonnxruntime.so.*' \
        -o -path '*/numpy/polynomial' -o -path '*/numpy/testing' -o -name '_simd.*.so' \
        -o -path '*/websockets/legacy' -o -path '*/websockets/sync' -o -path '*/websockets/trio' \
        -o -path '*/websockets/asyncio' \
        -o -path '*/greenlet/tests' -o -path '*/numpy/_core/include' -o -name '*.a' \
        -o -name '*.pyx' -o -name '*.pxd' -o -name '*.hpp' -o -name '*.cpp' -o -name '*.pyi' \
        -o -path '*/pygments/formatters' -o \( -path '*/pygments/lexers/*.py*' \
            ! -name '__init__.*' ! -name '_mapping.*' ! -name 'python.*' ! -name 'special.*' \) \
        -o -path '*/openvino/include' -o -path '*/openvino/libs/cache.json' \
        -o -path '*/openvino/libs/libopenvino_intel_[gn]pu_*' \
        -o \( -path '*/openvino/libs/libopenvino_*_frontend.*' ! -name '*_onnx_*' \) \
        \) \
        -exec rm -r {} +
COPY --from=models /opt/phiz/models /opt/phiz/models
COPY deploy/image/ready.py LICENSE NOTICE /opt/phiz/


FROM ${BASE}
ARG VERSION=0.1.0
# The commit; the builder does not get it by itself: --build-arg REVISION=$(git rev-parse HEAD)
ARG REVISION=
ARG SOURCE=https://github.com/phiz-dev/phiz
LABEL org.opencontainers.image.title="phiz" \
    org.opencontainers.image.description="Face detection as a microservice" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}" \
    org.opencontainers.image.source="${SOURCE}" \
    org.opencontainers.image.url="${SOURCE}" \
    org.opencontainers.image.documentation="${SOURCE}/blob/v${VERSION}/docs/deploying.md" \
    org.opencontainers.image.licenses="Apache-2.0"
COPY --from=packages /opt/phiz /opt/phiz
# For a volume with the files of the study, which is all that is ever written.
RUN install -d -o 10001 -g 10001 /var/lib/phiz
# onnxruntime sends usage data to its makers unless telemetry is disabled.
ENV PHIZ_HOST=0.0.0.0 PHIZ_PORT=8000 PHIZ_MODELS=/opt/phiz/models \
    PHIZ_PROFILE=/var/lib/phiz/profile.json \
    ORT_DISABLE_TELEMETRY=1 PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s --retries=3 \
    CMD ["/opt/phiz/bin/python", "-I", "/opt/phiz/ready.py"]
ENTRYPOINT ["/opt/phiz/bin/phiz"]
CMD ["serve"]
