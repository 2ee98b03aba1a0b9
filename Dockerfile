# Builds the wheel's environment in one stage and runs it, without uv or a cache, in the next.
FROM python:3.12-slim AS build
RUN pip install --no-cache-dir uv
WORKDIR /app
ENV UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1
COPY pyproject.toml uv.lock README.md LICENSE ./
RUN uv sync --locked --no-dev --all-extras --no-install-project
COPY src src
RUN uv sync --locked --no-dev --all-extras --no-editable

FROM python:3.12-slim
RUN useradd --create-home --uid 1000 talas \
    && install --directory --owner=talas --group=talas /data
COPY --from=build /app/.venv /app/.venv
ENV PATH=/app/.venv/bin:$PATH \
    DATA_DIR=/data \
    HOST=0.0.0.0 \
    WS_BIND_ADDR=0.0.0.0:9001
USER talas
WORKDIR /home/talas
VOLUME /data
EXPOSE 8080 9001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/ready', timeout=4)"]
CMD ["talas", "serve"]
