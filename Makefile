# The verbs. Each calls the build description (meson) or one script; `make` leaves the release program at build/habeas.
.DEFAULT_GOAL := all
MESON ?= meson
NINJA ?= ninja
SOURCES = $(shell find src test fuzz bench -name '*.[ch]' -o -name '*.cc' 2>/dev/null)
SCRIPTS = start.sh test.sh .ci/run $(shell grep -lE '^\#!.*sh$$' tools/* bench/* test/*/* 2>/dev/null)
TEST = $(MESON) test --no-rebuild --print-errorlogs

.PHONY: all
all: build/build.ninja
	$(NINJA) -C build

# One folder a kind of build; all are ignored by git.
build/build.ninja:
	$(MESON) setup build -Dtests=false
build-asan/build.ninja:
	$(MESON) setup build-asan -Doptimization=1 -Ddebug=true -Db_sanitize=address,undefined
build-tsan/build.ninja:
	$(MESON) setup build-tsan -Doptimization=1 -Ddebug=true -Db_sanitize=thread
build-clang/build.ninja:
	CC=clang CXX=clang++ $(MESON) setup build-clang
build-control/build.ninja:
	$(MESON) setup build-control -Dtests=false -Dcontrol=true
build-fuzz/build.ninja:
	CC=clang CXX=clang++ $(MESON) setup build-fuzz -Dtests=false -Dfuzz=true -Doptimization=1 -Ddebug=true \
	    -Db_sanitize=address,undefined

# The quick look before a commit, under two minutes.
.PHONY: check
check: format-check layers test-unit all
	tools/test-e2e quick

.PHONY: layers
layers:
	tools/check-layers

.PHONY: format format-check
format:
	clang-format -i $(SOURCES)
format-check:
	clang-format --dry-run --Werror $(SOURCES)

.PHONY: shellcheck
shellcheck:
	shellcheck -x -P SCRIPTDIR -e SC2317 $(SCRIPTS)

.PHONY: asan tsan clang control build-tsan
asan: build-asan/build.ninja
	$(NINJA) -C build-asan
build-tsan: build-tsan/build.ninja
	$(NINJA) -C build-tsan
tsan: build-tsan
	$(TEST) -C build-tsan --suite vault --suite work --suite http --timeout-multiplier 4
clang: build-clang/build.ninja
	$(NINJA) -C build-clang
control: build-control/build.ninja
	$(NINJA) -C build-control

.PHONY: test test-unit test-e2e
test:
	./test.sh
test-unit: asan
	$(TEST) -C build-asan
test-e2e: all
	tools/test-e2e

.PHONY: fuzz bench soak
fuzz: build-fuzz/build.ninja
	$(NINJA) -C build-fuzz
	tools/fuzz
# Further options as BENCH="--full --save 0.2.0".
bench: all
	bench/run $(BENCH)
MINUTES ?= 10
soak: all
	bench/soak --minutes $(MINUTES)

# DESTDIR and PREFIX as everywhere; what it installs is listed in packaging/README.md.
PREFIX ?= /usr/local
.PHONY: install
install: all
	$(MESON) configure build --prefix $(PREFIX)
	$(NINJA) -C build
	$(MESON) install -C build --no-rebuild

.PHONY: clean
clean:
	rm -rf build build-asan build-tsan build-clang build-control build-fuzz
