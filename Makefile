# make demo   the whole loop on the simulated rig: collect, train, evaluate, deploy, take over, report
# make test   every test
# make check  lint and types
# make venv   only the environment
# make ros    builds the ROS workspace with colcon (where ROS 2 is installed, or with the wheels)

VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: demo test check format venv ros clean

demo: $(INSTALLED)
	$(BIN)/il-robot demo --out demo

test: $(INSTALLED)
	$(BIN)/pytest --numprocesses 2 --dist loadgroup # see tests/conftest.py

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

venv: $(INSTALLED)

# The environment is complete only once this file stands in it: a broken installation is done again.
$(INSTALLED): pyproject.toml constraints.txt
	sh .ci/system-libraries
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[ros,dev,convert,view,tensorboard]'
	touch $@

ros: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt '.[colcon]'
	cd ros2_ws && $(abspath $(BIN))/colcon build --packages-select il_robot_ros

clean:
	rm -rf $(VENV) demo ros2_ws/build ros2_ws/install ros2_ws/log
