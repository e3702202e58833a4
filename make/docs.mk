# The documentation site.
#
#   make docs    writes target/site: guides, the API reference, and the Rust documentation in target/site/rust

.PHONY: docs docs-pages docs-rust

# The pages and the Rust documentation side by side; neither needs what `build` builds: the reference is read from the sources.
docs:
	@$(MAKE) --no-print-directory --jobs=2 docs-pages docs-rust
	rm -rf target/site/rust
	cp -R target/doc target/site/rust
	$(BIN)/python make/check_site.py target/site
	@echo "the site is in target/site: open target/site/index.html"

$(VENV)/.docs: $(VENV)/.made pyproject.toml
	$(BIN)/python -m pip install --quiet --group docs
	@touch $@

docs-pages: $(VENV)/.docs
	$(BIN)/python make/site.py target/site-pages
	$(BIN)/zensical build --strict --clean
	$(BIN)/python make/check_reference.py target/site

# The stores have no public names of their own. With `share` alone all that the documentation shows is there, and neither SQLite
# nor TLS is compiled for it.
docs-rust: tools
	RUSTDOCFLAGS="-D warnings" cargo doc --quiet --locked --no-deps --features tokio,share
