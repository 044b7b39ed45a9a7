# Development on a machine without ROS 2: its wheels for Linux x86_64, of Kilted for Python 3.11, of Jazzy for Python 3.12.
# With ROS 2 installed, use `colcon build` and `ros2 launch` instead (README.md).

# TEXT reaches the program through the environment and never a shell's command line: in it quotes, $ and ; are letters.
override TEXT := $(value TEXT)
export TEXT

PYTHON ?= python3.11
PYTHON_JAZZY ?= python3.12
VENV := .venv
JAZZY := .venv-jazzy
OLDEST := .venv-oldest
BIN := $(VENV)/bin
PIP := -m pip --disable-pip-version-check install --quiet --no-build-isolation -c constraints.txt
INSTALL := $(BIN)/python $(PIP) -c constraints-kilted.txt
INSTALL_OLDEST := $(OLDEST)/bin/python -m pip --disable-pip-version-check install --quiet -c constraints-oldest.txt -c constraints-kilted.txt
INSTALL_JAZZY := $(JAZZY)/bin/python $(PIP) -c constraints-jazzy.txt
TRAIN_CONFIG ?= config/train/asl.yaml
RUN ?= runs/asl
ROBOT ?= gr3
PYTEST_ARGS ?=
MINUTES ?= 30
HOST ?= 127.0.0.1
PORT ?= 8080
# The tests of all that touches ROS 2.
NODE_TESTS = $(shell grep -rlE "^ *(from|import) (rclpy|faults|text2sign_ros\.ros|[a-z0-9_]+_msgs)|run_module" test --include="test_*.py")

# The tests of signing, which must pass with the oldest versions of what it needs as well.
SIGNING_TESTS = $(addprefix test/test_,$(addsuffix .py,signer bundle backends clip engine limits smoothing signer_node player_node captions_node))

# $(call venv,interpreter,version,distribution,variable,folder): an environment of exactly that version of Python.
# Where pyenv's shims are on the PATH, PYENV_VERSION makes them find it; elsewhere it says nothing.
define venv
@PYENV_VERSION=$2 $1 -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] != "$2")' 2>/dev/null || { \
    echo "make: $1 is not there or is not Python $2, which the wheels of ROS 2 $3 are for. Install it (apt, pyenv, conda)," \
    "or name it: make $4=/path/to/python$2" >&2; exit 1; }
PYENV_VERSION=$2 $1 -m venv $5
endef

.PHONY: help demo robot view test test-slow test-jazzy test-oldest test-arm faults docs train clean
help:  ## say what can be made
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

demo: $(VENV)/.demo  ## sign TEXT="…" through a ROS 2 node; results in out/demo/
	@$(BIN)/python -m text2sign_ros.ros.demo --out out/demo -- $${TEXT:+"$$TEXT"}

robot: $(VENV)/.robot  ## have a robot in physics sign TEXT="…" (ROBOT=gr3); results in out/robot/
	@$(BIN)/python -m text2sign_ros.ros.robot_demo --robot "$(ROBOT)" --out out/robot -- $${TEXT:+"$$TEXT"}

view: $(VENV)/.view  ## a web page with an avatar that signs what is typed (HOST=127.0.0.1 PORT=8080), until Ctrl-C
	@$(BIN)/python -m text2sign_ros.ros.view_demo --host "$(HOST)" --port "$(PORT)"

test: $(VENV)/.test  ## ruff, mypy and pytest (PYTEST_ARGS="-k clip")
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy examples
	OMP_NUM_THREADS=1 ROS_PYTHON_CHECK_FIELDS=1 \
	    $(BIN)/python -m pytest --complete -m "not slow" --numprocesses 3 --dist loadfile $(PYTEST_ARGS)

test-slow: $(VENV)/.test  ## what make test leaves out: tests that train or measure, and the fault suite in its short form
	OMP_NUM_THREADS=1 ROS_PYTHON_CHECK_FIELDS=1 \
	    $(BIN)/python -m pytest --complete -m slow --numprocesses 2 --dist loadfile $(PYTEST_ARGS)

