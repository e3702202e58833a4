# Known defects and licences of everything that this project uses.
#
#   make audit    cargo-deny for the crates, pip-audit for Python's packages; says so where their data cannot be reached

.PHONY: audit

audit: $(VENV)/.audit
	@sh make/audit.sh $(BIN)
