# In the guest: runs the scenarios of $SCENARIOS one after the other and powers off. Each has radios, network namespaces and
# processes of its own; what is left of one fails it, so that no scenario passes because of another one. The Controller alone
# stays, as it would: it starts once, in namespace ctl, and every scenario brings its own networks and devices to it.
# Told over the second serial line, tab-separated: ready SECONDS (the Controller), begin NAME, step SECONDS TEXT, end NAME VERDICT SECONDS REASON, over.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin LC_ALL=C
stty -F /dev/ttyS1 raw 2>/dev/null
exec 3>/dev/ttyS1
. "$LAB/guest/library/report.sh"

export LAB_ADDRESS=10.8.0.2 LAB_PORT=8908 LAB_FOLDER=/run/lab/ctl LAB_SERVER_NAME=radius.lab
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

start_controller() {
  mkdir -p $LAB_FOLDER
  ip netns add ctl
  ip netns exec ctl ip link set lo up
  . "$LAB/guest/library/enterprise.sh"
  (cd $LAB_FOLDER && make_server_certificate)
  (cd $LAB_FOLDER && exec setsid ip netns exec ctl bash "$CONTROLLER" serve < /dev/null > controller.log 2>&1) &
  CONTROLLER_SESSION=$!
  local try
  # An emulated machine takes its time to load a program. Without a Controller every scenario says that there is none.
  for try in {1..900}; do
    grep -q '^READY' $LAB_FOLDER/controller.log 2>/dev/null && { tell ready "$(now)"; return; }
    kill -0 $CONTROLLER_SESSION 2>/dev/null || return
    sleep 0.3
  done
}

# Nothing of a scenario may be left: no namespace, no interface but the kernel's own, no peer. Its radios come back to us.
leftovers() {
  local name
  for name in /run/netns/*; do
    # What a scenario named in its own mounts is a mere file here.
    [ "$name" = /run/netns/ctl ] || rm "$name" 2>/dev/null || echo "$name"
  done
  ls /sys/class/net | grep -v -x -e lo -e hwsim0 -e sit0 -e tunl0 -e 'wlan[0-9]'
  { pgrep -l -x hostapd; pgrep -l -x wpa_supplicant; } | grep -v -x -F "$(pgrep -l -s "$CONTROLLER_SESSION")"
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
  # It does not go with the radio that it listens on.
  iw dev | grep -q 'Interface mon0' && iw dev mon0 del
  ip netns del lab
  for try in {1..25}; do left=$(leftovers); [ -z "$left" ] && break; sleep 0.2; done
  [ -z "$left" ] || { verdict=fail reason="left behind: $(echo $left)"; }
  cp "$WORK"/*.{log,conf,pcap} "/out/$name/" 2>/dev/null
  cp $LAB_FOLDER/*.log "/out/" 2>/dev/null
  tell end "$name" $verdict "$(since "$begun")" "$reason"
}

start_controller
for scenario in $SCENARIOS; do run_scenario "$scenario"; done
tell over
sync
sleep 0.2
echo o > /proc/sysrq-trigger
sleep 60
