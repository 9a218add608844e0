# Time and verdicts. The ladder goes to descriptor 3 (the second serial line) and to the log of the script.
now() { local seconds; read -r seconds _ < /proc/uptime; echo "$seconds"; }
since() { awk -v from="$1" -v to="$(now)" 'BEGIN { printf "%.2f", to - from }'; }
tell() { local IFS=$'\t'; printf '%s\n' "$*" >&3; }
step() { local at; at=$(since "$BEGUN"); tell step "$at" "$*"; printf '[%7.2f] %s\n' "$at" "$*"; }
fail() { printf '%s\n' "$*" > "$WORK/reason"; echo "FAIL: $*"; exit 1; }
skip() { printf '%s\n' "$*" > "$WORK/reason"; exit 3; }
