const radio = 'channels and listening are the radio’s: an access point does that and relays what it hears'
const memory =
  'makes allocations or hash functions fail inside the peer’s process; a runtime without them throws, and nothing is sent'
const ownNetwork =
  'a Configurator with a radio that joins its own network; ours has none, and its own Connector is tested with reconfiguration'
const towardsRelay =
  'the Controller connects to a relay that listens (hostapd 2.11, dpp_relay_port); ours reaches the same device by its chirp or its request, through the connection of the relay'
const station =
  'the station’s own doing with a configuration that it has; what we give it, by version and AKM, is group 16, and the lab’s scenarios connect with it'

const noCodes =
  'both machines speak it, and what follows is tested with them; but a site keeps no codes, and its Controller answers no Exchange Request'

/** Why a case is not ours to have, by its name or by the number of its group. */
export const dppOutside: Readonly<Record<string, string>> = {
  '2': 'NFC carries a URI between two phones or a phone and a device; a server has no NFC, and the URI itself is group 1',
  '7': 'push button finds a device by radio, on the access point; no server takes part',
  '12': 'forward secrecy is agreed between station and access point; our part is an option of hostapd',
  '15': station,

  bootstrap_key_autogen_issues: memory,
  qr_code_keygen_fail: memory,

  pkex_5ghz: radio,
  pkex_hostapd_errors:
    'parameters of the peer’s control interface for codes; ours are checked by type, and usable codes by `isPkexCodeUsable`',
  pkex_alloc_fail: memory,
  pkex_test_fail: memory,

  own_config_ap_reconf: ownNetwork,

  controller_init_through_relay: towardsRelay,
  controller_init_through_relay_dynamic: towardsRelay,
  controller_init_through_relay_add: towardsRelay,
  controller_relay_discover:
    'a relay that finds its Controller by itself; ours is configured in the file that it writes for the access point',
  controller_rx_errors: memory,

  chirp_listen: radio,
  chirp_ap_5g: radio,
  chirp_ap_errors: memory,
  chirp_ap_as_configurator: 'an access point that is Configurator, too; ours are Enrollees and relays',

  network_introduction_clear_ap: station,
  and_sae_akm: station,
  hidden_ssid: station,
  legacy_and_dpp_akm: station,
  peer_intro_local_failures: memory,
  private_peer_introduction: 'hides the station’s Connector from the air, between station and access point (version 3)',

  own_config: ownNetwork,
  own_config_group_id: ownNetwork,
  own_config_curve_mismatch: ownNetwork,
  own_config_ap: ownNetwork,
  own_config_ap_group_id: ownNetwork,
  own_config_sign_fail: ownNetwork,

  qr_code_listen_continue: radio,
  listen_continue: radio,
  qr_code_no_chan_list_unicast: radio,
  qr_code_no_chan_list_broadcast: radio,
  qr_code_chan_list_unicast: radio,
  qr_code_chan_list_unicast2: radio,
  qr_code_chan_list_no_peer_unicast: radio,
  qr_code_chan_list_broadcast: radio,
  qr_code_chan_list_no_match: radio,
  qr_code_auth_neg_chan: radio,
  qr_code_hostapd_init_offchannel: radio,
  qr_code_hostapd_init_offchannel_neg_freq: radio,
  qr_code_hostapd_init_offchannel_configurator: radio,
  auth_req_retries_multi_chan: radio,
  with_p2p_device: 'a second radio interface of the station',
  qr_code_auth_rand_mac_addr: 'over TCP there are no MAC addresses, and nothing in an exchange depends on one',
  hostapd_enrollee_gas_tx_status_errors: radio,
  auth_resp_retries: 'TCP repeats what is lost; on the air the access point does',
  hostapd_auth_resp_retries: 'TCP repeats what is lost; on the air the access point does',
  qr_code_auth_incompatible_roles_failure: memory,
  qr_code_auth_incompatible_roles_failure2: memory,
  qr_code_auth_incompatible_roles_failure3: memory,
  proto_auth_resp_r_auth_mismatch_failure: memory,
  proto_auth_resp_r_auth_mismatch_failure2: memory,
}

/** Why a case has no test yet. */
export const dppGaps: Readonly<Record<string, string>> = {
  controller_relay_pkex: noCodes,
  tcp_pkex: noCodes,
  tcp_pkex_auto_connect_2: noCodes,
  tcp_pkex_auto_connect_2_status: noCodes,
  tcp_pkex_auto_connect_2_status_fail: noCodes,
  tcp_pkex_while_associated: noCodes,
  tcp_pkex_while_associated_conn_status: noCodes,
}
