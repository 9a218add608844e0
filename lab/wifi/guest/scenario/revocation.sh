# Two devices are on the network; one is revoked. It is off, and does not come back by any door; the other one stays.
reach_controller
[ "$CONTROLLER_NAME" != hostap ] || skip 'wpa_supplicant as the Controller does not know one device from another: it cannot revoke one'
controller network psk-lab psk 10
access_point ap wlan0 psk-lab "${RELAY[@]}" vlan_bridge=brvlan
radio=0
for name in lamp clock; do
  radio=$((radio + 1))
  station $name $radio
  controller expect $name "${URI[$name]}" sta psk-lab
  chirp $name
  configured $name
  refresh ap
  connected $name
  address $name $((radio + 1)) brvlan10 10.10.0
  reaches $name 10.10.0.1
done
line=$(lines lamp.log)
controller revoke lamp
step 'lamp is revoked'
refresh ap
need lamp.log CTRL-EVENT-DISCONNECTED 30 "$line"
step 'the access point lets go of lamp'
line=$(lines lamp.log)
ws lamp REASSOCIATE > /dev/null
absent lamp.log CTRL-EVENT-CONNECTED 8 "$line" 'lamp came back with its old secret'
step 'its secret does not bring it back'
cut_off lamp 10.10.0.1 'lamp reaches the network still'
ws lamp DISCONNECT > /dev/null
line=$(lines lamp.log)
ws lamp "DPP_RECONFIG $(event lamp.log DPP-NETWORK-ID) iter=1" | grep -q OK || fail 'wpa_supplicant does not announce a reconfiguration'
need ap.log 'DPP-RX.*type=14' 30
absent lamp.log DPP-CONF-RECEIVED 5 "$line" 'lamp was reconfigured'
ws lamp DPP_STOP_LISTEN > /dev/null
step 'nor does its Connector: it is not reconfigured'
heard=$(lines ap.log)
line=$(lines lamp.log)
chirp lamp 1
need ap.log 'DPP-RX.*type=13' 30 "$heard"
absent lamp.log DPP-CONF-RECEIVED 5 "$line" 'lamp was onboarded again'
step 'and its bootstrapping key does not onboard it again'
reaches clock 10.10.0.1
