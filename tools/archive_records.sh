#!/bin/sh
# The records of HEAD as one file: dist/boxseg-records-VERSION.tar.gz, with the networks, the
# statement and how to cite them; and beside it dist/boxseg-records-VERSION.sha256, the hash of each
# file in it, which `sha256sum -c` reads where the archive was unpacked.
set -eu
cd "$(dirname "$0")/.."
if [ -n "$(git status --porcelain -- reports)" ]; then
    echo "archive: reports/ has changes that are not committed; commit them, or put them away." >&2
    exit 2
fi
name=boxseg-records-$(git describe --tags --always)
mkdir -p dist
unpacked=$(mktemp -d)
trap 'rm -rf "$unpacked"' EXIT
git archive --prefix="$name/" --output="dist/$name.tar.gz" HEAD \
    reports/results reports/models reports/REPRODUCTION.md CITATION.cff LICENSE
tar -xzf "dist/$name.tar.gz" -C "$unpacked"
(cd "$unpacked" && find "$name" -type f | LC_ALL=C sort | xargs -d '\n' sha256sum) \
    > "dist/$name.sha256"
echo "dist/$name.tar.gz"
echo "dist/$name.sha256"
