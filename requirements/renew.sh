#!/usr/bin/env bash
# Writes the files of this folder anew, from pyproject.toml (what is needed) and constraints.txt (in
# which version): every package with the hashes of all its files, for each supported Python and
# platform. Run it whenever one of those two was changed. It takes a minute, and the package index.
#
#   serve.txt   what the image installs: the API alone
#   run.txt     what run.sh installs
#   test.txt    what run_tests.sh installs
#   build.txt   what builds the project's own wheel
#   audit.txt   what audit.sh installs
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

uv_version=0.13.9
pythons=(3.11 3.12 3.13 3.14)
platforms=(x86_64-manylinux_2_28 aarch64-manylinux_2_28)

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
"${PYTHON:-python3}" -m venv "$tools"
"$tools/bin/python" -m pip install --quiet --disable-pip-version-check "uv==$uv_version"

# compile NAME INPUT...: pins with hashes; no-annotate, since who needs what is in the SBOM.
compile() {
    local name=$1
    shift
    "$tools/bin/uv" pip compile --quiet --no-config --universal --python-version "${pythons[0]}" \
        --constraint constraints.txt --generate-hashes --no-annotate --no-strip-extras \
        --custom-compile-command requirements/renew.sh --output-file "requirements/$name.txt" "$@"
}

# Installed from wheels alone: nothing that somebody else wrote is run in order to install it.
check() {
    local name=$1 python platform
    for python in "${pythons[@]}"; do
        for platform in "${platforms[@]}"; do
            "$tools/bin/uv" pip compile --quiet --no-config --only-binary :all: --no-header \
                --python-version "$python" --python-platform "$platform" \
                --output-file "$tools/$name-$python-$platform.txt" "requirements/$name.txt" ||
                { echo "$name.txt has no wheels for Python $python on $platform" >&2 && return 1; }
        done
    done
}

compile build requirements/build.in
compile serve pyproject.toml
compile run --extra embedded --extra loadtest pyproject.toml requirements/build.in
compile test --extra embedded --extra loadtest --extra test pyproject.toml requirements/build.in
compile audit requirements/audit.in
check test # the others but the next are parts of it
check audit
