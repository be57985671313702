SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

GOLANGCI_LINT_VERSION := v2.15.0

# The browser of the demo's driver and of most tests; looked up when it is needed, since setup may install it.
CHROMIUM ?= $(firstword $(shell command -v chromium chromium-browser google-chrome))
export CHROMIUM

BIN   := bin/throughline
TOOLS := $(CURDIR)/.cache/bin
ARGS  ?=
# How long each fuzz target runs in `make fuzz`.
FUZZTIME ?= 30s
# What `make crash` does: rounds of kill -9, and which of its modes run.
ROUNDS ?= 100
MODE   ?= kill,diskfull,blocked
# What `make bench` is told beside its defaults, see docs/benchmarks.md.
BENCHARGS ?=

GO_MODULES := . server e2e bench
# Modules of their own, since each has the versions that its framework asks for.
EXAMPLES := $(patsubst %/go.mod,%,$(wildcard examples/*/go.mod))
NPM_FOLDERS := browser server/ui
BACKENDS := e2e/backends/testdata/express e2e/backends/testdata/nodered

comma := ,
say = @printf '\n== %s\n' "$(1)"

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Install what the build needs
	@build/setup.sh

.PHONY: setup-browser
setup-browser: ## Install Chromium for the demo's driver and the tests
	@build/setup.sh browser

.PHONY: setup-engines
setup-engines: ## Install the three browser engines of the agent's tests
	@build/setup.sh engines

.PHONY: setup-recipes
setup-recipes: ## Install the proxies and caches of docs/guides for their tests
	@build/setup.sh recipes

.PHONY: setup-backends
setup-backends: $(BACKENDS:%=%/node_modules/.installed) ## Install the applications of the end-to-end tests: PHP, Flask, DokuWiki, Node-RED
	@build/setup.sh backends
	@[ -e .cache/dokuwiki/.installed ] || build/dokuwiki.sh .cache/dokuwiki

# Packages are installed again when the lock file is newer than the last install.
%/node_modules/.installed: %/package-lock.json | setup
	@printf '\n== %s: npm ci\n' "$*"
	@cd $* && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

.PHONY: agent
agent: browser/node_modules/.installed # takes a second, so it is always built, and its size always printed
	@printf '\n== browser agent\n'
	@cd browser && npm run --silent build

.PHONY: size
size: agent ## Build the browser agent and print its sizes; fails over browser/size-budget.json

UI_SOURCES := $(shell find server/ui/src server/ui/public -type f) server/ui/index.html server/ui/package.json server/ui/vite.config.ts
server/ui/dist/index.html: $(UI_SOURCES) server/ui/node_modules/.installed
	@printf '\n== web UI\n'
	@cd server/ui && npm run --silent build

.PHONY: assets
assets: agent server/ui/dist/index.html

.PHONY: build
build: setup assets ## Build the agent, the UI and bin/throughline; print the agent's size
	$(call say,bin/throughline (the first build compiles the embedded store's binding and takes some minutes))
	@go build -trimpath -o $(BIN) ./server/cmd/throughline

.PHONY: demo
demo: ## Run the shop and the server; ARGS='--drive', '--once --json'
	@$(MAKE) build $(if $(filter --drive --once,$(ARGS)),setup-browser) >&2 # so that standard output is the demo's own
	@$(BIN) demo $(ARGS)

.PHONY: test
test: setup-engines assets lint ## Set up and run all tests; the browser agent's in Chromium
	$(call say,browser agent: tests in Chromium)
	@cd browser && npm run --silent test
	$(call say,web UI: tests in Chromium)
	@cd server/ui && npm run --silent test
	$(call say,Go: library)
	@go test -race -shuffle=on ./...
	$(call say,Go: server (the first build takes some minutes))
	@cd server && go test -race -shuffle=on ./...
	$(call say,Go: the benchmarks' own logic)
	@cd bench && go test -race -shuffle=on ./...
	$(call say,Go: the examples)
	@for module in $(EXAMPLES); do (cd $$module && GOWORK=off go test -race -shuffle=on ./...); done
	@$(MAKE) e2e

.PHONY: test-browser
test-browser: setup-engines browser/node_modules/.installed ## The browser agent in Chromium, Firefox and WebKit
	$(call say,browser agent: tests in Chromium$(comma) Firefox and WebKit)
	@cd browser && npm run --silent test:engines

.PHONY: e2e
e2e: build setup-browser setup-recipes setup-backends ## The real binary in a real browser, with other proxies, caches and applications
	$(call say,end to end)
	@cd e2e && THROUGHLINE_BINARY=$(CURDIR)/$(BIN) DOKUWIKI=$(CURDIR)/.cache/dokuwiki go test -p 1 -race -shuffle=on -count=1 ./...

.PHONY: crash
crash: build ## Kill, fill up, block the server under load; ROUNDS=100, MODE=kill,diskfull,blocked
	$(call say,crash: what is acknowledged is neither lost nor doubled (the small disk needs root))
	@cd e2e && THROUGHLINE_BINARY=$(CURDIR)/$(BIN) go run ./crash -rounds $(ROUNDS) -mode $(MODE) $(ARGS)

$(TOOLS)/golangci-lint-$(GOLANGCI_LINT_VERSION): | setup
	$(call say,golangci-lint $(GOLANGCI_LINT_VERSION) (compiled once; this takes some minutes))
	@GOBIN=$(TOOLS) GOWORK=off GOFLAGS=-mod=mod go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	@mv $(TOOLS)/golangci-lint $@

.PHONY: lint
lint: assets $(TOOLS)/golangci-lint-$(GOLANGCI_LINT_VERSION) ## Run all linters and format checks
	$(call say,lint: Go)
	@for module in $(GO_MODULES); do (cd $$module && $(TOOLS)/golangci-lint-$(GOLANGCI_LINT_VERSION) run ./...); done
	@for module in $(EXAMPLES); do (cd $$module && GOWORK=off $(TOOLS)/golangci-lint-$(GOLANGCI_LINT_VERSION) run ./...); done
	$(call say,lint: TypeScript)
	@for folder in $(NPM_FOLDERS); do (cd $$folder && npm run --silent lint && npm run --silent typecheck); done

.PHONY: format
format: $(TOOLS)/golangci-lint-$(GOLANGCI_LINT_VERSION) $(addsuffix /node_modules/.installed,$(NPM_FOLDERS)) ## Format all code
	@for module in $(GO_MODULES); do (cd $$module && $(TOOLS)/golangci-lint-$(GOLANGCI_LINT_VERSION) fmt ./...); done
	@for module in $(EXAMPLES); do (cd $$module && GOWORK=off $(TOOLS)/golangci-lint-$(GOLANGCI_LINT_VERSION) fmt ./...); done
	@for folder in $(NPM_FOLDERS); do (cd $$folder && npm run --silent format); done

.PHONY: generate
generate: server/ui/generate/node_modules/.installed ## Write the golden files and the UI's API types anew
	@cd server && go test ./internal/api -run Golden -update
	@cd server/ui/generate && npm run --silent generate

.PHONY: checkgenerate
checkgenerate: generate ## Fail where a golden file is not up to date
	@git diff --exit-code -- server/internal/api/testdata server/ui/src/api

.PHONY: bench
bench: build ## Measure, and compare with rivals; BENCHARGS='-rows 10000000'
	@go test -run '^$$' -bench . -benchmem ./...
	@cd server && go test -run '^$$' -bench . -benchmem ./...
	@$(MAKE) bench-rivals

.PHONY: bench-rivals
bench-rivals: build ## Only the comparison, written to docs/benchmarks.md
	$(call say,this build against rivals (they are compiled once; that takes some minutes))
	@go run ./bench -server $(BIN) -out docs/benchmarks.md $(BENCHARGS)

.PHONY: bench-agent
bench-agent: setup-browser agent browser/bench/node_modules/.installed ## The browser agent against others, written to docs/benchmarks.md; ARGS='--rounds 1'
	$(call say,the agent against others in Chromium)
	@cd browser/bench && npm run --silent bench -- --out $(CURDIR)/docs/benchmarks.md $(ARGS)

.PHONY: bench-agents
bench-agents: build setup-recipes ## The middleware and the proxy beside others, written to docs/benchmarks.md; ARGS='-rounds 1'
	$(call say,the middleware and the proxy beside others)
	@go run ./bench/agents -proxy $(BIN) -out docs/benchmarks.md $(ARGS)

.PHONY: fuzz
fuzz: assets ## Run each fuzz target for FUZZTIME
	@build/fuzz.sh . $(FUZZTIME)
	@build/fuzz.sh server $(FUZZTIME)

.PHONY: screenshot
screenshot: ## Take the README's picture anew, from the end-to-end test
	@UPDATE_SCREENSHOT=1 $(MAKE) e2e

.PHONY: clean
clean: ## Remove what was built
	@rm -rf bin browser/dist/*.* browser/bench/dist server/ui/dist/assets server/ui/dist/index.html e2e/out
