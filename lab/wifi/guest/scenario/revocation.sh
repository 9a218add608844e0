# A revoked device is refused, another one stays.
skip "wpa_supplicant as the Controller does not know one device from another: it cannot revoke one"
