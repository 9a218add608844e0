# RADIUS: hostapd's own server, which accepts who has a certificate of the CA it is given and says VLAN 30. Its own certificate is of
# a CA in $LAB_FOLDER/ca.pem, which the Controller tells the devices.
make_server_certificate() {
  local serverName=$LAB_SERVER_NAME
  openssl ecparam -name prime256v1 -genkey -noout -out ca.key
  openssl req -x509 -new -key ca.key -subj '/CN=Lab server CA' -days 30 -out ca.pem -sha256
  openssl ecparam -name prime256v1 -genkey -noout -out server.key
  openssl req -new -key server.key -subj "/CN=$serverName" -out server.csr
  printf 'subjectAltName=DNS:%s\nextendedKeyUsage=serverAuth\n' "$serverName" > server.extensions
  openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -set_serial 5 -days 30 -extfile server.extensions -out server.pem 2>/dev/null
}
# start_radius CA_OF_DEVICES [LINE...]
start_radius() {
  echo '127.0.0.1 radius-of-the-lab' > radius-clients
  printf '%s\n' '* TLS' radius_accept_attr=64:d:13 radius_accept_attr=65:d:6 radius_accept_attr=81:s:30 > radius-users
  printf '%s\n' driver=none interface=lo "ctrl_interface=$WORK/c-radius" eap_server=1 "eap_user_file=$WORK/radius-users" \
    "ca_cert=$1" "server_cert=$LAB_FOLDER/server.pem" "private_key=$LAB_FOLDER/server.key" \
    "radius_server_clients=$WORK/radius-clients" radius_server_auth_port=1812 "${@:2}" > radius.conf
  hostapd -B -t -d -f radius.log -P radius.pid radius.conf || fail 'the RADIUS server did not start'
}
