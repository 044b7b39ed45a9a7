# Signer and player on ROS 2 Jazzy: docs/how_to/container.md. Checked by hadolint (test/test_containers.py), not built by the tests.
FROM ros:jazzy-ros-base

SHELL ["/bin/bash", "-o", "pipefail", "-c"]

# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        python3-colcon-common-extensions python3-venv ros-jazzy-tf2-msgs \
    && rm -rf /var/lib/apt/lists/*

# By number, so that an orchestrator can tell that it is not root. The workspace is readable for every other user too.
RUN useradd --create-home --uid 10001 --shell /bin/bash signer && install --directory --owner=signer --group=signer /ws
USER 10001
WORKDIR /ws

# As in README.md; the ranges are those of setup.py.
RUN python3 -m venv --system-site-packages venv \
    && touch venv/COLCON_IGNORE \
    && venv/bin/pip install --no-cache-dir \
        'onnxruntime>=1.20,<2' 'tokenizers>=0.20,<1' 'num2words>=0.5.13,<0.6' 'numpy>=1.26,<2'

COPY --chown=signer:signer . src/text2sign_ros
RUN source /opt/ros/jazzy/setup.bash \
    && venv/bin/python "$(command -v colcon)" build --packages-select text2sign_ros

# The base image's entry point sources ROS only.
COPY --chown=signer:signer deploy/entrypoint.sh /ws/entrypoint.sh
ENTRYPOINT ["/ws/entrypoint.sh"]
CMD ["ros2", "launch", "text2sign_ros", "text2sign.launch.py"]
