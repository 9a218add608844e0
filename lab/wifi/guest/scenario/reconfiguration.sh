# A station that is on the network asks to be reconfigured, through the relay, and gets a new Connector.
# [dpp: reconfig_connector]
reach_controller
controller network dpp-lab dpp
enrol_access_point
station lamp 1
controller expect lamp "${URI[lamp]}" sta dpp-lab
chirp lamp
configured lamp
connected lamp
before=$(event lamp.log DPP-CONNECTOR)
controller reconfigure lamp
ws lamp DISCONNECT > /dev/null
line=$(lines lamp.log)
sleep 1
step 'lamp announces that it wants to be reconfigured'
ws lamp "DPP_RECONFIG $(event lamp.log DPP-NETWORK-ID) iter=3" | grep -q OK || fail 'wpa_supplicant does not announce a reconfiguration'
need ap.log 'DPP-RX.*type=14' 30
need lamp.log DPP-CONF-RECEIVED 30 "$line"
[ "$(event lamp.log DPP-CONNECTOR)" != "$before" ] || fail 'the Connector is the old one'
step 'lamp has a new Connector'
refresh ap
connected lamp "$line"
address lamp 2 wlan0 10.9.0
reaches lamp 10.9.0.1
