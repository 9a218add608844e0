# Stations of wpa_supplicant, each in a namespace of its own name, that connect by themselves once they are configured.
# station NAME INDEX [LINE...]: on radio INDEX; leaves its bootstrapping URI in URI[NAME] and its key's number in OWN[NAME].
declare -A URI OWN RADIO
station() {
  radio_to "$2" "$1"
  RADIO[$1]=wlan$2
  power_on "$1" "${@:3}"
}
# fresh_station NAME [LINE...]: reset to factory state, with a new key.
fresh_station() {
  stop_peer "$1"
  mv "$1.log" "$1-before.log"
  power_on "$@"
}
power_on() {
  start_ws "$1" "$1" "${RADIO[$1]}" nl80211 < <(printf '%s\n' update_config=1 pmf=1 sae_pwe=2 dpp_config_processing=2 "${@:2}")
  OWN[$1]=$(ws "$1" "DPP_BOOTSTRAP_GEN type=qrcode mac=$(mac "$1" "${RADIO[$1]}" | tr -d :)")
  URI[$1]=$(ws "$1" "DPP_BOOTSTRAP_GET_URI ${OWN[$1]}")
}
chirp() { step "$1 announces itself (chirp)"; ws "$1" "DPP_CHIRP own=${OWN[$1]} iter=${2:-5}" | grep -q OK || fail "$1 does not chirp"; }
# configured NAME [FIRST_LINE], connected NAME [FIRST_LINE]
configured() {
  local try from=${2:-1}
  # A station listens for its configuration for one second, of real time, which is little on an emulated machine: it asks again.
  for try in 1 2 3; do
    wait_for "$1.log" 'DPP-CONF-\(RECEIVED\|FAILED\)' 45 "$from" || break
    tail -n "+$from" "$1.log" | grep -a -q DPP-CONF-RECEIVED && break
    step "$1 did not hear its configuration in time"
    from=$(( $(lines "$1.log") + 1 ))
    ws "$1" DPP_STOP_CHIRP > /dev/null
    chirp "$1"
  done
  need "$1.log" DPP-CONF-RECEIVED 1 "$from"
  step "$1 configured: akm $(event "$1.log" DPP-CONFOBJ-AKM), network $(event "$1.log" DPP-CONFOBJ-SSID)"
}
connected() {
  need "$1.log" CTRL-EVENT-CONNECTED 60 "${2:-1}"
  step "$1 connected: $(ws "$1" STATUS | grep -E '^(key_mgmt|pmf|wpa_state)=' | tr '\n' ' ')"
}
# address NAME HOST GATEWAY_INTERFACE SUBNET: HOST of the subnet for the station, .1 on the access point's side.
address() {
  ip addr show dev "$3" 2>/dev/null | grep -q "$4.1/" || ip addr add "$4.1/24" dev "$3" || fail "the access point has no $3"
  in_ns "$1" ip addr add "$4.$2/24" dev "${RADIO[$1]}"
}
# begin_mutual NAME: it has scanned the Controller's code, and authenticates with its own key.
begin_mutual() {
  local peer
  peer=$(ws "$1" "DPP_QR_CODE $CONTROLLER_URI")
  step "$1, which has scanned the Controller's code, begins"
  ws "$1" "DPP_AUTH_INIT peer=$peer own=${OWN[$1]} role=enrollee neg_freq=2437" | grep -q OK || fail "$1 does not begin"
}
