# Waiting for what a peer writes into its log.
# wait_for FILE PATTERN [SECONDS [FIRST_LINE]]: true as soon as a line matches.
wait_for() {
  local end
  end=$(( $(now | cut -d. -f1) + ${3:-10} ))
  until tail -n "+${4:-1}" "$1" 2>/dev/null | grep -a -q -e "$2"; do
    [ "$(now | cut -d. -f1)" -lt "$end" ] || return 1
    sleep 0.15
  done
}
# need, or the scenario has failed.
need() { wait_for "$@" || { tail -5 "$1"; fail "no $2 in $1 within ${3:-10} s"; }; }
# event FILE NAME: what followed the last event of that name.
event() { grep -a -o "$2 .*" "$1" | tail -1 | cut -d' ' -f2-; }
lines() { wc -l < "$1"; }
# absent FILE PATTERN SECONDS [FIRST_LINE] WHAT: the scenario has failed if it happens within that time.
absent() { ! wait_for "$1" "$2" "$3" "$4" || fail "$5"; }
