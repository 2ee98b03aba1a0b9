#!/bin/sh
# Brings .venv to what uv.lock says: `environment.sh serve` to run Talas, `environment.sh dev` to
# work on it. The second is the first with the development tools, so the two never undo each other.
set -eu
cd "$(dirname "$0")/.."

say() { printf 'talas: %s\n' "$*" >&2; }
recent_enough='import sys; sys.exit(sys.version_info < (3, 11))'

# The interpreter that is used already, else the system's own: none is ever downloaded.
find_python() {
    for candidate in .venv/bin/python python3 python3.13 python3.12 python3.11 python3.14 python; do
        if "$candidate" -c "$recent_enough" >/dev/null 2>&1; then
            "$candidate" -c 'import sys; print(sys.executable)'
            return
        fi
    done
    say 'needs Python 3.11 or newer, and finds none. On Debian 12 or Ubuntu 24.04:'
    say '    apt install python3 python3-venv'
    exit 1
}

find_uv() {
    for candidate in .uv/bin/uv .uv/lib/bin/uv uv "${HOME:-}/.local/bin/uv"; do
        if "$candidate" --version >/dev/null 2>&1; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

# A system Python may lack venv, or ensurepip, or both; each way needs less than the one before.
install_uv() {
    say 'fetches uv, which installs the rest'
    said="$(mktemp)"
    rm -rf .uv
    { "$1" -m venv .uv && .uv/bin/python -m pip install --quiet uv; } >"$said" 2>&1 && return
    rm -rf .uv
    "$1" -m pip install --quiet --target .uv/lib uv >>"$said" 2>&1 && return
    rm -rf .uv
    "$1" -m pip install --quiet --user --break-system-packages uv >>"$said" 2>&1 && return
    sed 's/^/    /' "$said" >&2
    say 'cannot fetch uv, for the reasons above. Either install python3-venv (Debian, Ubuntu:'
    say 'apt install python3-venv), or uv itself (https://docs.astral.sh/uv), and try again'
    exit 1
}

# uv does not read pip's configuration; who set an index for pip means it for everything.
adopt_index_of_pip() {
    if [ -z "${UV_DEFAULT_INDEX:-}${UV_INDEX_URL:-}" ]; then
        index="${PIP_INDEX_URL:-$("$1" -m pip config get global.index-url 2>/dev/null || true)}"
        if [ -n "$index" ]; then export UV_DEFAULT_INDEX="$index"; fi
    fi
    if [ -z "${SSL_CERT_FILE:-}" ] && [ -n "${PIP_CERT:-}" ]; then
        export SSL_CERT_FILE="$PIP_CERT"
    fi
}

# uv.lock names files of the public index. From another index the same files, known by their
# hashes, are installed through a list of requirements.
sync() {
    case "${UV_DEFAULT_INDEX:-${UV_INDEX_URL:-}}" in
    '' | https://pypi.org/simple | https://pypi.org/simple/)
        "$uv" sync --locked --quiet "$@"
        ;;
    *)
        [ -x .venv/bin/python ] || "$uv" venv --quiet .venv
        "$uv" export --frozen --quiet --no-emit-project "$@" --output-file .venv/requirements.txt
        "$uv" pip install --quiet --python .venv/bin/python --require-hashes \
            -r .venv/requirements.txt
        "$uv" pip install --quiet --python .venv/bin/python --no-deps --editable .
        ;;
    esac
}

kind="$1"
wanted="$(cat uv.lock pyproject.toml | cksum) $PWD"
for made in "$kind" dev; do
    if [ -x .venv/bin/talas ] && [ "$(cat ".venv/talas-$made" 2>/dev/null)" = "$wanted" ] &&
        .venv/bin/python -c "$recent_enough" 2>/dev/null; then
        exit 0
    fi
done

python="$(find_python)"
uv="$(find_uv)" || { install_uv "$python" && uv="$(find_uv)"; }
adopt_index_of_pip "$python"
unset VIRTUAL_ENV
export UV_PROJECT_ENVIRONMENT=.venv UV_PYTHON_DOWNLOADS=never UV_PYTHON="$python"
say 'installs what uv.lock names (the first time this takes a minute)'
case "$kind" in
serve) sync --no-dev --all-extras ;;
dev) sync --all-extras ;;
esac
echo "$wanted" >".venv/talas-$kind"
