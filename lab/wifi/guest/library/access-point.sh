# Access points of hostapd, each a relay to the Controller.
# relay NETWORK CHANNEL: what every one of them is configured with.
relay() {
  printf '%s\n' interface=wlan0 driver=nl80211 hw_mode=g "channel=${2:-6}" wpa=2 rsn_pairwise=CCMP "ssid=$1" \
    dpp_configurator_connectivity=1 "dpp_controller=ipaddr=$LAB_ADDRESS pkhash=$(key_hash "$CONTROLLER_URI")"
}
# segments [MODE]: a VLAN per device or group, each with a bridge brvlanN; 2 = whom no VLAN is named for is refused.
segments() {
  echo '* wlan0.#' > vlan.conf
  printf '%s\n' "dynamic_vlan=${1:-1}" "vlan_file=$WORK/vlan.conf" vlan_bridge=brvlan
}
# enrol_access_point NETWORK: an access point is an Enrollee too, over TCP, mutually authenticated by its own bootstrapping key.
enrol_access_point() {
  local own
  start_ap ap root < <(relay unconfigured; printf '%s\n' wpa_key_mgmt=DPP ieee80211w=2)
  own=$(ap ap "DPP_BOOTSTRAP_GEN type=qrcode")
  controller expect ap "$(ap ap "DPP_BOOTSTRAP_GET_URI $own")" ap dpp
  ask_over_tcp "$CONTROLLER_URI" "own=$own"
  take_configuration "$1"
  step "access point enrolled over TCP ($(event ap.log DPP-AUTH-DIRECTION)) and on the air with its Connector"
}
# ask_over_tcp CONTROLLER_URI OPTIONS: the access point authenticates to whoever holds that key.
ask_over_tcp() {
  local peer
  peer=$(ap ap "DPP_QR_CODE $1")
  ap ap "DPP_AUTH_INIT peer=$peer role=enrollee tcp_addr=$LAB_ADDRESS neg_freq=2437 $2" | grep -q OK || fail 'hostapd did not start to authenticate'
}
# take_configuration NETWORK [FIRST_LINE]: what the events of hostapd say goes into the running access point.
take_configuration() {
  need ap.log DPP-NET-ACCESS-KEY 15 "${2:-1}"
  local field line
  line=$(lines ap.log)
  ap ap DISABLE > /dev/null
  for field in "ssid $1" "dpp_connector $(event ap.log DPP-CONNECTOR)" "dpp_csign $(event ap.log DPP-C-SIGN-KEY)" \
    "dpp_netaccesskey $(event ap.log DPP-NET-ACCESS-KEY)"
  do ap ap "SET $field" > /dev/null; done
  ap ap ENABLE > /dev/null
  need ap.log AP-ENABLED 10 "$line"
}
