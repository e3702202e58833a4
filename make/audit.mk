# Known defects and licences of everything that this project uses.
#
#   make audit       cargo-deny for the crates, pip-audit for Python's packages; says so where their data cannot be reached
#   make licences    writes THIRD-PARTY-LICENSES.txt: of all that a wheel links. tests/project/test_licences.py compares them

.PHONY: audit licences

licences: tools
	$(PYTHON) make/licences.py

# pip-audit looks at all that is installed: also what tests, lints, docs and benchmarks need.
audit: $(VENV)/.audit $(VENV)/.test $(VENV)/.lint $(VENV)/.docs $(VENV)/.bench
	@sh make/audit.sh $(BIN)
