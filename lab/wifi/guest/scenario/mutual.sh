# The station has scanned the Controller's code and begins; the Controller knows the station's code. Each proves its own key.
# [dpp: qr_code_auth_mutual]
reach_controller
controller network dpp-lab dpp
enrol_access_point
station lamp 1
controller expect lamp "${URI[lamp]}" sta dpp-lab
begin_mutual lamp
configured lamp
[ "$(event lamp.log DPP-AUTH-DIRECTION)" = mutual=1 ] || fail 'the authentication was one-way'
step 'both were authenticated by their bootstrapping keys (mutual=1)'
connected lamp
address lamp 2 wlan0 10.9.0
reaches lamp 10.9.0.1
