#!/bin/sh
# Makes the Python environment of the course, or finds in an instant that it is ready.
#
#   sh tools/make_env.sh [DIRECTORY]      DIRECTORY: $DETLEARN_ENV, or .venv in the checkout
#
# PYTHON=...   the interpreter to make it with; default: the first of python3.13, python3.12,
#              python3.11, python3, python that is 3.11 or newer
# RESOLVE=...  which releases: locked (those of requirements-lock.txt), newest (the newest that the
#              ranges allow), oldest (the floors of requirements.txt) or colab (those of Colab's
#              image, requirements-colab.txt); default: those that it has, locked for a new one.
#              The lock is for Linux; elsewhere locked means newest.
#
# The file `detlearn-env` in the environment says whether it may be trusted:
#   ready FINGERPRINT    finished, with these requirements, for this checkout
#   building PID         begun; where that process is gone the run was interrupted, and since a
#                        half-written package looks installed to pip, it is made afresh
# An environment without that file was made by somebody else (conda, CI, you): it is used, it gets
# the packages that it lacks, and it is never deleted.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
env=${1:-${DETLEARN_ENV:-$root/.venv}}
case $env in
    /*) ;;
    *) env=$(pwd)/$env ;;
esac
state=$env/detlearn-env
NEW_ENOUGH='import sys; sys.exit(sys.version_info < (3, 11))'
IDENTITY='import sys; print(sys.base_exec_prefix, sys.version_info[:2])'

say() { printf '%s\n' "$*" >&2; }
refuse() { say "$@"; exit 1; }
works() { "$env/bin/python" -c "$NEW_ENOUGH" >/dev/null 2>&1; }

resolve=${RESOLVE:-$(cat "$env/detlearn-releases" 2>/dev/null || echo locked)}
case $resolve in
    locked) [ "$(uname -s 2>/dev/null)" = Linux ] || resolve=newest ;;
    newest | oldest | colab) ;;
    *) refuse "RESOLVE: expected locked, newest, oldest or colab, got $resolve" ;;
esac
fingerprint() {
    files='requirements.txt requirements-dev.txt'
    [ "$resolve" != locked ] || files="$files requirements-lock.txt"
    [ "$resolve" != colab ] || files="$files requirements-colab.txt"
    # shellcheck disable=SC2046,SC2086  # the words of cksum are wanted one by one
    cd "$root" && echo $(cat $files | cksum) $resolve "$root"
}

write_state() {
    printf '%s\n' "$*" >"$state.new"
    mv -f "$state.new" "$state"
}

begin() { # an empty directory (it may be a mount point) that says that it is being built
    mkdir -p "$env"
    write_state "building $$"
    find "$env" -mindepth 1 -maxdepth 1 ! -name detlearn-env -exec rm -rf {} +
}

# ------------------------------------------------------------------ an interpreter
find_pythons() { # sets $pythons (newline-separated paths) and $too_old (what was refused)
    pythons='' too_old=''
    if [ -n "${PYTHON:-}" ]; then names=$PYTHON; else
        names='python3.13 python3.12 python3.11 python3 python'
    fi
    old_ifs=$IFS
    [ -z "${PYTHON:-}" ] || IFS=''  # a path given by hand may hold a space
    for name in $names; do
        IFS=$old_ifs
        path=$(command -v "$name" 2>/dev/null) || continue
        if "$path" -c "$NEW_ENOUGH" >/dev/null 2>&1; then
            pythons="$pythons$path
"
        elif version=$("$path" -V 2>&1); then
            too_old="$too_old $name is $version;"
        fi
    done
    IFS=$old_ifs
    [ -n "$pythons" ] || refuse "detlearn needs Python 3.11 or newer.${too_old:+ Found:}${too_old%;}${too_old:+.}${PYTHON:+ (PYTHON=$PYTHON)}
Install one (Debian, Ubuntu: sudo apt install python3 python3-venv; macOS: brew install python@3.13;
anywhere: https://www.python.org/downloads/), or name one: make PYTHON=/path/to/python3.12 ..."
}

has_pip() { "$env/bin/python" -m pip --version >/dev/null 2>&1; }

by_venv() { "$1" -c 'import ensurepip, venv' 2>/dev/null && "$1" -m venv "$env"; }
by_virtualenv() {
    "$1" -m virtualenv -q "$env" 2>/dev/null || virtualenv -q -p "$1" "$env" 2>/dev/null
}
by_uv() { uv venv -q --seed --allow-existing --python "$1" "$env" 2>/dev/null; }
by_pip() { # Debian without python3-venv, but with python3-pip
    "$1" -m pip --version >/dev/null 2>&1 &&
        "$1" -m venv --without-pip "$env" 2>/dev/null &&
        "$1" -m pip -q --python "$env/bin/python" install pip
}

create() {
    find_pythons
    for way in by_venv by_virtualenv by_uv by_pip; do
        old_ifs=$IFS
        IFS='
'
        for python in $pythons; do
            IFS=$old_ifs
            begin
            if "$way" "$python" && has_pip; then
                say "Python $("$env/bin/python" -c 'import platform; print(platform.python_version())')" \
                    "($python) makes the environment in $env"
                return
            fi
        done
        IFS=$old_ifs
    done
    rm -rf "$env"
    python=$(printf '%s' "$pythons" | head -n 1)
    name=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
    refuse "$python cannot make environments: its modules venv and ensurepip are missing, and no
virtualenv, uv or pip was found that could stand in. Debian and Ubuntu ship them apart:
    sudo apt install $name-venv
Then run make again."
}

pip() { PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1 "$env/bin/python" -m pip "$@"; }

# uv reads none of pip's settings, so it is told those that say where packages come from.
index=${PIP_INDEX_URL:-} more=${PIP_EXTRA_INDEX_URL:-} certificates=${SSL_CERT_FILE:-${PIP_CERT:-}}
ask_pip() {
    index=${index:-$(pip config get global.index-url 2>/dev/null || true)}
    more=${more:-$(pip config get global.extra-index-url 2>/dev/null || true)}
    certificates=${certificates:-$(pip config get global.cert 2>/dev/null || true)}
}

# Installs the releases that were asked for, with the installer "$@". The lock's hashes are those of
# PyPI's files; an index of your own may hold other builds of the same releases (PyTorch without
# CUDA), so from there the releases of the lock are taken, and no hashes are compared.
packages() {
    constraints=$env/detlearn-constraints.txt
    case $resolve in
        locked)
            if [ -z "$index$more" ]; then
                "$@" --require-hashes --requirement requirements-lock.txt &&
                    "$@" --no-deps --editable .
            else
                sed -e '/^ *--hash/d' -e 's/ *\\$//' requirements-lock.txt >"$constraints" &&
                    "$@" --constraint "$constraints" --editable '.[dev]'
            fi ;;
        oldest) # "package>=1.2" becomes "package==1.2.*"
            sed -nE 's/^([a-z0-9-]+)>=([0-9.]+)$/\1==\2.*/p' requirements.txt >"$constraints" &&
                "$@" --constraint "$constraints" --editable '.[dev]' ;;
        colab) "$@" --constraint requirements-colab.txt --editable '.[dev]' ;;
        newest) "$@" --upgrade --editable '.[dev]' ;;
        *) "$@" --editable '.[dev]' ;;
    esac
}

