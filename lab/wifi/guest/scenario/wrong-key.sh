# Wrong keys: a station whose key is not the expected one, and an access point that was given another Controller's key.
reach_controller
controller network dpp-lab dpp
enrol_access_point
station lamp 1
# Another key than that of the lamp stands in the inventory.
other=$(ws lamp "DPP_BOOTSTRAP_GEN type=qrcode mac=$(mac lamp wlan1 | tr -d :)")
controller expect lamp "$(ws lamp "DPP_BOOTSTRAP_GET_URI $other")" sta dpp-lab
ws lamp "DPP_BOOTSTRAP_REMOVE $other" > /dev/null
chirp lamp 1
need ap.log 'DPP-RX.*type=13' 30
absent lamp.log DPP-AUTH-SUCCESS 8 1 'a station with another key was authenticated'
step 'a station with another key is not answered'
ws lamp DPP_STOP_CHIRP > /dev/null
# An Authentication Request to a key that is not the Controller's.
line=$(lines ap.log)
ask_over_tcp "${URI[lamp]}"
absent ap.log DPP-AUTH-SUCCESS 6 "$line" 'the Controller answered to a key that it does not have'
step 'the Controller does not answer to a key that it does not have'
ap ap DPP_STOP_LISTEN > /dev/null
controller expect lamp "${URI[lamp]}" sta dpp-lab
chirp lamp
configured lamp
connected lamp
