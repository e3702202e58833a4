# Wheels and the source distribution, checked.
#
#   make wheels    builds them into dist/, checks each, and tries those that this machine can run in clean environments

.PHONY: wheels

wheels: $(VENV)/.wheels
	$(BIN)/python make/wheels.py
