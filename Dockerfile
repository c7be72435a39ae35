FROM python:3.13-slim AS build
WORKDIR /src
RUN python -m venv --without-pip /venv && mkdir /keys
COPY requirements requirements
# The very files whose hashes are known, and wheels only: nothing is run in order to install it.
RUN pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements/build.txt && \
    pip --python /venv/bin/python install --no-cache-dir --require-hashes --only-binary :all: \
    -r requirements/serve.txt
COPY pyproject.toml README.md LICENSE ./
COPY ledger ledger
COPY projections projections
COPY api api
COPY loadtest loadtest
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheel . && \
    pip --python /venv/bin/python install --no-cache-dir --no-deps --no-index /wheel/*.whl

FROM python:3.13-slim
# Same base and same path as above, so the environment is copied whole and nothing is installed here.
COPY --from=build /venv /venv
# A new volume takes over the owner of what it is mounted on.
COPY --from=build --chown=10001:10001 --chmod=700 /keys /var/lib/flashticket
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    FLASHTICKET_HOST=0.0.0.0 \
    FLASHTICKET_PORT=8000
# A number, because Kubernetes' runAsNonRoot cannot see that a name is not root.
USER 10001:10001
EXPOSE 8000
# http.client and not urllib: urllib would send this through a proxy found in the environment.
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s --retries=3 CMD ["python", "-c", "import http.client, os; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['FLASHTICKET_PORT']), timeout=2); c.request('GET', '/readyz'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["flashticket"]
CMD ["serve"]
