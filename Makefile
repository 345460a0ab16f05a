# What a developer of gmctl types. `make` alone lists it. Everything here needs
# Go and nothing else, except where its line says so.

.DEFAULT_GOAL := help
.PHONY: help up build test test-long rehearsal rehearsal-shell rehearsal-chaos lint fmt tidy tidy-check cross-check shellcheck docs screens bench chaos fuzz release-check clean

# Arguments, for example: make up ARGS="--only postgres", make test PKG=./internal/config/...
ARGS   ?=
PKG    ?= ./...
NAME   ?= local
ROUNDS ?= 20
TIME   ?= 1m

# The version is the nearest tag, as git describes it; with no tag in reach (a
# shallow clone) the commit; without git (a tarball) the Go code says "dev".
DESCRIBE = $(shell git describe --tags --match 'v*' --dirty 2>/dev/null || git describe --always --match '' --dirty 2>/dev/null | sed 's/^/v0.0.0-g/')
COMMIT   = $(shell git rev-parse HEAD 2>/dev/null)
# The commit's date, not the build's: the same commit gives the same binary.
DATE     = $(shell TZ=UTC git log -1 --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ 2>/dev/null)
STAMP    = github.com/gamemetrics/gmctl/internal/buildinfo
LDFLAGS  = -s -w -X $(STAMP).version=$(DESCRIBE) -X $(STAMP).commit=$(COMMIT) -X $(STAMP).date=$(DATE)

# The race detector needs a C compiler. RACE=1 insists on it, RACE=0 leaves it out.
RACE ?= $(shell command -v "$$(go env CC)" >/dev/null 2>&1 && echo 1 || echo 0)

LINT = go tool -modfile=tools/lint/go.mod golangci-lint

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: build ## build gmctl and bring the whole platform up on this machine
	@bin/gmctl up $(ARGS)

build: ## build bin/gmctl, static and stamped with its version
	@CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/gmctl ./cmd/gmctl

test: ## run every test this machine can run; says which others there are
	@RACE=$(RACE) tools/test/run $(PKG)

test-long: ## run the tests that take minutes: real Terraform against an emulated account
	@GMCTL_TEST_REQUIRE=aws,terraform,kafka go test -timeout 30m -v -run 'TestDevLivesThroughKills|TestLostStateIsFoundAgain|TestLife|TestTheOnlyApacheKafkaIsKilled' ./internal/terraform ./internal/stage/infra ./services/relay

lint: shellcheck tidy-check cross-check ## formatting, go vet, golangci-lint, shellcheck, go.mod
	@$(LINT) fmt --diff
	@$(LINT) run ./...

fmt: ## format the Go code
	@$(LINT) fmt

tidy: ## drop from go.mod what nothing uses
	@go mod tidy

tidy-check: ## fail where go.mod names what nothing uses, or lacks something
	@go mod tidy -diff || { echo 'go.mod is not tidy: run make tidy' >&2; exit 1; }

cross-check: ## compile for the other systems of a release
	@GOOS=windows CGO_ENABLED=0 go build -o /dev/null ./cmd/gmctl && GOOS=windows CGO_ENABLED=0 go build ./pkg/... # the real systems for tests are Unix's
	@GOOS=darwin CGO_ENABLED=0 go vet ./...

shellcheck: ## check the shell scripts (needs shellcheck)
	@if command -v shellcheck >/dev/null; then git grep -lE '^#!/(bin/sh|bin/bash|usr/bin/env (ba)?sh)$$' | xargs shellcheck; \
	elif [ -n "$(CI)" ]; then echo 'shellcheck is missing: apt-get install shellcheck' >&2; exit 1; \
	else echo 'not checked: the shell scripts (to check them: apt-get install shellcheck)' >&2; fi

docs: ## write docs/ anew from the code: commands, configuration, JSON Schema
	@go generate ./internal/cli/docs

screens: build ## take docs/screens.md from a real terminal (needs tmux)
	@tools/screens/run

bench: build ## measure against peers: make bench NAME=local (or simulate, ingestion, aws)
	@go build -o bin/bench ./bench
	@bin/bench -name $(NAME) -gmctl bin/gmctl $(ARGS)

chaos: NAME = full
chaos: ROUNDS = 0
chaos: build ## faults under load, and an audit, for hours; less: make chaos NAME=small, or NAME=pipeline ROUNDS=20
	@go build -o bin/chaos ./bench/chaos
	@bin/chaos -name $(NAME) -rounds $(ROUNDS) -gmctl bin/gmctl $(ARGS)

# go test may end with "context deadline exceeded" when the time is over and nothing
# was found (golang/go#75804). What it does find stays in testdata/fuzz and fails again.
fuzz: ## fuzz each parser of what strangers send, one after the other: make fuzz TIME=10m
	@git grep -n '^func Fuzz' -- '*_test.go' | sed -E 's/^([^:]*)\/[^/:]*:[0-9]+:func (Fuzz[A-Za-z0-9_]*).*/\1 \2/' | sort -u | \
	while read -r package target; do \
		go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(TIME) "./$$package" || \
		go test -count=1 -run "^$$target\$$" "./$$package" || exit 1; \
	done

rehearsal: build ## lead gmctl through the life of an environment in a pretended AWS account (Linux, root)
	@go build -o bin/rehearsal ./bench/rehearsal
	@bin/rehearsal -gmctl bin/gmctl $(ARGS)

rehearsal-shell: build ## leave such an account standing, and print what to source
	@go build -o bin/rehearsal ./bench/rehearsal
	@bin/rehearsal -shell

rehearsal-chaos: build ## up and teardown again and again, killed on the way: make rehearsal-chaos ROUNDS=20
	@go build -o bin/rehearsal ./bench/rehearsal
	@bin/rehearsal -gmctl bin/gmctl -story chaos -kills $(ROUNDS) $(ARGS)

release-check: ## build all that a release ships, with goreleaser, into dist/
	@go tool -modfile=tools/release/go.mod goreleaser check
	@go tool -modfile=tools/release/go.mod goreleaser release --snapshot --clean
	@tools/release/verify dist

clean: ## remove what was built
	@rm -rf bin dist
