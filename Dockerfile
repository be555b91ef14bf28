# The image of kubelb-xds: the program and what it needs, on a slim Python, as a user without rights.
#   docker build -t kubelb-xds .
#   docker run --rm kubelb-xds serve --help
# Everything that is installed is pinned with hashes: requirements.txt is what runs, requirements-build.txt what makes the wheel;
# `make requirements` writes both from pyproject.toml. Behind a registry mirror: --build-context python:3.13-slim=docker-image://…
FROM python:3.13-slim AS base

FROM base AS build
# Nothing is compiled here, so that no compiler is needed: wheels only.
ENV PIP_NO_CACHE_DIR=1 PIP_ONLY_BINARY=:all: PIP_REQUIRE_VIRTUALENV=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY requirements-build.txt ./
RUN python -m venv /opt/build && /opt/build/bin/pip install --quiet --require-hashes --requirement requirements-build.txt
COPY requirements.txt ./
RUN python -m venv --without-pip /opt/kubelb-xds \
    && /opt/build/bin/pip --python /opt/kubelb-xds install --quiet --no-compile --require-hashes --requirement requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY kube kube
COPY xds xds
# The same files at every build: the wheel's dates are fixed, and compiled modules hold no date (-f: pip has left some that do).
# The Kubernetes client's classes for each kind, 2,000 modules, are never imported.
RUN SOURCE_DATE_EPOCH=946684800 /opt/build/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /opt/build/bin/pip --python /opt/kubelb-xds install --quiet --no-compile --no-index --no-deps /wheels/*.whl \
    && python -m compileall -q -f --invalidation-mode unchecked-hash -x '/kubernetes/(aio/)?client/(api|models)/' /opt/kubelb-xds/lib
# What a process derives of Envoy's schema at its first start and keeps, for all of them.
RUN XDG_CACHE_HOME=/opt/kubelb-xds/cache /opt/kubelb-xds/bin/python -B -c 'import xds.app.control_plane, xds.messages._classes' \
    && chmod -R go+rX /opt/kubelb-xds/cache

FROM base AS runtime
COPY --from=build /opt/kubelb-xds /opt/kubelb-xds
ENV PATH=/opt/kubelb-xds/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 XDG_CACHE_HOME=/opt/kubelb-xds/cache
USER 65532:65532
# xDS, and /healthz, /readyz, /metrics.
EXPOSE 18000 18001
# Of `serve` with its default --ops-address: ready once everything was read, until it stops.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["python", "-c", "import http.client as h, sys; c = h.HTTPConnection('127.0.0.1', 18001, timeout=4); c.request('GET', '/readyz'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["kubelb-xds"]

# What docker-compose.yml makes its certificates with: a volume gets owner and rights of the folder that the image has in its place.
FROM runtime AS demo
USER 0:0
RUN install -d -m 0700 -o 65532 -g 65532 /certs/ca /certs/server /certs/tenants/tenant-primary /backends /secrets
USER 65532:65532
HEALTHCHECK NONE

# The last stage is what `docker build` makes.
FROM runtime
