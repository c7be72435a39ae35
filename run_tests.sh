#!/usr/bin/env bash
# The whole proof: the build, a clean state, style and types, all tests, the flash sale, the replay.
#
# ./run_tests.sh [--quick] [--docker | --embedded]
#   --quick      leaves out the slow tests
#   --docker     PostgreSQL and Redis from docker-compose.yml (the default where an engine answers)
#   --embedded   PostgreSQL and Valkey from pip wheels
#
# A step that fails is counted and the next one runs. The last line is "N passed, N failed": each
# step counts as one, pytest and the flash sale as many as they have tests and checks. What could
# not run has failed. The exit status is 0 only if nothing failed.

set -uo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/run.sh"
cd -- "$root" || exit

project=flashticket-tests
bin=.venv/bin
test_data=.data/tests # beside the data of run.sh, which may be running meanwhile

usage() {
    sed -n '/^# \.\/run_tests/,/^$/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
}

quick=false servers=
for argument in "$@"; do
    case $argument in
    --quick) quick=true ;;
    --docker) servers=docker ;;
    --embedded) servers=embedded ;;
    *) usage ;;
    esac
done
if [[ -z $servers ]]; then
    servers=embedded
    if docker info >/dev/null 2>&1 && docker compose version >/dev/null 2>&1; then
        servers=docker
    fi
fi

# No database of the caller's, and no other setting, has a part in this.
for name in "${!FLASHTICKET_@}"; do
    unset "$name"
done
export FLASHTICKET_DATA_DIR=$root/$test_data

passed=0 failed=0 summary=''

# Adds one line to the summary: its name, how many passed and failed, and the second it began.
record() {
    local seconds=$((SECONDS - $4))
    passed=$((passed + $2)) failed=$((failed + $3))
    summary+=$(printf '%-24s %6d passed %6d failed %6d s' "$1" "$2" "$3" "$seconds")$'\n'
    if (($3)); then
        echo "-- $1: FAILED after $seconds s"
    else
        echo "-- $1: passed in $seconds s"
    fi
}

# step NAME COMMAND...: counts as one.
step() {
    local name=$1 began=$SECONDS
    shift
    printf '\n== %s\n' "$name"
    if "$@"; then
        record "$name" 1 0 "$began"
    else
        record "$name" 0 1 "$began"
    fi
}

# suite NAME REPORT COMMAND...: counts as the cases in the JUnit report that the command writes, and
# one failure more if it fails without naming a case, or names none at all.
suite() {
    local name=$1 report=$2 began=$SECONDS status=0 good=0 bad=0
    shift 2
    printf '\n== %s\n' "$name"
    "$@" || status=$?
    if [[ -f $report ]]; then
        read -r good bad < <(count_cases "$report")
    else
        echo "$name wrote no $report"
    fi
    if ((bad == 0 && (status != 0 || good == 0))); then
        bad=1
    fi
    record "$name" "$good" "$bad" "$began"
}

# Prints how many cases of a JUnit report passed and how many did not. A skipped one showed nothing.
count_cases() {
    "$bin/python" - "$1" <<'PYTHON' || echo 0 1
import sys
import xml.etree.ElementTree as ElementTree

cases = list(ElementTree.parse(sys.argv[1]).iter("testcase"))
bad = sum(any(case.find(sign) is not None for sign in ("failure", "error", "skipped")) for case in cases)
print(len(cases) - bad, bad)
PYTHON
}

clean() {
    rm -rf reports .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache &&
        find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} + &&
        mkdir reports || return
    if [[ $servers == docker ]]; then
        containers down --volumes --remove-orphans || return
    fi
    if [[ -d $test_data ]]; then
        # Servers that a killed run left behind are stopped by the next start on their data.
        "$bin/python" -c '
import pathlib, sys
from api.embedded import Servers
with Servers(pathlib.Path(sys.argv[1])):
    pass' "$test_data" && rm -rf "$test_data"
    fi
}

containers() {
    docker compose --project-name "$project" "$@"
}

start_containers() {
    local ports
    ports=$("$bin/python" -c 'from api.embedded.ports import free_port as f; print(f(), f())') || return
    read -r POSTGRES_PORT REDIS_PORT <<<"$ports"
    POSTGRES_PASSWORD=$("$bin/python" -c 'import secrets; print(secrets.token_hex(24))') || return
    export POSTGRES_PORT REDIS_PORT POSTGRES_PASSWORD
    containers up --detach --wait --quiet-pull postgres redis || return
    export FLASHTICKET_DATABASE_URL=postgresql://flashticket:$POSTGRES_PASSWORD@127.0.0.1:$POSTGRES_PORT/flashticket
    export FLASHTICKET_REDIS_URL=redis://127.0.0.1:$REDIS_PORT/0
    export FLASHTICKET_TEST_DATABASE_URL=$FLASHTICKET_DATABASE_URL
    export FLASHTICKET_TEST_REDIS_URL=$FLASHTICKET_REDIS_URL
}

# with_servers COMMAND...: fails at once where the containers did not start.
with_servers() {
    if [[ $servers == docker && -z ${FLASHTICKET_DATABASE_URL:-} ]]; then
        echo "not run: the containers did not start"
        return 1
    fi
    "$@"
}

stop_containers() {
    trap - EXIT
    if [[ $servers == docker ]]; then
        containers down --volumes --remove-orphans
    fi
}
trap stop_containers EXIT
# What runs in the foreground has had the Ctrl-C too, and has stopped the servers that it started.
trap 'exit 130' INT
trap 'exit 143' TERM

echo "FlashTicket's tests, quick: $quick, servers: $servers"
step "build" install test
step "clean state" clean
step "ruff check" "$bin/ruff" check .
step "ruff format" "$bin/ruff" format --check .
step "mypy" "$bin/mypy"
step "lint-imports" "$bin/lint-imports"
if [[ $servers == docker ]]; then
    step "containers" start_containers
fi
selection=(--hypothesis-profile=full --hypothesis-seed=1) # other seeds in a soak: CONTRIBUTING.md
if $quick; then
    selection=(-m "not slow")
fi
suite "pytest" reports/pytest.xml with_servers \
    "$bin/python" -m pytest --numprocesses=2 --dist=loadfile --junitxml=reports/pytest.xml \
    ${selection[@]+"${selection[@]}"}
suite "flash sale" reports/flash-sale.xml with_servers \
    "$bin/flashticket" flash-sale --json reports/flash-sale.json --junit reports/flash-sale.xml
step "replay verification" with_servers "$bin/flashticket" verify

stop_containers
printf '\n%s\n%d passed, %d failed\n' "$summary" "$passed" "$failed"
((failed == 0))
