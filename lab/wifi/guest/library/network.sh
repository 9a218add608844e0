# Network namespaces, radios, wires. `root` is the namespace of the scenario itself, where the access point lives.
make_ns() { ip netns list | grep -qw "$1" || { ip netns add "$1"; ip netns exec "$1" ip link set lo up; }; }
in_ns() { local ns=$1; shift; if [ "$ns" = root ]; then "$@"; else ip netns exec "$ns" "$@"; fi; }
# radio_to INDEX NS: simulated radios hear each other wherever they are; IP does not leak.
radio_to() { make_ns "$2"; iw phy "$(cat "/sys/class/net/wlan$1/phy80211/name")" set netns name "$2" || fail "radio $1"; }
# capture INTERFACE FILE FILTER...
capture() { tcpdump -i "$1" -w "$2" -U "${@:3}" 2>/dev/null & }
mac() { in_ns "$1" cat "/sys/class/net/$2/address"; }
hex() { printf %s "$1" | od -An -tx1 | tr -d ' \n'; }
# SHA-256 of the SubjectPublicKeyInfo in a bootstrapping URI.
key_hash() { local key=${1#*K:}; printf %s "${key%%;*}" | base64 -d | sha256sum | cut -c1-64; }
# reaches NAME ADDRESS: station NAME, in the namespace of its name, reaches ADDRESS.
reaches() {
  local try
  for try in {1..12}; do
    if in_ns "$1" ping -c 2 -i 0.3 -W 2 "$2" > ping.log 2>&1; then step "$1 reaches $2"; return; fi
    # A slow guest answers an association late, the station asks twice, and the first handshake's keys are lost: again.
    [ $((try % 4)) = 0 ] && { step "$1 does not reach $2 yet, it reassociates"; ws "$1" REASSOCIATE > /dev/null; sleep 6; }
    sleep 1
  done
  fail "$1 does not reach $2"
}
# cut_off NAME ADDRESS WHY: it does not.
cut_off() { ! in_ns "$1" ping -c 2 -i 0.3 -W 2 "$2" > ping.log 2>&1 || fail "$3"; }
