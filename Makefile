# `make` lists what there is. `.ci/run` does all that has to pass.

# The module of the tools of others.
PINNED = internal/tools/pinned

STATICCHECK = go run honnef.co/go/tools/cmd/staticcheck@v0.8.2

# The directories with a go.mod and Go code: users depend on the first alone.
MODULES := . $(sort $(patsubst ./%/go.mod,%,$(shell find . -mindepth 2 -name go.mod \
	-not -path '*/node_modules/*' -not -path '*/testdata/*' -not -path './out/*' -not -path './$(PINNED)/*')))

# PACKAGES="./core/glex ./providers/..." narrows test and bench, in the first module.
ifdef PACKAGES
MODULES := .
endif

# $(call each,COMMAND) runs COMMAND in every module and fails if one failed.
each = failed=0; for module in $(MODULES); do (cd $$module && $(1)) || failed=1; done; exit $$failed

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: test
test: ## everything: unit tests, race detector, real servers (installs them as root on Debian)
	@scripts/setup.sh
	@go build -o bin/testall ./internal/tools/testall
	@exec bin/testall $(MODULES)

.PHONY: proofs
proofs: ## long comparisons with what vendors run themselves, which `make test` leaves out
	@ROLLOUTKIT_REAL=$${ROLLOUTKIT_REAL:-1} ROLLOUTKIT_LONG=1 go test -count=1 ./core/glex/... ./providers/unleash/...

.PHONY: check
check: ## what has to pass before a change lands
	@bash .ci/run

.PHONY: format
format: ## fail if gofmt would change a file
	@unformatted=$$(gofmt -l .) || exit; \
	[ -z "$$unformatted" ] || { echo "not formatted by gofmt:"; echo "$$unformatted"; exit 1; }

.PHONY: vet
vet: ## go vet in every module, and whether all of it builds on Windows too
	@$(call each,go vet ./...)
	@GOOS=windows go vet ./...

.PHONY: staticcheck
staticcheck: ## staticcheck in every module
	@$(call each,$(STATICCHECK) ./...)

.PHONY: tidy
tidy: ## fail if `go mod tidy` would change a go.mod or go.sum
	@$(call each,go mod tidy -diff)

.PHONY: generate
generate: ## rewrite what pages take from code and reports; a test fails where that is due
	@go run ./internal/tools/pages

.PHONY: cover
cover: ## coverage of core, and the lines without; fails below 95 %
	@scripts/cover.sh 95 ./core

.PHONY: bench
bench: ## benchmarks and the ratios we promise: BENCH=regexp ROUNDS=n PACKAGES=...
	@scripts/bench.sh $(MODULES)

.PHONY: fuzz
fuzz: ## every fuzz target for a while: FUZZTIME=10s
	@scripts/fuzz.sh $(MODULES)
