#!/usr/bin/env bash
# Runs FlashTicket with all it needs, on a machine that has only Python 3.11 or newer.
#
# ./run.sh [OPTIONS OF "flashticket up"]    Ctrl-C stops it; a second start finds the data again.
# PYTHON=/path/to/python ./run.sh           takes this interpreter.
#
# run_tests.sh reads this file for its functions.

root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

# Prints an interpreter that is new enough and can make virtual environments.
find_python() {
    local candidates=(python3.13 python3.12 python3.11 python3 python) candidate without_venv=
    if [[ -n ${PYTHON:-} ]]; then
        candidates=("$PYTHON")
    fi
    for candidate in "${candidates[@]}"; do
        # Run, not only found: a version manager puts names on the PATH that lead nowhere.
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
        if "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return
        fi
        without_venv=$candidate
    done
    if [[ -n $without_venv ]]; then
        echo "$without_venv can't make virtual environments: its module venv is missing." >&2
        echo "On Debian and Ubuntu: apt install python3-venv" >&2
    else
        echo "FlashTicket needs Python 3.11 or newer; tried: ${candidates[*]}" >&2
        echo "If it is elsewhere: PYTHON=/path/to/python $0" >&2
    fi
    return 1
}

# Makes .venv and installs the project there with the extras $1, unless that is done already. The
# extras of run.sh begin those of run_tests.sh, so what the one installed is enough for the other.
install() {
    local extras=$1 stamp=$root/.venv/flashticket-installed wanted place='' installed='' python
    wanted=$(cat pyproject.toml constraints.txt | cksum) || return
    if [[ -f $stamp ]] && .venv/bin/python -c '' 2>/dev/null; then
        { read -r place && read -r installed; } <"$stamp"
    fi
    if [[ $place == "$root" && $installed == "$wanted $extras"* ]]; then
        return
    fi
    python=$(find_python) || return
    echo "Installing into .venv with $("$python" --version) (half a minute, once)" >&2
    # The scripts in .venv name its place, so one that was moved, or was never finished, is made
    # anew. Any other is brought up to date where it is: servers may be running from it.
    if [[ $place != "$root" ]]; then
        "$python" -m venv --clear .venv || return
    fi
    # In the environment too, so that the build tools are held to the same versions; newer releases
    # of pip read the second name for those.
    PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt \
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input \
        --constraint constraints.txt --editable ".[$extras]" || return
    printf '%s\n' "$root" "$wanted $extras" >"$stamp"
}

main() {
    set -euo pipefail
    cd -- "$root"
    install embedded,loadtest
    exec .venv/bin/flashticket up "$@"
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
    main "$@"
fi
