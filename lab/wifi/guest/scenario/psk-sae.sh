# Credentials of the old kinds: every device has a secret and a segment of its own, and no way across. The secrets were made by the
# Controller, go into files of the access points, and nobody types them.
# [dpp: auto_connect_legacy, auto_connect_legacy_sae_1]
reach_controller
controller network psk-lab psk 10
controller network sae-lab sae 20
access_point ap wlan0 psk-lab "${RELAY[@]}" vlan_bridge=brvlan
access_point second wlan3 sae-lab vlan_bridge=brvlan
step 'two access points; the first one relays'
station meter 1
controller expect meter "${URI[meter]}" sta psk-lab
chirp meter
configured meter
refresh ap
connected meter
address meter 2 brvlan10 10.10.0
reaches meter 10.10.0.1
station plug 2
controller expect plug "${URI[plug]}" sta sae-lab
chirp plug
configured plug
refresh second
connected plug
address plug 2 brvlan20 10.20.0
reaches plug 10.20.0.1
[ "$(event meter.log DPP-CONFOBJ-PASS)" != "$(event plug.log DPP-CONFOBJ-PASS)" ] || fail 'two devices share a secret'
in_ns plug ip addr add 10.10.0.3/24 dev wlan2
cut_off plug 10.10.0.2 'plug reaches the segment of meter'
step 'plug does not reach meter, even with an address of its segment'
# With PMKSA caching hostapd up to 2.11 would forget the segment of an SAE device now.
line=$(lines plug.log)
ws plug DISCONNECT > /dev/null
sleep 1
ws plug RECONNECT > /dev/null
connected plug "$line"
iw dev | grep -q 'Interface sae-lab.20' || fail 'there is no interface for the segment of plug'
iw dev sae-lab.20 station dump | grep -q "$(mac plug wlan2)" || fail 'plug left its segment when it came back'
step 'plug comes back into its own segment'
