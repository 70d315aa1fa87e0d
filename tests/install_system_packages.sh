#!/bin/sh
# Installs the programs that tests drive, from the distribution's packages, when it may.
# What is missing afterwards is skipped with its reason; with CI=true such a skip is a failure.
set -u
wanted=""
command -v mosquitto >/dev/null 2>&1 || [ -x /usr/sbin/mosquitto ] || wanted="$wanted mosquitto"
command -v chromium >/dev/null 2>&1 || wanted="$wanted chromium"
# Screenshots show Chinese text.
fc-list :lang=zh 2>/dev/null | grep -q . || wanted="$wanted fonts-noto-cjk fontconfig"
[ -n "$wanted" ] || exit 0
if ! command -v apt-get >/dev/null 2>&1; then
    echo "not installed, some tests will be skipped:$wanted (this system has no apt-get)"
    exit 0
fi
if [ "$(id -u)" != 0 ]; then
    echo "not installed, some tests will be skipped:$wanted (run as root: apt-get install$wanted)"
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
