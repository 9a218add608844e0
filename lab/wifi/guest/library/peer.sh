# Debian's programs. Configuration on stdin; NAME.conf and NAME.log; `ws NAME COMMAND` and `ap NAME COMMAND` talk to them.
declare -A INTERFACE
answers() {
  local try
  for try in {1..50}; do "$1" "$2" PING 2>/dev/null | grep -q PONG && return; sleep 0.2; done
  fail "$2 does not answer"
}
# start_ws NAME NS INTERFACE DRIVER
start_ws() {
  { echo "ctrl_interface=$WORK/c-$1"; cat; } > "$1.conf"
  INTERFACE[$1]=$3
  in_ns "$2" wpa_supplicant -B -t -D"$4" -i"$3" -c"$1.conf" -f "$1.log" -d -K -P "$1.pid" || fail "wpa_supplicant $1 did not start"
  answers ws "$1"
}
ws() { wpa_cli -p "$WORK/c-$1" -i "${INTERFACE[$1]}" raw "${*:2}" 2>&1 | grep -v -e '^Using' -e '^[0-9.]*: '; }
# start_ap NAME NS
start_ap() {
  { echo "ctrl_interface=$WORK/c-$1"; cat; } > "$1.conf"
  INTERFACE[$1]=$(sed -n 's/^interface=//p' "$1.conf")
  in_ns "$2" hostapd -B -t -d -K -f "$1.log" -P "$1.pid" "$WORK/$1.conf" || fail "hostapd $1 did not start"
  answers ap "$1"
  need "$1.log" AP-ENABLED 15
}
ap() { hostapd_cli -p "$WORK/c-$1" -i "${INTERFACE[$1]}" raw "${*:2}" 2>&1 | grep -v '^Using'; }
# stop_peer NAME
stop_peer() { kill "$(cat "$1.pid")" 2>/dev/null; while [ -d "/proc/$(cat "$1.pid" 2>/dev/null || echo none)" ]; do sleep 0.1; done; }
