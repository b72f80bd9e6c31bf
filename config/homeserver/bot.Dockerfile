# The bot's image, built from a checkout of Pli with the locked versions (hashes are checked).
FROM docker.io/library/python:3.11-slim
WORKDIR /opt/pli
COPY requirements/run.lock requirements/run.lock
RUN python -m pip install --no-cache-dir --require-hashes -r requirements/run.lock
COPY pyproject.toml README.md LICENSE ./
COPY bot bot
COPY storage storage
COPY config config
RUN python -m pip install --no-cache-dir --no-deps --no-build-isolation .
ENTRYPOINT ["pli"]
