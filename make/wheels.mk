# Wheels and the source distribution, checked.
#
#   make wheels    builds them into dist/, checks each, and tries those that this machine can run in clean environments

.PHONY: wheels

# Without what `build` builds: each wheel is built anew.
$(VENV)/.wheels: $(VENV)/.made pyproject.toml
	$(BIN)/python -m pip install --quiet --group wheels
	@touch $@

wheels: $(VENV)/.wheels
	$(BIN)/python make/wheels.py
