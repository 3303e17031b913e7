# Every target is one script; `make` alone lists them.
# A line with ## is a target's help.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
SHELL := /bin/bash

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

.PHONY: up
up: ## start the whole chat: engine, images, secrets, services, delivery check
	@compose/commands/up

.PHONY: down
down: ## stop it and remove the containers; the data stays
	@compose/commands/down

.PHONY: destroy
destroy: ## remove everything, the data and the secrets too (asks; CONFIRM=yes does not)
	@compose/commands/destroy

.PHONY: status
status: ## show what runs (FORMAT=json for programs)
	@compose/commands/status

.PHONY: logs
logs: ## follow the logs (SERVICE=ws for one, FOLLOW=no to end)
	@compose/commands/logs

.PHONY: superuser
superuser: ## make an account for the admin pages
	@compose/commands/superuser

.PHONY: backup
backup: ## write all that the database holds to a file, under traffic (FILE=…); with INVENTORY=… on the servers
	@$(if $(INVENTORY),INVENTORY='$(INVENTORY)' FILE='$(FILE)' deploy/ansible/play backup $(ARGS),FILE='$(FILE)' compose/commands/backup)

.PHONY: restore
restore: ## put a backup in the database's place (FILE=…, or UNDO=yes; asks; CONFIRM=yes does not); servers: INVENTORY=…
	@FILE='$(FILE)' UNDO='$(UNDO)' $(if $(INVENTORY),INVENTORY='$(INVENTORY)' deploy/ansible/play restore $(ARGS),compose/commands/restore)

.PHONY: dev
dev: ## edit and see: both tiers from app/, reloaded when a file changes
	@compose/commands/dev

.PHONY: scale
scale: ## change the number of replicas: HTTP=n WS=n
	@HTTP='$(HTTP)' WS='$(WS)' compose/commands/scale

.PHONY: smoke
smoke: ## test the running stack from outside; with INVENTORY=… the servers
	@$(if $(INVENTORY),INVENTORY='$(INVENTORY)' deploy/ansible/play smoke $(ARGS),compose/commands/smoke)

.PHONY: test
test: ## run all checks and tests, on stacks of their own
	@compose/commands/test

.PHONY: figures
figures: ## measure the running stack against its goals (WHAT='memory delivery sockets churn', JSON=file)
	@WHAT='$(WHAT)' JSON='$(JSON)' compose/commands/figures

.PHONY: bench
bench: ## measure the chat against other designs, on a pod of its own (WHAT='fanout http' or goals, QUICK=1, MINUTES=5, COMPARE=old.json)
	@WHAT='$(WHAT)' TARGETS='$(TARGETS)' QUICK='$(QUICK)' RUNS='$(RUNS)' MINUTES='$(MINUTES)' FRESH='$(FRESH)' JSON='$(JSON)' COMPARE='$(COMPARE)' compose/commands/bench

.PHONY: capacity
capacity: ## say what so many sockets and messages need (SOCKETS=n RATE=n ROOM=n)
	@SOCKETS='$(SOCKETS)' RATE='$(RATE)' ROOM='$(ROOM)' HTTP='$(HTTP)' CORES='$(CORES)' FORMAT='$(FORMAT)' compose/commands/capacity

.PHONY: page-figures
page-figures: ## measure the page in Chromium against its goals
	@compose/commands/page-figures

.PHONY: lighthouse
lighthouse: ## have Lighthouse look at the page
	@compose/commands/lighthouse

.PHONY: up-times
up-times: ## time make up: down and up again, then already up
	@bench/up_times.sh

.PHONY: test-browser
test-browser: ## test the page in Chromium, on a stack of its own (ONLY='-k name')
	@ONLY='$(ONLY)' compose/commands/test-browser

.PHONY: chaos
chaos: ## every fault in turn, counted by a ledger, on a stack of its own (FAULT=name, LIST=1, STACK=running) or servers (INVENTORY=…)
	@INVENTORY='$(INVENTORY)' CLIENTS='$(CLIENTS)' RATE='$(RATE)' FAULT='$(FAULT)' LIST='$(LIST)' SHORT='$(SHORT)' MISSING='$(MISSING)' REPORT='$(REPORT)' MINUTES='$(MINUTES)' SEED='$(SEED)' STACK='$(STACK)' RISK='$(RISK)' JSON='$(JSON)' $(if $(INVENTORY),deploy/ansible/play chaos,compose/commands/chaos)

.PHONY: screenshots
screenshots: ## make the pictures in docs/images anew
	@compose/commands/screenshots

.PHONY: test-fast
test-fast: ## run lint and the unit tests only
	@compose/commands/test-fast

.PHONY: lint
lint: ## check style, types, shell, Dockerfiles, nginx, the page and the playbooks
	@compose/commands/lint

.PHONY: shell
shell: ## open a shell in the tools' container, with the source
	@compose/commands/shell

.PHONY: release
release: ## build the bundle that image and servers install, of the last commit (VERSION=name)
	@VERSION='$(VERSION)' release/build

.PHONY: reproduce
reproduce: ## build the release twice from nothing: the bytes must be the same
	@release/reproduce

.PHONY: provision
provision: ## bare servers to a running chat (INVENTORY=…, ARGS='--check --diff')
	@INVENTORY='$(INVENTORY)' deploy/ansible/play site $(ARGS)

.PHONY: deploy
deploy: ## bring the working tree's version under traffic; with INVENTORY=… a release to servers
	@$(if $(INVENTORY),INVENTORY='$(INVENTORY)' deploy/ansible/play deploy $(if $(filter yes,$(CONTRACT)),-e chatire_contract=true) $(ARGS),compose/commands/deploy)

.PHONY: rollback
rollback: ## go back to the version before, under traffic; servers: INVENTORY=…, VERSION=name
	@$(if $(INVENTORY),INVENTORY='$(INVENTORY)' deploy/ansible/play rollback $(if $(VERSION),-e chatire_version='$(VERSION)') $(ARGS),compose/commands/rollback)

.PHONY: test-servers
test-servers: ## provision, break and redeploy real systemd hosts over SSH (ARGS='-k bookworm')
	@tests/servers/run $(ARGS)

.PHONY: audit
audit: ## lynis, testssl.sh, gixy and systemd-analyze on a fresh server (ARGS='-k testssl')
	@tests/servers/audit $(ARGS)

.PHONY: lint-servers
lint-servers: ## hold the playbooks against ansible-lint, and their specs against their defaults
	@tests/servers/lint
