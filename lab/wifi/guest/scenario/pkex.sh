# PKEX: a code that two people agree on takes the place of a bootstrapping key. hostapd 2.10 does not relay it, and its
# wpa_supplicant speaks version 1 on the air alone; so here Mooring's machines get a radio, beside an access point's own.
# [dpp: pkex]
[ "$CONTROLLER_NAME" != hostap ] || skip 'hostapd 2.10 does not relay PKEX: a Controller without a radio cannot meet wpa_supplicant'
printf '%s\n' interface=wlan0 driver=nl80211 hw_mode=g channel=6 ssid=pkex-lab wpa=2 rsn_pairwise=CCMP \
  wpa_key_mgmt=WPA-PSK-SHA256 ieee80211w=1 wpa_passphrase=made-by-the-configurator > base.conf
start_ap ap root < base.conf
iw phy "$(cat /sys/class/net/wlan0/phy80211/name)" interface add mon0 type monitor || fail 'no monitor interface'
ip link set mon0 up
"$NODE" --disable-warning=ExperimentalWarning "$LAB/air/pkex-configurator.ts" mon0 "$(mac root wlan0)" right-code-42 pkex-lab made-by-the-configurator > pkex.log 2>&1 &
need pkex.log '^READY' 120
step "a Configurator of Mooring's machines listens on channel 6 (a radio of the lab, not of the service)"
station lamp 1
# ask CODE: the station begins.
ask() {
  own=$(ws lamp "DPP_BOOTSTRAP_GEN type=pkex")
  ws lamp "DPP_PKEX_ADD own=$own init=1 ver=1 role=enrollee code=$1" | grep -v -q FAIL || fail 'wpa_supplicant does not begin PKEX'
}
ask wrong-code-17
need pkex.log '^PKEX failed' 20
absent lamp.log DPP-AUTH-SUCCESS 3 1 'another code was good enough'
step 'another code is found out, and counts as a try'
ws lamp "DPP_PKEX_REMOVE *" > /dev/null
ask right-code-42
need pkex.log '^PKEX bootstrapped' 30
step 'PKEX version 1: both have the key of the other'
need pkex.log '^AUTHENTICATED mutual=1' 20
step 'authenticated with these keys, mutually'
configured lamp
need pkex.log '^RESULT 0' 15
connected lamp
address lamp 2 wlan0 10.40.0
reaches lamp 10.40.0.1
iw dev mon0 del
