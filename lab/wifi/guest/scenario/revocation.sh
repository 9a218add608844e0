# Two devices are on the network; one is revoked. It is off, and does not come back by any door; the other one stays.
reach_controller
[ "$CONTROLLER_NAME" != hostap ] || skip 'wpa_supplicant as the Controller does not know one device from another: it cannot revoke one'
controller network dpp-lab dpp
enrol_access_point
address_of=1
for name in lamp clock; do
  station $name $address_of
  controller expect $name "${URI[$name]}" sta dpp-lab
  chirp $name
  configured $name
  connected $name
  address $name $((address_of + 1)) wlan0 10.9.0
  reaches $name 10.9.0.1
  refresh ap
  address_of=$((address_of + 1))
done
line=$(lines lamp.log)
controller revoke lamp
step 'lamp is revoked'
refresh ap
need lamp.log CTRL-EVENT-DISCONNECTED 30 "$line"
step 'the access point lets go of lamp'
cut_off lamp 10.9.0.1 'lamp reaches the network still'
line=$(lines lamp.log)
ws lamp REASSOCIATE > /dev/null
absent lamp.log CTRL-EVENT-CONNECTED 10 "$line" 'lamp came back with its old Connector'
step 'its Connector does not bring it back'
ws lamp DISCONNECT > /dev/null
line=$(lines lamp.log)
ws lamp "DPP_RECONFIG $(event lamp.log DPP-NETWORK-ID) iter=1" > /dev/null
absent lamp.log DPP-CONF-RECEIVED 12 "$line" 'lamp was reconfigured'
ws lamp DPP_STOP_LISTEN > /dev/null
step 'it is not reconfigured'
line=$(lines lamp.log)
chirp lamp 1
absent lamp.log DPP-CONF-RECEIVED 10 "$line" 'lamp was onboarded again'
step 'nor onboarded again'
reaches clock 10.9.0.1
step 'clock stays'
