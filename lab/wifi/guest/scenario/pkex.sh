# PKEX: a code that two people agree on takes the place of a bootstrapping key.
skip 'hostapd 2.10 does not relay PKEX, and its wpa_supplicant speaks it on the air alone: a Controller without a radio cannot meet it'
