# Credentials of the old kinds: every device has a secret and a segment of its own, and no way across. What Mooring made goes into
# files of the access point; nobody types it.
reach_controller
controller network dpp-mixed psk sae
station meter 1
station plug 2
controller expect meter "${URI[meter]}" sta psk 10 "$(mac meter wlan1)"
controller expect plug "${URI[plug]}" sta sae 20 "$(mac plug wlan2)"
controller credentials "$WORK"
[ -s psk.conf ] && [ -s sae.conf ] || fail 'the Controller left no credentials for the access point'
# Without PMKSA caching: with it, hostapd up to 2.11 forgets the segment of an SAE device when it comes back.
start_ap ap root < <(
  relay dpp-mixed
  printf '%s\n' 'wpa_key_mgmt=WPA-PSK WPA-PSK-SHA256 SAE' ieee80211w=1 sae_require_mfp=1 "wpa_psk_file=$WORK/psk.conf" disable_pmksa_caching=1
  cat sae.conf
  segments
)
step 'access point with the secret of each device, and its segment'
chirp meter
configured meter
connected meter
address meter 2 brvlan10 10.10.0
reaches meter 10.10.0.1
chirp plug
configured plug
connected plug
address plug 2 brvlan20 10.20.0
reaches plug 10.20.0.1
[ "$(event meter.log DPP-CONFOBJ-PASS)" != "$(event plug.log DPP-CONFOBJ-PASS)" ] || fail 'two devices share a secret'
in_ns plug ip addr add 10.10.0.3/24 dev wlan2
cut_off plug 10.10.0.2 'plug reaches the segment of meter'
step 'plug does not reach meter, even with an address of its segment'
# Reconnected: still in its own segment.
line=$(lines plug.log)
ws plug DISCONNECT > /dev/null
sleep 1
ws plug RECONNECT > /dev/null
connected plug "$line"
iw dev wlan0.20 station dump 2>/dev/null | grep -q "$(mac plug wlan2)" || fail 'plug left its segment when it came back'
step 'plug comes back into its own segment'