pip_install() { PIP_UPGRADE_STRATEGY=eager pip install --no-compile "$@"; }
uv_install() {
    "$env/bin/python" -m uv pip install --python "$env/bin/python" \
        --index-strategy unsafe-best-match "$@"
}

# uv unpacks the 3 GB several times as fast; where it cannot be had, or fails, pip does the work.
by_uv_pip() {
    pip install -q --only-binary :all: uv 2>/dev/null || return 1
    (
        [ -z "$index" ] || export UV_DEFAULT_INDEX="$index"
        [ -z "$more" ] || export UV_INDEX="$(echo $more)" # one line
        [ -z "$certificates" ] || export SSL_CERT_FILE="$certificates"
        packages uv_install
    ) || { say "uv could not; pip tries."; return 1; }
}

# Many containers forbid Python to write bytecode. Then every process would compile PyTorch anew,
# some eight seconds each, and the tests start a hundred: what all of them import is compiled here.
compile_imported() {
    env -u PYTHONDONTWRITEBYTECODE "$env/bin/python" - <<'PY'
import contextlib
import importlib

import torch  # noqa: F401
import torchvision  # noqa: F401

for name in (
    "torch._dynamo", "torch.optim", "torch.utils.data", "torch.utils.flop_counter",
    "torchvision.models.detection", "torchvision.transforms.v2",
    "IPython", "PIL.Image", "coverage", "hypothesis", "ipykernel.ipkernel", "ipywidgets",
    "jupytext", "matplotlib.pyplot", "nbclient", "nbconvert", "nbval.plugin", "pycocotools.cocoeval",
    "pytest", "safetensors.torch", "skimage.data", "skimage.io", "torchinfo", "tqdm.auto",
    "xdist.plugin",
):
    with contextlib.suppress(Exception):  # what is missing or broken, the tests will say better
        importlib.import_module(name)
PY
}

