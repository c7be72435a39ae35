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

# Makes .venv and installs there what requirements/$1.txt lists and the project, unless that is done
# already. What run.sh needs is part of what run_tests.sh does, so after that it is done too.
install() {
    local list=$1 stamp=$root/.venv/flashticket-installed wanted place='' installed='' python
    wanted=$(cat pyproject.toml requirements/*.txt | cksum) || return
    if [[ -f $stamp ]] && .venv/bin/python -c '' 2>/dev/null; then
        { read -r place && read -r installed; } <"$stamp"
    fi
    if [[ $place == "$root" && ($installed == "$wanted $list" || $installed == "$wanted test") ]]; then
        return
    fi
    python=$(find_python) || return
    echo "Installing into .venv with $("$python" --version) (half a minute, once)" >&2
    # The scripts in .venv name its place, so one that was moved, or was never finished, is made
    # anew. Any other is brought up to date where it is: servers may be running from it.
    if [[ $place != "$root" ]]; then
        "$python" -m venv --clear .venv || return
    fi
    # Nothing but the very files that the list has hashes of, and of those only wheels. The project
    # itself is built with what is then there, so that this fetches nothing more.
    pip_install --require-hashes --only-binary :all: --requirement "requirements/$list.txt" &&
        pip_install --no-deps --no-build-isolation --editable . || return
    printf '%s\n' "$root" "$wanted $list" >"$stamp"
}

pip_install() {
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input "$@"
}

main() {
    set -euo pipefail
    cd -- "$root"
    install run
    exec .venv/bin/flashticket up "$@"
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
    main "$@"
fi
