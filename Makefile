# `make` lists what there is. `.ci/run` does all that has to pass.

# The tools of others have a module of their own; a linter has too many
# dependencies to share one.
PINNED = internal/tools/pinned
LINT = go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0 run

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
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: quick
quick: ## lint and test what differs from main, and what depends on it: BASE=branch
	@scripts/quick.sh '$(LINT)' $(MODULES)

.PHONY: test
test: ## everything: unit tests, race detector, real servers (installs them as root on Debian): PACKAGES=...
	@scripts/setup.sh
	@go build -o bin/testall ./internal/tools/testall
	@exec bin/testall $(MODULES)

.PHONY: proofs
proofs: ## long comparisons with what vendors run themselves, which `make test` leaves out
	@ROLLOUTKIT_REAL=$${ROLLOUTKIT_REAL:-1} ROLLOUTKIT_LONG=1 go test -count=1 ./core/glex/... ./providers/unleash/...

.PHONY: check
check: ## what has to pass before a change lands
	@bash .ci/run

.PHONY: lint
lint: ## gofmt, vet, staticcheck and more in every module, and whether all of it builds on Windows too
	@$(call each,$(LINT) ./...)
	@GOOS=windows go vet ./...

.PHONY: tidy
tidy: MODULES += $(PINNED)
tidy: ## fail if `go mod tidy` would change a go.mod or go.sum
	@$(call each,go mod tidy -diff)

.PHONY: generate
generate: ## rewrite what pages take from code and reports; a test fails where that is due
	@go run ./internal/tools/pages

.PHONY: cover
cover: ## coverage of core, and the lines without; fails below 95 %
	@scripts/cover.sh 95 ./core

.PHONY: api
api: ## what changed in the exported API since the last tag
	@scripts/api.sh $(PINNED)/go.mod

.PHONY: bench
bench: ## benchmarks and the ratios we promise: BENCH=regexp ROUNDS=n PACKAGES=...
	@scripts/bench.sh $(MODULES)

.PHONY: fuzz
fuzz: ## every fuzz target for a while: FUZZTIME=10s
	@scripts/fuzz.sh $(MODULES)
