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
  # network NAME AKM [VLAN]
  network)
    echo "$3 $4" > "$LAB_FOLDER/network-$2"
    {
      echo "ssid=$2"
      printf '%s\n' wpa=2 rsn_pairwise=CCMP
      case $3 in
        dpp) printf '%s\n' wpa_key_mgmt=DPP ieee80211w=2 ;;
        psk) printf '%s\n' 'wpa_key_mgmt=WPA-PSK WPA-PSK-SHA256' ieee80211w=1 "wpa_psk_file=$LAB_FOLDER/$2.psk" ;;
        # Without PMKSA caching: with it, hostapd up to 2.11 forgets the segment of an SAE device when it comes back.
        sae) printf '%s\n' wpa_key_mgmt=SAE ieee80211w=2 disable_pmksa_caching=1 ;;
      esac
      [ -z "$4" ] || printf '%s\n' dynamic_vlan=1 "vlan_file=$LAB_FOLDER/$2.vlan"
    } > "$LAB_FOLDER/$2.conf"
    echo "* $2.#" > "$LAB_FOLDER/$2.vlan"
    : > "$LAB_FOLDER/$2.psk"
    ;;
  # expect NAME URI ROLE NETWORK
  expect)
    read -r akm vlan < "$LAB_FOLDER/network-$5"
    mac=$(sed -n 's/.*M:\([^;]*\);.*/\1/p' <<< "$3" | sed 's/../&:/g; s/:$//') secret=
    case $akm in
      psk) secret="psk-of-$2-01"; echo "vlanid=$vlan $mac $secret" >> "$LAB_FOLDER/$5.psk" ;;
      sae) secret="sae-of-$2-01"; echo "sae_password=$secret|mac=$mac|vlanid=$vlan" >> "$LAB_FOLDER/$5.conf" ;;
    esac
    conf="conf=$4-$akm ssid=$(hex "$5") configurator=$(cat "$LAB_FOLDER/configurator") ${secret:+pass=$(hex "$secret")}"
    cli "DPP_BOOTSTRAP_SET $(cli "DPP_QR_CODE $3") $conf" | grep -q OK
    # When a device comes back to be reconfigured it does not look it up: what it would give it is global.
    echo "$conf" > "$LAB_FOLDER/expected-$2"
    ;;
  access-point) echo "$LAB_FOLDER" ;;
  reconfigure)
    cli "SET dpp_configurator_params $(cat "$LAB_FOLDER/expected-$2")" && cli DPP_CONTROLLER_STOP && cli "DPP_CONTROLLER_START role=configurator"
    ;;
  *) echo "no $1 here"; exit 1 ;;
esac
