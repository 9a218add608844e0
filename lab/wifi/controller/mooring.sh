#!/bin/bash
# Mooring as the Controller: a site of its own, driven over its API as its operator would.
data=$LAB_FOLDER/data
api() { # METHOD PATH [BODY]
  local token
  token=$(sed -n 's/.*"token": *"\([^"]*\)".*/\1/p' "$data/access.json")
  curl -sS --fail-with-body -H "authorization: Bearer $token" -H 'content-type: application/json' -X "$1" "http://127.0.0.1:8480$2" ${3:+--data "$3"}
}
# field NAME: of a JSON document on one line, the first text of that name.
field() { grep -o "\"$1\": *\"[^\"]*\"" | head -1 | sed 's/.*: *"\(.*\)"/\1/'; }
# text FILE: as a JSON string.
text() { sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' "$1" | awk '{ printf "%s\\n", $0 }'; }
case $1 in
  serve)
    # Without compilers that write machine code while others run it: an emulated processor follows slowly, and not always rightly.
    "$NODE" --no-opt --no-maglev --no-sparkplug --regexp-interpret-all "$MOORING" up --data "$data" --network lab --owner lab --listen 0.0.0.0 --dpp-port "$LAB_PORT" --json \
      --access-points "$LAB_FOLDER/access-points" > "$LAB_FOLDER/up.json" 2> "$LAB_FOLDER/mooring.log" &
    until grep -q '"ready":true' "$LAB_FOLDER/up.json"; do kill -0 $! 2>/dev/null || { tail -5 "$LAB_FOLDER/mooring.log"; exit 1; }; sleep 0.3; done
    version=$(api POST /v1/policies "{\"name\":\"lab\",\"source\":\"$(text "$LAB/controller/policy.cedar")\"}" | grep -o '"version":[0-9]*' | head -1 | cut -d: -f2)
    api POST "/v1/policies/$version/activation" > /dev/null || exit 1
    # Registrar, issuing CA, root: stations are signed by the second.
    api GET /v1/site | grep -o -e '-----BEGIN[^"]*' | tail -n +2 | sed 's/\\n/\n/g' > "$LAB_FOLDER/device-ca.pem"
    echo "URI $(api GET /v1/dpp/controller | field uri)"
    echo READY
    wait
    ;;
  # network NAME AKM [VLAN]: SSID and only segment have its name.
  network)
    api GET "/v1/networks/$2" > /dev/null && exit 0
    vlan=${4:+,\"vlan\":$4} server=
    [ "$3" != dot1x ] || server=",\"serverName\":\"$LAB_SERVER_NAME\",\"serverCa\":\"$(text "$LAB_FOLDER/ca.pem")\""
    api POST /v1/networks "{\"name\":\"$2\",\"ssid\":\"$2\",\"akm\":\"$3\",\"segments\":[{\"name\":\"$2\"$vlan}]$server}"
    ;;
  # expect NAME URI ROLE NETWORK
  expect)
    place=keys
    [ "$4" = sta ] || place=access-points
    api POST "/v1/dpp/$place" "{\"uri\":\"$3\",\"model\":\"$5\"}" > "$LAB_FOLDER/expected-$2" || { cat "$LAB_FOLDER/expected-$2"; exit 1; }
    ;;
  # access-point NETWORK: where NETWORK.conf and what it names are kept up to date.
  access-point) echo "$LAB_FOLDER/access-points" ;;
  reconfigure) api POST "/v1/dpp/devices/$(field device < "$LAB_FOLDER/expected-$2")/reconfiguration" ;;
  # For good: what it has is revoked, and it does not onboard again.
  revoke) api POST "/v1/devices/$(field device < "$LAB_FOLDER/expected-$2")/withdrawal" '{"reason":"lab"}' ;;
  *) echo "no $1 here"; exit 1 ;;
esac
