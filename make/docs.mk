# The documentation site.
#
#   make docs    writes target/site: guides, the API reference, and the Rust documentation in target/site/rust

.PHONY: docs

docs: $(VENV)/.docs
	$(BIN)/python make/site.py target/site-pages
	$(BIN)/zensical build --strict --clean
	RUSTDOCFLAGS="-D warnings" cargo doc --quiet --locked --no-deps --features tokio,sqlite,redis
	rm -rf target/site/rust
	cp -R target/doc target/site/rust
	@echo "the site is in target/site: open target/site/index.html"
