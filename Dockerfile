# The package with its commands, for NVIDIA GPUs; docs/cluster.md says how it is used.
#   docker build --tag superpoint-tf .
#   docker run --rm --gpus all --volume "$PWD":/work superpoint-tf adapt --iters 2
FROM tensorflow/tensorflow:2.15.0-gpu

# OpenCV's libraries; Ubuntu's versions are those of the image above
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/superpoint-tf
COPY setup.py setup.cfg pyproject.toml README.md LICENSE ./
COPY superpoint_tf superpoint_tf
COPY synthetic synthetic
COPY configs configs
RUN python3 -m pip install --no-cache-dir .

# what is read and written lies in /work, as this user
RUN useradd --create-home --uid 1000 superpoint && mkdir /work && chown 1000 /work
USER 1000
WORKDIR /work
ENTRYPOINT ["superpoint-tf"]
CMD ["--help"]
