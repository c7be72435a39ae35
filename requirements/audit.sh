#!/usr/bin/env bash
# Asks whether anything that is installed has a known vulnerability, and writes what there is
# (CycloneDX 1.6) to reports/sbom.cdx.json. Exit status: 0 asked about all and none has, 1 some have,
# 3 nobody could be asked about some, so that nothing is known.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
"${PYTHON:-python3}" -m venv "$tools"
"$tools/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
    --require-hashes --only-binary :all: --requirement requirements/audit.txt
mkdir -p reports
# From what is installed, since only that tells licences and who needs whom.
"${PYTHON:-python3}" -m venv "$tools/served"
"$tools/served/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
    --require-hashes --only-binary :all: --requirement requirements/serve.txt
"$tools/served/bin/python" -m pip uninstall --quiet --yes pip
"$tools/bin/cyclonedx-py" environment "$tools/served/bin/python" --pyproject pyproject.toml \
    --output-reproducible --sv 1.6 --output-file reports/sbom.cdx.json
echo "reports/sbom.cdx.json: what the image holds"
# What it finds, and what it could not ask about, is told by its answer. Its exit status is 0 and its
# words are cheerful even where the index did not know a single package.
"$tools/bin/pip-audit" --requirement requirements/test.txt --disable-pip --require-hashes \
    --progress-spinner off --format json --output reports/audit.json 2>reports/audit.log || true
"$tools/bin/python" requirements/judge_audit.py requirements/test.txt reports/audit.json
