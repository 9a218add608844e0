# An access point is enrolled over TCP, without any radio: not before the Controller expects it, and mutually authenticated.
# [dpp: ap_config]
reach_controller
controller network dpp-lab dpp
access_point ap wlan0 dpp-lab "${RELAY[@]}"
own=$(ap ap "DPP_BOOTSTRAP_GEN type=qrcode")
ask_over_tcp "$CONTROLLER_URI" "own=$own"
absent ap.log DPP-CONF-RECEIVED 5 1 'an access point that nobody expects was configured'
step 'an access point that nobody expects gets nothing'
controller expect ap "$(ap ap "DPP_BOOTSTRAP_GET_URI $own")" ap dpp-lab
line=$(lines ap.log)
ask_over_tcp "$CONTROLLER_URI" "own=$own"
need ap.log DPP-CONF-RECEIVED 15 "$line"
[ "$(event ap.log DPP-AUTH-DIRECTION)" = mutual=1 ] || fail 'the access point was not authenticated by its own key'
step "expected, it is configured: akm $(event ap.log DPP-CONFOBJ-AKM), mutual=1"
take_configuration "$line"
radio_to 1 ear
in_ns ear ip link set wlan1 up
for try in {1..5}; do in_ns ear iw dev wlan1 scan freq 2437 > scan.log 2>&1 && grep -q 'SSID: dpp-lab' scan.log && break; sleep 1; done
grep -q 'SSID: dpp-lab' scan.log || fail 'its beacons are not heard'
grep -q -i -e 'Authentication suites:.*\(DPP\|50-6f-9a:2\)' scan.log || fail 'its beacons do not offer AKM DPP'
step 'its beacons offer the network with AKM DPP'