test-jazzy: $(JAZZY)/.test  ## the nodes' tests on ROS 2 Jazzy (PYTHON_JAZZY=/path/to/python3.12)
	OMP_NUM_THREADS=1 ROS_PYTHON_CHECK_FIELDS=1 $(JAZZY)/bin/python -m pytest --complete -m "not slow" \
	    --numprocesses 3 --dist loadfile $(NODE_TESTS) $(PYTEST_ARGS)

faults: $(VENV)/.test  ## the fault suite in its long form, with a soak of MINUTES=30; report in out/faults/
	OMP_NUM_THREADS=1 ROS_PYTHON_CHECK_FIELDS=1 FAULTS_MINUTES=$(MINUTES) \
	    $(BIN)/python -m pytest --complete test/faults --capture=no $(PYTEST_ARGS)

test-oldest: $(OLDEST)/.test  ## the tests of signing with the oldest versions that setup.py allows
	OMP_NUM_THREADS=1 ROS_PYTHON_CHECK_FIELDS=1 $(OLDEST)/bin/python -m pytest --complete $(SIGNING_TESTS) $(PYTEST_ARGS)

test-arm: $(VENV)/.demo  ## sign on emulated Arm and compare with this machine; needs Debian's or Ubuntu's packages
	test/arm.sh $(BIN)/python out/arm

docs: $(VENV)/.docs  ## the pages of docs/ and the API reference as HTML; a warning is an error; result in out/docs/
	rm -rf docs/api out/docs
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going --jobs auto docs out/docs

# Where the recordings of asl_cafe and galt come from: README.md, Train your own.
train: $(VENV)/.test  ## train the networks, or go on training them (TRAIN_CONFIG=… RUN=…)
	$(BIN)/text2sign train --config "$(TRAIN_CONFIG)" --out "$(RUN)"

clean:  ## remove the virtual environments and everything made
	rm -rf $(VENV) $(JAZZY) $(OLDEST) out build install log dist docs/api *.egg-info

# Signing, pictures of it, and ROS 2; no torch.
$(VENV)/.demo: setup.py constraints.txt constraints-kilted.txt
	$(call venv,$(PYTHON),3.11,Kilted,PYTHON,$(VENV))
	$(INSTALL) setuptools
	$(INSTALL) --editable ".[cpu,files]" "ros-rclpy[fastrtps]" ros-kilted-common-interfaces
	@touch $@

# The same and robots in physics. Of the packages with models only the files are needed: what they depend on is large.
$(VENV)/.robot: $(VENV)/.demo
	$(INSTALL) --editable ".[cpu,files,robot]"
	$(INSTALL) --no-deps fourier-robot-descriptions gymnasium-robotics
	@touch $@

# The same and the web page.
$(VENV)/.view: $(VENV)/.demo
	$(INSTALL) --editable ".[cpu,files,viewer]"
	@touch $@

# Everything: learning and tests.
$(VENV)/.test: $(VENV)/.robot $(VENV)/.view
	$(INSTALL) --editable ".[cpu,files,train,bench,robot,viewer,test]"
	@touch $@

# The documentation, for which all modules are imported.
$(VENV)/.docs: $(VENV)/.test
	$(INSTALL) --editable ".[docs]"
	@touch $@

# Signing, ROS 2 and what the nodes' tests import.
$(JAZZY)/.test: setup.py constraints.txt constraints-jazzy.txt
	$(call venv,$(PYTHON_JAZZY),3.12,Jazzy,PYTHON_JAZZY,$(JAZZY))
	$(INSTALL_JAZZY) setuptools
	$(INSTALL_JAZZY) --no-deps fourier-robot-descriptions gymnasium-robotics
	$(INSTALL_JAZZY) --editable ".[cpu,files,robot,viewer]" "ros-rclpy[fastrtps]" ros-jazzy-common-interfaces \
	    hypothesis psutil pytest pytest-timeout pytest-xdist scipy
	@touch $@

# The same with the oldest versions; onnx is for the tests alone.
$(OLDEST)/.test: setup.py constraints-oldest.txt constraints-kilted.txt
	$(call venv,$(PYTHON),3.11,Kilted,PYTHON,$(OLDEST))
	$(OLDEST)/bin/python $(PIP) setuptools
	$(INSTALL_OLDEST) --no-build-isolation --editable ".[cpu,files]" "ros-rclpy[fastrtps]" ros-kilted-common-interfaces \
	    hypothesis onnx psutil pytest pytest-timeout
	@touch $@
