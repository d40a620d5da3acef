# SPDX-License-Identifier: Apache-2.0
# What a person types. The work is done by the scripts in .ci, which CI runs as well.

PREFIX ?= /usr/local
# Where Swift builds; the release programs are in $(SCRATCH)/release.
SCRATCH ?= .build
export SCRATCH

.PHONY: all run build test test-pythons test-aarch64 test-kernels bench lint install clean

all: build

## run: build, and show the example of the README: a caller whose program is replaced through procctl
run:
	@.ci/build
	@.ci/example

## build: procctld and procctl, release, in .build/release
build:
	@.ci/build

## test: every suite; installs what is missing; ends with "N passed, N failed"
test:
	@.ci/test

## test-pythons: CPython's own tests of subprocess against ours, with every interpreter from 3.9 on that is found
test-pythons: build
	@PROCCTLD=$(abspath $(SCRATCH))/release/procctld python3 clients/python/tests/cpython/run.py --all

## test-aarch64: the C of the server on an emulated aarch64 machine (QEMU and Debian's arm64 packages; ten minutes or so)
test-aarch64:
	@.ci/prepare aarch64
	@python3 Tests/Machines/aarch64/run.py $(MACHINE)

## test-kernels: Debian's 5.10 and 6.1, each in a virtual machine: the behaviour and the Python client; KERNELS=… for others
test-kernels: build
	@.ci/prepare test
	@.ci/prepare kernels
	@Tests/Machines/kernels $(KERNELS)

## bench: against C programs on this machine, in the same run
bench: build
	@python3 Tests/Benchmarks/run.py --procctld $(SCRATCH)/release/procctld --procctl $(SCRATCH)/release/procctl $(BENCH)

## lint: formatting, licence lines, types
lint:
	@.ci/lint

## install: the programs, shell completions and the schema, below PREFIX (and DESTDIR)
install: build
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/procctl
	install -m 755 $(SCRATCH)/release/procctld $(SCRATCH)/release/procctl $(DESTDIR)$(PREFIX)/bin
	install -m 644 schema/openrpc.json $(DESTDIR)$(PREFIX)/share/procctl
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions
	install -d $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	$(SCRATCH)/release/procctl --generate-completion-script bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/procctl
	$(SCRATCH)/release/procctl --generate-completion-script zsh > $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_procctl
	$(SCRATCH)/release/procctl --generate-completion-script fish > $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/procctl.fish

clean:
	rm -rf $(SCRATCH) .venv
