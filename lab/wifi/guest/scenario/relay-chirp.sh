# The target topology: a station announces itself (chirp), the access point relays, the Controller has no radio. AKM DPP.
# [dpp: chirp, controller_relay_chirp, network_introduction, auto_connect_2]
reach_controller
controller network dpp-lab dpp
enrol_access_point
station lamp 1 dpp_name=lamp-1 dpp_mud_url=https://mud.example.com/lamp.json
controller expect lamp "${URI[lamp]}" sta dpp-lab
chirp lamp
need ap.log 'DPP-RX.*type=13' 30
step 'the relay passes the presence announcement on'
configured lamp
need lamp.log 'DPP-INTRO.*status=0' 30
step 'network introduction: Connectors accepted on both sides'
connected lamp
address lamp 2 wlan0 10.9.0
reaches lamp 10.9.0.1
