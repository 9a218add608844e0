# Access points of hostapd. What one has to know of the network and its devices stands in files that the Controller keeps.
declare -A NETWORK_OF LINES_OF
# access_point NAME INTERFACE NETWORK [LINE...]: started, with these lines of its own.
access_point() {
  NETWORK_OF[$1]=$3
  LINES_OF[$1]=$(printf '%s\n' "interface=$2" driver=nl80211 hw_mode=g channel=6 "${@:4}")
  FILES=$(in_ns ctl bash "$CONTROLLER" access-point "$3")
  local try
  for try in {1..50}; do [ -s "$FILES/$3.conf" ] && break; sleep 0.2; done
  [ -s "$FILES/$3.conf" ] || fail "the Controller wrote nothing for the access points of $3"
  start_ap "$1" root < <(configuration_of "$1")
  copy_files "$1"
}
configuration_of() { printf '%s\n' "${LINES_OF[$1]}"; cat "$FILES/${NETWORK_OF[$1]}.conf"; }
copy_files() { local file; for file in conf psk deny; do cp "$FILES/${NETWORK_OF[$1]}.$file" "$1.$file.before" 2>/dev/null; done; }
files_changed() { local file; for file in conf psk deny; do [ -e "$FILES/${NETWORK_OF[$1]}.$file" ] && ! cmp -s "$FILES/${NETWORK_OF[$1]}.$file" "$1.$file.before" && return; done; return 1; }
# What makes an access point relay, in RELAY: devices find it by the element in its beacons, the Controller by its key.
relay() { RELAY=(dpp_configurator_connectivity=1 "dpp_controller=ipaddr=$LAB_ADDRESS pkhash=$(key_hash "$CONTROLLER_URI")"); }
# refresh NAME: hostapd reads again what the Controller has changed for it, as its operator's reload command would make it.
refresh() {
  local try network=${NETWORK_OF[$1]} files=$FILES
  for try in {1..16}; do files_changed "$1" && break; sleep 0.25; done
  files_changed "$1" || return
  ap "$1" "SET deny_mac_file $files/$network.deny" > /dev/null
  ap "$1" RELOAD_WPA_PSK > /dev/null
  if ! cmp -s "$files/$network.conf" "$1.conf.before"; then
    # Passwords of SAE stand in the configuration itself.
    { echo "ctrl_interface=$WORK/c-$1"; configuration_of "$1"; } > "$1.conf"
    kill -HUP "$(cat "$1.pid")"
    sleep 1
  fi
  copy_files "$1"
  step "access point has what changed for it"
}
# enrol_access_point: an access point is an Enrollee too, over TCP, mutually authenticated by its own bootstrapping key.
enrol_access_point() {
  access_point ap wlan0 dpp-lab "${RELAY[@]}"
  local own
  own=$(ap ap "DPP_BOOTSTRAP_GEN type=qrcode")
  controller expect ap "$(ap ap "DPP_BOOTSTRAP_GET_URI $own")" ap dpp-lab
  ask_over_tcp "$CONTROLLER_URI" "own=$own"
  take_configuration
  step "access point enrolled over TCP ($(event ap.log DPP-AUTH-DIRECTION)) and on the air with its Connector"
}
# ask_over_tcp CONTROLLER_URI OPTIONS: the access point authenticates to whoever holds that key.
ask_over_tcp() {
  local peer
  peer=$(ap ap "DPP_QR_CODE $1")
  ap ap "DPP_AUTH_INIT peer=$peer role=enrollee tcp_addr=$LAB_ADDRESS neg_freq=2437 $2" | grep -q OK || fail 'hostapd did not start to authenticate'
}
# take_configuration [FIRST_LINE]: what the events of hostapd say goes into the running access point. Behind the key stands when it ends.
take_configuration() {
  need ap.log DPP-NET-ACCESS-KEY 15 "${1:-1}"
  local field line
  line=$(lines ap.log)
  ap ap DISABLE > /dev/null
  for field in "dpp_connector $(event ap.log DPP-CONNECTOR)" "dpp_csign $(event ap.log DPP-C-SIGN-KEY)" \
    "dpp_netaccesskey $(event ap.log DPP-NET-ACCESS-KEY | cut -d' ' -f1)"
  do ap ap "SET $field" | grep -q OK || fail "hostapd does not take its ${field%% *}"; done
  ap ap ENABLE > /dev/null
  need ap.log AP-ENABLED 10 "$line"
}
