# fewshot with everything it can use. The base image decides between CPU and CUDA:
#   docker build -t fewshot .
#   docker build -t fewshot-cuda --build-arg BASE=nvidia/cuda:13.0.1-runtime-ubuntu24.04 .
#   docker run --rm -v "$PWD:/data" fewshot demo --out /data/demo
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE}

RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        python3 python3-venv libgomp1 \
    && rm -rf /var/lib/apt/lists/*

ENV VIRTUAL_ENV=/opt/fewshot PATH=/opt/fewshot/bin:$PATH PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY fewshot fewshot
COPY configs configs
RUN "$(command -v python3.11 || command -v python3)" -m venv "$VIRTUAL_ENV" \
    && pip install --constraint constraints.txt '.[all]' \
    && fewshot setup --yes \
    && rm -rf /src/*

# Results belong to whoever runs it: docker run --user "$(id -u):$(id -g)" …
WORKDIR /data
ENTRYPOINT ["fewshot"]
CMD ["--help"]
