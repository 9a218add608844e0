#!/bin/bash
# Debian's wpa_supplicant as the Controller: the proof that the lab itself works. It knows neither dot1x behind a relay (it
# answers a CSR with a GAS comeback, which the relay swallows), nor one device from another when it reconfigures or revokes.
configuration=$LAB_FOLDER/wpa_supplicant.conf
cli() { wpa_cli -p "$LAB_FOLDER/control" -i lo raw "$*" | grep -v '^Using'; }
hex() { printf %s "$1" | od -An -tx1 | tr -d ' \n'; }
case $1 in
  serve)
    printf 'ctrl_interface=%s\nap_scan=0\n' "$LAB_FOLDER/control" > "$configuration"
    wpa_supplicant -Dwired -ilo -c"$configuration" -f "$LAB_FOLDER/controller-peer.log" -d -K -t &
    until cli PING 2>/dev/null | grep -q PONG; do sleep 0.2; done
    cli DPP_CONFIGURATOR_ADD > "$LAB_FOLDER/configurator"
    own=$(cli "DPP_BOOTSTRAP_GEN type=qrcode")
    cli "DPP_CONTROLLER_START role=configurator"
    echo "URI $(cli "DPP_BOOTSTRAP_GET_URI $own")"
    echo READY
    wait
    ;;
  network) hex "$2" > "$LAB_FOLDER/ssid" ;;
  # expect NAME URI ROLE AKM [SEGMENT MAC]
  expect)
    name=$2 uri=$3 role=$4 akm=$5 segment=$6 mac=$7 secret=
    case $akm in
      psk) secret="psk-of-$name-01"; echo "vlanid=$segment $mac $secret" >> "$LAB_FOLDER/psk" ;;
      sae) secret="sae-of-$name-01"; echo "sae_password=$secret|mac=$mac|vlanid=$segment" >> "$LAB_FOLDER/sae" ;;
    esac
    conf="conf=$role-$akm ssid=$(cat "$LAB_FOLDER/ssid") configurator=$(cat "$LAB_FOLDER/configurator") ${secret:+pass=$(hex "$secret")}"
    cli "DPP_BOOTSTRAP_SET $(cli "DPP_QR_CODE $uri") $conf" | grep -q OK
    # When a device comes back to be reconfigured it does not look it up: what it would give it is global.
    echo "$conf" > "$LAB_FOLDER/expected-$name"
    ;;
  # credentials FOLDER: lines for the access point, a file per kind.
  credentials) cp "$LAB_FOLDER/psk" "$2/psk.conf" 2>/dev/null; cp "$LAB_FOLDER/sae" "$2/sae.conf" 2>/dev/null; : ;;
  reconfigure)
    cli "SET dpp_configurator_params $(cat "$LAB_FOLDER/expected-$2")" && cli DPP_CONTROLLER_STOP && cli "DPP_CONTROLLER_START role=configurator"
    ;;
  revoke) cli 'SET dpp_configurator_params ' && cli DPP_CONTROLLER_STOP && cli "DPP_CONTROLLER_START role=configurator" ;;
  *) echo "no $1 here"; exit 1 ;;
esac