install() { # ours, or foreign
    say "Installing the requirements (the first time some minutes and about 3 GB on Linux; less from
CPU wheels: PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu make ...)"
    has_pip || refuse "$env has no pip. Add it ($env/bin/python -m ensurepip), or remove that directory."
    # What is imported compiles itself; the rest need not.
    ask_pip
    (cd "$root" && { { [ "$1" = ours ] && by_uv_pip; } || packages pip_install; }) &&
        compile_imported ||
        refuse "The packages could not be installed; pip says why above. Most often it is the network or a
full disk ($env needs about 6 GB on Linux). Then run make again: what was downloaded is kept."
}

lacks() { # prints what a foreign environment lacks
    "$env/bin/python" - "$root/requirements.txt" "$root/requirements-dev.txt" <<'PY'
import sys
from importlib.metadata import PackageNotFoundError, version

try:
    from packaging.requirements import Requirement
except ImportError:
    from pip._vendor.packaging.requirements import Requirement

for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as file:
        lines = [line.split("#")[0].strip() for line in file]
    for requirement in map(Requirement, filter(None, lines)):
        try:
            if not requirement.specifier.contains(version(requirement.name), prereleases=True):
                print(requirement)
        except PackageNotFoundError:
            print(requirement)
PY
}

# ------------------------------------------------------------------ what is there?
[ -z "${PYTHON:-}" ] || find_pythons # an interpreter given by hand must do, ready or not
if [ -f "$state" ]; then
    read -r word rest <"$state" || word=''
    if [ "$word" = building ]; then
        if [ "$rest" != "$$" ] && kill -0 "$rest" 2>/dev/null; then
            refuse "Another make (process $rest) is making $env; wait for it. If that is not so, remove the directory."
        fi
        say "The last run was interrupted: $env is made afresh."
        create
    elif ! works; then
        say "The Python of $env is gone: it is made afresh."
        create
    elif [ -n "${PYTHON:-}" ] &&
        [ "$("$PYTHON" -c "$IDENTITY")" != "$("$env/bin/python" -c "$IDENTITY")" ]; then
        say "$env was made with another Python than $PYTHON: it is made afresh."
        create
    elif [ "$rest" = "$(fingerprint)" ]; then
        exit 0
    else
        say "The requirements have changed, or the checkout has moved: $env is brought up to date."
        write_state "building $$"
    fi
elif [ -d "$env" ] && [ -n "$(ls -A "$env")" ]; then
    works || refuse "$env exists, holds no working Python 3.11 or newer, and was not made by this Makefile.
Remove it, or name another: make DETLEARN_ENV=/path/to/environment ..."
    missing=$(lacks) || refuse "$env has neither pip nor packaging: what it lacks cannot be told."
    [ -n "$missing" ] || exit 0
    # shellcheck disable=SC2086  # one line
    say "$env, which this Makefile did not make, lacks:" $missing
    resolve=kept # what is there is not exchanged for other releases
    install foreign
    exit 0
else
    create
fi
install ours
echo "$resolve" >"$env/detlearn-releases"
write_state "ready $(fingerprint)"
say "The environment is ready: $env"
