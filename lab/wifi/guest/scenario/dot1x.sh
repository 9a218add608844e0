# Enterprise: a certificate instead of a secret. The station sends a CSR through the relay, the Controller's CA signs it at once, and
# the station gets on by EAP-TLS, into the segment that RADIUS says.
# [dpp: enterprise]
reach_controller
[ "$CONTROLLER_NAME" != hostap ] || skip 'wpa_supplicant answers a CSR with a GAS comeback, which a hostapd relay keeps to itself'
controller network dot1x-lab dot1x 30
start_radius "$LAB_FOLDER/device-ca.pem"
access_point ap wlan0 dot1x-lab "${RELAY[@]}" vlan_bridge=brvlan own_ip_addr=127.0.0.1 nas_identifier=lab-ap \
  auth_server_addr=127.0.0.1 auth_server_port=1812 auth_server_shared_secret=radius-of-the-lab
capture lo radius.pcap udp port 1812
station camera 1 dpp_name=camera-77.example
controller expect camera "${URI[camera]}" sta dot1x-lab
chirp camera
configured camera
step "its certificate was asked for and signed within the exchange; server $(event camera.log DPP-SERVER-NAME)"
need camera.log CTRL-EVENT-EAP-SUCCESS 60
step 'EAP-TLS with the new certificate'
connected camera
address camera 2 brvlan30 10.30.0
reaches camera 10.30.0.1
