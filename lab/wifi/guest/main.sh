# In the guest: runs the scenarios of $SCENARIOS one after the other and powers off. Each has radios, a network and processes of
# its own; what one leaves behind fails the next, so that no scenario passes because of another one.
# Told over the second serial line, tab-separated: begin NAME, step SECONDS TEXT, end NAME VERDICT SECONDS REASON, over.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin LC_ALL=C
stty -F /dev/ttyS1 raw 2>/dev/null
exec 3>/dev/ttyS1
. "$LAB/guest/library/report.sh"

for module in cmac ccm gcm ctr af_packet veth bridge 8021q; do modprobe -q $module; done
ip link set lo up
echo 0 > /proc/sys/kernel/printk

# Radios are made new; those of the scenario before are gone with the module.
fresh_radios() {
  local try phy
  for try in {1..20}; do
    [ -d /sys/module/mac80211_hwsim ] || break
    modprobe -r mac80211_hwsim 2>/dev/null && break
    sleep 0.2
  done
  [ ! -d /sys/module/mac80211_hwsim ] || return 1
  modprobe mac80211_hwsim radios="$RADIOS" || return 1
  for try in {1..50}; do
    [ "$(ls /sys/class/ieee80211 | wc -l)" -eq "$RADIOS" ] && [ -e /sys/class/net/wlan$((RADIOS - 1)) ] && break
    sleep 0.1
  done
  ip netns add lab || return 1
  for phy in /sys/class/ieee80211/*; do iw phy "$(basename "$phy")" set netns name lab || return 1; done
  ip link set hwsim0 up
}

# Nothing of a scenario may be left: no namespace, no interface but the kernel's own, no peer. Its radios come back to us.
leftovers() {
  local peer
  ip netns list
  ls /sys/class/net | grep -v -x -e lo -e hwsim0 -e sit0 -e tunl0 -e 'wlan[0-9]'
  for peer in hostapd wpa_supplicant freeradius node; do pgrep -x "${peer:0:15}" > /dev/null && echo "$peer"; done
  [ "$(ls -d /sys/class/net/wlan* 2>/dev/null | wc -l)" -eq "$RADIOS" ] || echo 'a radio'
}

run_scenario() {
  local name=$1 begun verdict reason left try air
  begun=$(now)
  tell begin "$name"
  export WORK=/run/lab/$name BEGUN=$begun
  mkdir -p "$WORK" "/out/$name"
  if ! fresh_radios; then tell end "$name" fail "$(since "$begun")" 'the radios of the guest could not be made new'; return; fi
  tcpdump -i hwsim0 -w "$WORK/air.pcap" -U 2>/dev/null &
  air=$!
  timeout -k 5 "$LIMIT" ip netns exec lab unshare --pid --fork --kill-child --mount-proc \
    bash "$LAB/guest/scenario.sh" "$name" < /dev/null > "$WORK/script.log" 2>&1
  case $? in
    0) verdict=pass reason= ;;
    3) verdict=skip reason=$(cat "$WORK/reason") ;;
    124 | 137) verdict=fail reason="not done within $LIMIT s" ;;
    *) verdict=fail reason=$(cat "$WORK/reason" 2>/dev/null || tail -1 "$WORK/script.log") ;;
  esac
  kill $air; wait $air 2>/dev/null
  ip netns del lab
  for try in {1..25}; do left=$(leftovers); [ -z "$left" ] && break; sleep 0.2; done
  [ -z "$left" ] || { verdict=fail reason="left behind: $(echo $left)"; }
  cp "$WORK"/*.{log,conf,pcap,json} "/out/$name/" 2>/dev/null
  tell end "$name" $verdict "$(since "$begun")" "$reason"
}

for scenario in $SCENARIOS; do run_scenario "$scenario"; done
tell over
sync
sleep 0.2
echo o > /proc/sysrq-trigger
sleep 60
