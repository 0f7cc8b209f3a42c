#!/bin/sh
# Builds .venv in the repository's root, or brings it up to date; silent when there is nothing to do.
#
# A step that finishes leaves a stamp in .venv named after the hash of its inputs, so a repeated call
# costs two hashes and an interrupted one carries on. pip cannot tell a half-copied package from a
# whole one, so an environment cut short while packages were being copied is built anew; what was
# downloaded comes from pip's cache.
#
# PYTHON names the interpreter to use; without it python3.11, python3.12 and python3 are tried.
# EXTRAS=mmdet adds the optional hosts of requirements/mmdet.txt; once there they are kept up to date.
set -eu

root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd -P)
cd "$root"
venv=.venv
lock=requirements/lock.txt
detectron2=requirements/detectron2.txt
mmdet=requirements/mmdet.txt

say() { printf '[set-up%s] %s\n' "$1" "$2"; }
fail() {
    printf '[set-up] %s\n' "$1" >&2
    exit 1
}
hash_of() { cat -- "$@" | sha256sum | cut -c 1-16; }

# Python 3.11 or 3.12, with what `python -m venv` needs.
suitable() {
    "$1" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' \
        >/dev/null 2>&1
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then set -- "$PYTHON"; else set -- python3.11 python3.12 python3; fi
    for candidate in "$@"; do
        if suitable "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    fail "no Python 3.11 or 3.12 with its venv module was found (tried: $*); install one, or name it with PYTHON=/path/to/python3.11."
}

# There, and made for this folder: the scripts of a copied or moved environment name the old one.
in_place() {
    [ -x "$venv/bin/python" ] && grep -qsF "$root/$venv/bin/" "$venv/bin/pip"
}

# In place, whole, and of a supported Python.
healthy() {
    in_place && [ ! -e "$venv/.unfinished" ] && suitable "$venv/bin/python" \
        && "$venv/bin/python" -c 'import pip' >/dev/null 2>&1
}

create_environment() {
    if healthy; then return; fi
    python=$(find_python)
    if [ -e "$venv" ]; then
        say "" "$venv is incomplete, or was made elsewhere: building it anew"
        rm -rf -- "$venv"
    fi
    say " 1/5" "creating $venv with $("$python" --version) ($python)"
    mkdir "$venv"
    : >"$venv/.unfinished"
    "$python" -m venv "$venv"
    rm "$venv/.unfinished"
}

install_requirements() {
    stamp="$venv/.requirements-$(hash_of "$lock")"
    if [ -e "$stamp" ]; then return; fi
    say " 2/5" "installing $lock, hashes checked (about 6 GB on disk; takes minutes)"
    : >"$venv/.unfinished"
    pip_install --require-hashes -r "$lock"
    rm -f -- "$venv"/.requirements-*
    : >"$stamp"
    rm "$venv/.unfinished"
}

# The wheel is tagged for Python 3.10, but what is used of it is pure Python: pip takes it only with
# its tags given, and then only into a named folder.
install_detectron2() {
    stamp="$venv/.detectron2-$(hash_of "$detectron2")"
    if [ -e "$stamp" ]; then return; fi
    say " 3/5" "installing Detectron2 from $detectron2"
    purelib=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
    pip_install --no-deps --only-binary=:all: --python-version 3.10 --implementation cp \
        --upgrade --target "$purelib" --require-hashes -r "$detectron2"
    rm -f -- "$venv"/.detectron2-*
    : >"$stamp"
}

with_mmdet() {
    case " ${EXTRAS:-} " in *" mmdet "*) return 0 ;; esac
    for stamp in "$venv"/.mmdet-*; do [ -e "$stamp" ] && return 0; done
    return 1
}

# Without its own requirements, which ask for OpenCV with its windows (requirements/mmdet.in).
install_mmdet() {
    with_mmdet || return 0
    if [ -e "$mmdet_stamp" ]; then return; fi
    say " 4/5" "installing mmdet from $mmdet"
    pip_install --no-deps --force-reinstall --require-hashes -r "$mmdet"
    rm -f -- "$venv"/.mmdet-*
    : >"$mmdet_stamp"
}

install_project() {
    say " 5/5" "installing boxseg itself, in place"
    pip_install --no-deps --no-build-isolation --editable .
    "$venv/bin/python" -W ignore -c 'import boxseg, detectron2, pycocotools, torchvision' \
        || fail "$venv is built but does not import (see above); remove $venv and try again."
}

# pip's progress is for people who watch; logs get its warnings and errors.
pip_install() {
    if [ -t 1 ]; then quiet=; else quiet=--quiet; fi
    "$venv/bin/python" -m pip --disable-pip-version-check install $quiet "$@" \
        || fail "pip failed (see above); run the same command again when the cause is mended."
}

command -v sha256sum >/dev/null || fail "sha256sum was not found; install coreutils."
for extra in ${EXTRAS:-}; do
    [ "$extra" = mmdet ] || fail "EXTRAS names '$extra', which is none of: mmdet."
done
done_stamp="$venv/.setup-$(hash_of "$lock" "$detectron2" pyproject.toml tools/setup.sh)"
mmdet_stamp="$venv/.mmdet-$(hash_of "$mmdet")"
up_to_date() {
    [ -e "$done_stamp" ] && in_place || return 1
    [ -e "$mmdet_stamp" ] || ! with_mmdet
}

if up_to_date; then exit 0; fi

# One set-up at a time. The lock goes with the last process that holds it, so a killed one leaves none.
if command -v flock >/dev/null; then
    exec 9>>.venv.lock
    if ! flock -n 9; then
        say "" "waiting for another set-up of this folder to finish"
        flock 9 || say "" "this file system has no locks: do not run two set-ups at once"
    fi
    if up_to_date; then exit 0; fi
fi

create_environment
install_requirements
install_detectron2
install_mmdet
install_project
rm -f -- "$venv"/.setup-*
: >"$done_stamp"
say "" "done: $venv is ready"
