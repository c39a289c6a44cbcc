# Two commands: `make run` tries the server out, `make test` proves it. Everything else serves these.
# See README.md.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DEMO   ?= .demo
PORTS  ?= 20000
JOBS   ?= 2
CORPORA ?= ../shared/corpora
# Postfix must be started by root; who is not, gets a user namespace in which they are.
ROOT   := $(shell [ "$$(id -u)" = 0 ] || echo unshare --map-root-user --map-auto env LOGNAME=$$(id -un))
# Each process of the tests, and each daemon they start, would compile the whole house anew.
unexport PYTHONDONTWRITEBYTECODE
PYTEST := $(ROOT) $(BIN)/pytest -n $(JOBS) --dist loadgroup -q

# What the tests talk to; each is started by a test with a config of its own, never as a service.
PEERS := redis-server postfix isync neomutt offlineimap3 imapfilter getmail6 fetchmail swaks libnet-ssleay-perl msmtp libsasl2-modules curl strace uidmap unbound rspamd opendkim libmail-dkim-perl libmail-spf-perl sasl2-bin
# Mail servers of which Debian lets only one be installed: these are unpacked, with what they load.
UNPACKED := exim4-daemon-light opensmtpd
PEERS += libdb5.3 libevent-2.1-7 libgnutls-dane0 libidn12 libnsl2 libpcre2-8-0 openssl
# Clients that take too long for `make test`. (pytest drops a file whose folder it is given as well.)
CLIENTS := thunderbird xvfb libnss3-tools
# What other tests ask: manual pages, the units of systemd/.
TOOLS := mandoc systemd procps
# What `make bench` compares with, beside Postfix.
RIVALS := dovecot-imapd dovecot-lmtpd
# `make check` keeps its files in memory, if there is a gigabyte of it, and waits for no disk;
# `make test` does the same on a real one.
MEMORY := $(shell [ "$$(df --output=avail /dev/shm 2>&1 | tail -n 1)" -gt 1048576 ] 2>/dev/null && echo TMPDIR=/dev/shm)

.PHONY: setup run test check live peers crash fuzz bench spam-report clients lint-units requirements lock clean

setup: $(VENV)/.setup

# A stamp, so that the second `make run` starts at once.
$(VENV)/.setup: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or later is needed (PYTHON=... names another)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || tests/install-debian python3-venv
	@echo "preparing $(VENV) ..."
	@[ -x $(BIN)/pip ] || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --use-pep517 -c requirements.lock -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.setup
	@$(BIN)/pip install --quiet --disable-pip-version-check --use-pep517 -c requirements.lock -e '.[dev]'
	@touch $@

run: setup
	@exec bin/mailraven run --root $(DEMO) --port-base $(PORTS) --log-format text

# ruff and mypy are tests too (tests/unit/test_style.py), so they run beside the others.
test: $(VENV)/.dev
	@tests/install-debian $(PEERS) $(TOOLS)
	@tests/unpack-debian $(VENV)/peers $(UNPACKED)
	$(PYTEST) tests

check: $(VENV)/.dev
	@tests/install-debian $(TOOLS)
	$(MEMORY) $(PYTEST) -o tmp_path_retention_policy=failed tests/unit tests/transcripts

# Daemons at work, by tests that take seconds.
live: $(VENV)/.dev
	$(PYTEST) tests/live

peers: $(VENV)/.dev
	@tests/install-debian $(PEERS)
	@tests/unpack-debian $(VENV)/peers $(UNPACKED)
	$(PYTEST) tests/peers

clients: $(VENV)/.dev
	@tests/install-debian $(CLIENTS)
	$(PYTEST) $(wildcard tests/clients/test_*.py) tests/clients/thunderbird.py

crash: $(VENV)/.dev
	$(PYTEST) tests/crash

# The same fuzz tests as in `make test`, with a hundred times as many examples.
fuzz: $(VENV)/.dev
	HYPOTHESIS_PROFILE=nightly $(PYTEST) tests/fuzz

bench: $(VENV)/.dev
	@tests/install-debian strace postfix redis-server $(RIVALS)
	$(BIN)/python tests/bench/run.py $(BENCH)

# Figures of spam scoring, by the corpora that lie beside this repository.
spam-report: $(VENV)/.dev
	$(BIN)/python tests/spam/report.py $(CORPORA)

lint-units: $(VENV)/.dev
	@tests/install-debian $(TOOLS)
	$(PYTEST) tests/unit/test_systemd_units.py

# tests/REQUIREMENTS.md: which test proves which requirement.
requirements: $(VENV)/.dev
	$(BIN)/python tests/requirements.py

# Fresh exact versions for CI and the image.
lock: $(VENV)/.dev
	$(BIN)/pip install --quiet --upgrade --upgrade-strategy eager -e '.[dev]'
	{ sed -n '/^#/p' requirements.lock; $(BIN)/pip freeze --exclude-editable --exclude pip; } > $(VENV)/lock
	mv $(VENV)/lock requirements.lock

clean:
	rm -rf $(VENV) .demo .cache build .pytest_cache .mypy_cache .ruff_cache .hypothesis lib/*.egg-info
