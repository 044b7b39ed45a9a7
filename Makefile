# Development on a machine without ROS 2: the wheels of ROS 2 Kilted, for Linux x86_64 and Python 3.11.
# With ROS 2 installed, use `colcon build` and `ros2 launch` instead (README.md).

# TEXT reaches the program through the environment and never a shell's command line: in it quotes, $ and ; are letters.
override TEXT := $(value TEXT)
export TEXT

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-build-isolation -c constraints.txt
TRAIN_CONFIG ?= config/train/asl_cafe.yaml
RUN ?= runs/asl_cafe
PYTEST_ARGS ?=

.PHONY: help demo test train clean
help:  ## say what can be made
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

demo: $(VENV)/.demo  ## sign TEXT="…" through a ROS 2 node; results in out/demo/
	@$(BIN)/python -m text2sign_ros.ros.demo --out out/demo -- $${TEXT:+"$$TEXT"}

test: $(VENV)/.test  ## ruff, mypy and pytest (PYTEST_ARGS="-k clip")
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	OMP_NUM_THREADS=1 ROS_PYTHON_CHECK_FIELDS=1 $(BIN)/python -m pytest $(PYTEST_ARGS)

train: $(VENV)/.test  ## train the networks, or go on training them (TRAIN_CONFIG=… RUN=…)
	$(BIN)/text2sign train --config "$(TRAIN_CONFIG)" --out "$(RUN)"

clean:  ## remove the virtual environment and everything made
	rm -rf $(VENV) out build install log dist *.egg-info

# Signing and ROS 2; no torch.
$(VENV)/.demo: setup.py constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) is not installed: the ROS 2 wheels are for Python 3.11." \
	    "Install it (apt, pyenv, conda), or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "make: $(PYTHON) is not" \
	    "Python 3.11, which the ROS 2 wheels need; name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) setuptools
	$(INSTALL) --editable ".[cpu]" "ros-rclpy[fastrtps]" ros-kilted-common-interfaces
	@touch $@

# Everything: learning and tests.
$(VENV)/.test: $(VENV)/.demo
	$(INSTALL) --editable ".[cpu,train,bench,test]"
	@touch $@
