# SPDX-License-Identifier: Apache-2.0
# A thin front of Meson and Ninja, which do the work. `make` leaves build/bawn, which runs from where it is.
#
#   make [BUILD=dir]            build
#   make demo                   a story of about half a minute: real work inside, real attacks refused
#   make test                   unit, sandbox and end-to-end tests; last line: N passed, N failed, N skipped
#   make install PREFIX=/usr/local [DESTDIR=]
#   make bench                  start, steady and network figures against what else is installed
#   make fuzz [FUZZ_SECONDS=30]      every parser under libFuzzer (clang); says executions and coverage
#   make check                  format, layering, headers
#   make tidy                   clang-tidy
#   make clean
BUILD ?= build
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 30

.PHONY: all demo test install bench fuzz check tidy clean
all: $(BUILD)/build.ninja
	@ninja -C $(BUILD) --quiet

$(BUILD)/build.ninja:
	@echo "configuring and building in $(BUILD)/; about a minute"
	@meson setup $(BUILD) $(SETUP) >$(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }
	@rm -f $(BUILD).log

# No unit tests: a demo should not wait for them.
demo: $(BUILD)/build.ninja
	@ninja -C $(BUILD) --quiet bawn bawn-init bawn-guard
	@demo/run $(BUILD)/bawn

test: all
	@tests/run --build $(BUILD)

# Asks for another prefix only where it differs: that reconfigures, and an installation as root should leave the
# build directory as its owner made it.
install: all
	@meson introspect $(BUILD) --buildoptions | grep -q '"name": "prefix", "value": "$(PREFIX)"' || \
	  meson configure $(BUILD) -Dprefix=$(PREFIX)
	meson install -C $(BUILD) --strip $(if $(DESTDIR),--destdir $(abspath $(DESTDIR)))

bench: all
	bench/start --bawn $(BUILD)/bawn
	bench/steady --bawn $(BUILD)/bawn
	BUILD=$(abspath $(BUILD)) bench/guard/run
	bench/agents --bawn $(BUILD)/bawn

fuzz:
	@test -f $(BUILD)-fuzz/build.ninja || CC=clang CFLAGS=-fsanitize=fuzzer-no-link meson setup $(BUILD)-fuzz \
	  -Dfuzz=true -Dstatic=false -Dtests=disabled -Db_sanitize=address,undefined -Db_lundef=false
	ninja -C $(BUILD)-fuzz
	tests/fuzz/run $(BUILD)-fuzz $(FUZZ_SECONDS)

check:
	tools/check-format
	tools/check-includes --self-test
	tools/check-includes --headers
	tools/check-tree

tidy: all
	git ls-files 'src/*.c' | xargs -P 2 -n 4 clang-tidy -p $(BUILD) --quiet

clean:
	rm -rf $(BUILD) $(BUILD)-fuzz $(BUILD).log
