# shellcheck shell=bash
# What scripts/up, scripts/page and scripts/test share: uv, the environment in .venv, and Node.
# Sourced, not run. Every function may be repeated, and does only what is not done yet.
# What is downloaded comes from PyPI and npm, by the versions and hashes of the lock files.

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
CACHE="$ROOT/.cache"
PYTHON_RANGE='>=3.11,<3.14'
UV_OLDEST=0.5

# Environments that happen to be active must not leak into ours.
unset VIRTUAL_ENV PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE UV_PROJECT_ENVIRONMENT UV_SYSTEM_PYTHON
export LC_ALL="${LC_ALL:-C.UTF-8}"
# Compiled once at the installation, or every start of the node would take seconds.
export UV_COMPILE_BYTECODE=1

# Trust whom the machine trusts: networks with a proxy of their own add its certificate there.
CERTIFICATES=/etc/ssl/certs/ca-certificates.crt
if [ -r "$CERTIFICATES" ]; then
    export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}"
    export NODE_EXTRA_CA_CERTS="${NODE_EXTRA_CA_CERTS:-$CERTIFICATES}"
fi

say() { printf '%s\n' "photonic: $*" >&2; }
fail() {
    say "$*"
    exit 1
}

# Run a command as root: as we are, or through a sudo that asks for no password.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo -n "$@"
    fi
}
may_be_root() { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }

# apt_install PACKAGE...: install Debian packages, or return 1 where that cannot be.
apt_install() {
    command -v apt-get >/dev/null && may_be_root || return 1
    say "installing $* (apt)"
    as_root env DEBIAN_FRONTEND=noninteractive sh -c \
        'apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@"' \
        sh "$@" >/dev/null
}

# Whether version $1 is $2 or newer.
is_from() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# is_stamped NAME HASH; stamp NAME HASH: remember what a step was done for.
is_stamped() { [ "$(cat "$CACHE/stamps/$1" 2>/dev/null)" = "$2" ]; }
stamp() {
    mkdir -p "$CACHE/stamps"
    printf '%s\n' "$2" >"$CACHE/stamps/$1"
}

check_checkout() {
    [ -w "$ROOT" ] || fail "$ROOT cannot be written by $(id -un): clone it as this user"
    # uv and npm keep their downloads below HOME; without one, they go into the checkout.
    if [ ! -w "${HOME:-/nonexistent}" ]; then
        export HOME="$CACHE/home"
        mkdir -p "$HOME"
    fi
}

# Find uv and put it into UV; get it from PyPI into a private folder if there is none.
ensure_uv() {
    local version private="$CACHE/uv"
    for UV in "$(command -v uv || true)" "$private/bin/uv"; do
        [ -n "$UV" ] || continue
        version="$("$UV" --version 2>/dev/null | cut -d' ' -f2)" || continue
        if [ -n "$version" ] && is_from "$version" "$UV_OLDEST"; then
            return
        fi
    done
    say "getting uv from PyPI"
    UV="$private/bin/uv"
    get_uv "$private" && return
    # Debian has Python without pip and venv; either is enough for us.
    apt_install python3 python3-pip ||
        fail "uv or pip is missing: as root, \`apt install python3-pip\`, then run this again"
    get_uv "$private" || fail "uv could not be had from PyPI (is there a way to the network?)"
}

# Install uv into the folder $1. `--target` is nobody's environment, so pip takes it on systems
# that manage their Python themselves (PEP 668); nothing outside the checkout is touched.
get_uv() {
    command -v python3 >/dev/null && python3 -m pip --version >/dev/null 2>&1 || return 1
    rm -rf "$1"
    PIP_DISABLE_PIP_VERSION_CHECK=1 python3 -m pip install --quiet --no-deps --require-hashes \
        --only-binary :all: --target "$1" -r "$ROOT/requirements-uv.lock" &&
        "$1/bin/uv" --version >/dev/null
}

# ensure_venv NAME LOCK: make .venv with what LOCK lists, and photonic itself, editable.
ensure_venv() {
    local python="$ROOT/.venv/bin/python" hash
    hash="$(cd "$ROOT" && sha256sum "$2" pyproject.toml | sha256sum)"
    if is_stamped "venv-$1" "$hash" && "$python" -I -c 'import photonic' 2>/dev/null; then
        return
    fi
    say "making the environment .venv"
    if ! "$python" -c '' 2>/dev/null; then
        "$UV" venv --quiet --clear --no-python-downloads --python "$PYTHON_RANGE" "$ROOT/.venv" ||
            fail "Python 3.11, 3.12 or 3.13 is missing: install python3 (on Debian 12 or newer)"
    fi
    (
        cd "$ROOT"
        "$UV" pip install --quiet --python "$python" --no-deps --require-hashes -r "$2" &&
            "$UV" pip install --quiet --python "$python" --no-deps -e .
    ) || fail "the environment could not be made; the lines above say why"
    stamp "venv-$1" "$hash"
}

# Put a Node that can build the page first in PATH: the machine's, else one from PyPI.
ensure_node() {
    local version
    version="$(node --version 2>/dev/null | tr -d v)" || true
    if [ -n "$version" ] && is_from "$version" 20.19 && command -v npm >/dev/null; then
        return
    fi
    local hash
    hash="$(sha256sum <"$ROOT/requirements-node.lock")"
    if ! is_stamped node "$hash" || ! "$CACHE/node/bin/node" --version >/dev/null 2>&1; then
        say "getting Node from PyPI"
        "$UV" venv --quiet --clear --no-python-downloads --python "$PYTHON_RANGE" "$CACHE/node"
        "$UV" pip install --quiet --python "$CACHE/node/bin/python" --require-hashes \
            -r "$ROOT/requirements-node.lock" || fail "Node could not be had from PyPI"
        stamp node "$hash"
    fi
    PATH="$CACHE/node/bin:$PATH"
}
