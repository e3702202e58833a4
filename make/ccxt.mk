# ccxt, from PyPI: the newest is in .venv, others have environments of their own that are kept between runs.
#
#   make test-ccxt     the drop-in in the oldest 4.x of ccxt and in two between; part of `make test`, which has the newest
#   make bench-ccxt    ccxt's own pacing beside the drop-in; writes its part of benches/RESULTS.md, and takes some minutes

CCXT_VERSIONS := 4.0.3 4.2.44 4.4.28

.PHONY: test-ccxt bench-ccxt $(CCXT_VERSIONS:%=test-ccxt-%)

test-ccxt: $(CCXT_VERSIONS:%=test-ccxt-%)

$(CCXT_VERSIONS:%=test-ccxt-%): test-ccxt-%: .venv-ccxt-%/.made $(VENV)/.built
	@echo "the drop-in for ccxt in ccxt $*"
	.venv-ccxt-$*/bin/python $(PYTEST) 3 tests/ccxt

# What `build` has built does for every environment of the same Python.
.venv-ccxt-%/.made: make/ccxt.mk
	$(PYTHON) -m venv .venv-ccxt-$*
	.venv-ccxt-$*/bin/python -m pip install --quiet --upgrade pip
	.venv-ccxt-$*/bin/python -m pip install --quiet "ccxt==$*" "aiohttp>=3.9" hypothesis pytest pytest-asyncio pytest-xdist uvloop
	@site=$$(.venv-ccxt-$*/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))'); \
		echo $(CURDIR)/python > "$$site/sluicegate.pth"
	@touch $@

bench-ccxt: $(VENV)/.bench $(VENV)/.test
	$(BIN)/python -m benches.ccxt
