#!/usr/bin/env bash
# A BRSKI pledge (RFC 8995) and EST client (RFC 7030) made of openssl and curl alone: a second opinion on what a registrar
# says on the wire, and a way to read the protocol step by step.
#
#   openssl-pledge.sh key     DIR SERIAL            in the factory: a key, and the request idevid.csr for it
#   openssl-pledge.sh born    DIR CHAIN ANCHORS     takes what the factory answers: two PEM files
#   openssl-pledge.sh onboard DIR URL               in the field: from the first TLS connection to the last
#   openssl-pledge.sh STEP    DIR URL               one step of it, as `onboard` runs them:
#       connect request voucher verify status cacerts csrattrs enroll check enrollstatus presence
#
# DIR holds what the device remembers. From the factory, all PEM: idevid.key, idevid.crt, chain.crt (certificates between
# birth certificate and root; may be empty), masa-root.crt (the anchor by which the device knows vouchers). URL is the origin
# of the registrar, https://host:port. TLS=1.2 or TLS=1.3 settles the version, RETRIES the patience after 202.
set -euo pipefail

die() { echo "openssl-pledge: $*" >&2; exit 1; }
need() { [ -n "${2-}" ] || die "usage: $1"; }

# --- small tools -----------------------------------------------------------------------------------------------------

# A string member of a JSON document on standard input. Enough for the flat objects of RFC 8366; not a JSON parser.
json() { tr -d '\n' | sed -n "s/.*\"$1\" *: *\"\([^\"]*\)\".*/\1/p" | sed 's,\\/,/,g'; }
base64_line() { openssl base64 -A; }
pem_to_der_base64() { openssl x509 -in "$1" -outform DER | base64_line; }
# pinnedpubkey of curl: SHA-256 of the public key.
key_pin() { openssl x509 -in "$1" -noout -pubkey | openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | base64_line; }

case "${TLS-}" in
  1.2) curl_tls=(--tlsv1.2 --tls-max 1.2); s_client_tls=(-tls1_2) ;;
  1.3) curl_tls=(--tlsv1.3); s_client_tls=(-tls1_3) ;;
  '') curl_tls=(--tlsv1.2); s_client_tls=() ;;
  *) die "TLS is 1.2 or 1.3" ;;
esac

# Sends one request and prints the status code; the answer is left in $dir/$1. `-k` on the provisional connection alone.
send() {
  local answer=$1; shift
  curl --silent --show-error --max-time 30 "${curl_tls[@]}" --output "$dir/$answer" --write-out '%{http_code}' "$@"
}

# RFC 8995 section 5: nothing but the voucher can tell whether this registrar is the right one, so the certificate is not
# verified yet; but it has to be the one that the request names, on every connection.
provisional() {
  local answer=$1; shift
  send "$answer" --insecure --pinnedpubkey "sha256//$(key_pin "$dir/registrar.crt")" \
    --cert "$dir/idevid-full.crt" --key "$dir/idevid.key" "$@"
}

# After the voucher: the pinned certificate is the only trust anchor (section 5.6.2), until cacerts brought the domain's.
trusted() {
  local answer=$1; shift
  send "$answer" --cacert "$dir/anchor.crt" --cert "$dir/idevid-full.crt" --key "$dir/idevid.key" "$@"
}

expect() { # STATUS WHAT ANSWER
  [ "$1" = 200 ] || die "$2: HTTP $1: $(head -c 200 "$dir/$3" 2>/dev/null)"
}

# --- in the factory --------------------------------------------------------------------------------------------------

key() { # DIR SERIAL
  mkdir -p "$dir"
  openssl ecparam -name prime256v1 -genkey -noout -out "$dir/idevid.key"
  openssl req -new -key "$dir/idevid.key" -subj "/serialNumber=$1" -outform DER -out "$dir/idevid.csr"
}

# The birth certificate, and what lies between it and the root; the anchors by which the device knows vouchers.
born() { # CHAIN ANCHORS
  openssl x509 -in "$1" -out "$dir/idevid.crt"
  awk '/BEGIN CERT/ { n++ } n > 1' "$1" > "$dir/chain.crt"
  cp "$2" "$dir/masa-root.crt"
}

# --- in the field ----------------------------------------------------------------------------------------------------

# Section 5.1: a provisional TLS connection, only to see the registrar's certificate.
connect() {
  cat "$dir/idevid.crt" "$dir/chain.crt" > "$dir/idevid-full.crt"
  openssl s_client "${s_client_tls[@]}" -connect "${url#https://}" -showcerts </dev/null 2>/dev/null > "$dir/handshake.txt" ||
    die 'no TLS connection'
  sed -n '/BEGIN CERT/,/END CERT/p' "$dir/handshake.txt" > "$dir/registrar-chain.crt"
  openssl x509 -in "$dir/registrar-chain.crt" -out "$dir/registrar.crt"
}

# Section 5.2: the pledge voucher request, signed with the birth key. The nonce makes it fresh; the registrar's certificate
# in it shows the MASA that device and registrar have met (assertion "proximity").
request() {
  local serial nonce
  serial=$(openssl x509 -in "$dir/idevid.crt" -noout -subject -nameopt multiline | sed -n 's/.*serialNumber *= //p')
  nonce=$(openssl rand 16 | base64_line)
  printf '{"ietf-voucher-request:voucher":{"created-on":"%s","assertion":"proximity","nonce":"%s","serial-number":"%s","proximity-registrar-cert":"%s"}}' \
    "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$nonce" "$serial" "$(pem_to_der_base64 "$dir/registrar.crt")" > "$dir/request.json"
  sign_request
}

sign_request() {
  # Section 3: CMS SignedData with the content inside; 1.2.840.113549.1.9.16.1.40 is id-ct-animaJSONVoucher (RFC 8366).
  openssl cms -sign -in "$dir/request.json" -signer "$dir/idevid.crt" -inkey "$dir/idevid.key" -certfile "$dir/chain.crt" \
    -md sha256 -econtent_type 1.2.840.113549.1.9.16.1.40 -nodetach -binary -outform DER -out "$dir/request.vcj"
}

# 202 asks for patience: the same request again, with the same nonce (section 5.6).
voucher() {
  local status tries=${RETRIES:-0}
  while :; do
    status=$(provisional voucher.vcj --data-binary "@$dir/request.vcj" --dump-header "$dir/voucher.headers" \
      --header 'Content-Type: application/voucher-cms+json' --header 'Accept: application/voucher-cms+json' \
      "$url/.well-known/brski/requestvoucher")
    [ "$status" = 202 ] && [ "$tries" -gt 0 ] || break
    tries=$((tries - 1))
    sleep "$(sed -n 's/^[Rr]etry-[Aa]fter: *\([0-9]*\).*/\1/p' "$dir/voucher.headers")"
  done
  expect "$status" 'voucher refused' voucher.vcj
}

# Section 5.6.1, and then 5.6.2: is the registrar on this connection the one that the voucher pins?
verify() {
  openssl cms -verify -inform DER -in "$dir/voucher.vcj" -CAfile "$dir/masa-root.crt" -out "$dir/voucher.json" 2> "$dir/cms.txt" ||
    die "voucher not signed by the manufacturer: $(tail -1 "$dir/cms.txt")"
  openssl cms -cmsout -print -inform DER -in "$dir/voucher.vcj" | grep -q 'eContentType: .*1.2.840.113549.1.9.16.1.40' ||
    die 'signed, but not as a voucher'
  local member
  for member in nonce serial-number; do
    [ "$(json "$member" < "$dir/voucher.json")" = "$(json "$member" < "$dir/request.json")" ] || die "voucher for another $member"
  done
  json pinned-domain-cert < "$dir/voucher.json" | openssl base64 -d -A | openssl x509 -inform DER -out "$dir/pinned.crt" ||
    die 'voucher without a pinned certificate'
  openssl verify -partial_chain -trusted "$dir/pinned.crt" -untrusted "$dir/registrar-chain.crt" "$dir/registrar.crt" > "$dir/verify.txt" 2>&1 ||
    die "this registrar is not the one that the voucher pins: $(tail -1 "$dir/verify.txt")"
  cp "$dir/pinned.crt" "$dir/anchor.crt"
}

# Section 5.7.
status() {
  expect "$(trusted answer.txt --json '{"version":1,"status":true,"reason":"voucher verified"}' \
    "$url/.well-known/brski/voucher_status")" 'voucher_status refused' answer.txt
}

# RFC 7030 section 4.1. From here on the domain's own root is the anchor (RFC 8995 section 5.9.1).
cacerts() {
  expect "$(trusted cacerts.p7.b64 "$url/.well-known/est/cacerts")" 'cacerts refused' cacerts.p7.b64
  openssl base64 -d -A -in "$dir/cacerts.p7.b64" | openssl pkcs7 -inform DER -print_certs > "$dir/cacerts.crt"
  openssl verify -partial_chain -CAfile "$dir/cacerts.crt" -untrusted "$dir/registrar-chain.crt" "$dir/registrar.crt" > /dev/null
  cp "$dir/cacerts.crt" "$dir/anchor.crt"
}

# RFC 7030 section 4.5, RFC 9908: what the CSR shall look like. Read: the curve, and nothing else.
csrattrs() {
  expect "$(trusted csrattrs.b64 "$url/.well-known/est/csrattrs")" 'csrattrs refused' csrattrs.b64
  openssl base64 -d -A -in "$dir/csrattrs.b64" | openssl asn1parse -inform DER > "$dir/csrattrs.txt"
  sed -n 's/.*OBJECT *:\(prime256v1\|secp384r1\|secp521r1\)$/\1/p' "$dir/csrattrs.txt" | head -1 > "$dir/curve"
}

# RFC 7030 section 4.2: a new key pair for this network, made here; what leaves is the CSR.
enroll() {
  local curve
  curve=$(cat "$dir/curve" 2>/dev/null) || curve=
  openssl ecparam -name "${curve:-prime256v1}" -genkey -noout -out "$dir/ldevid.key"
  openssl req -new -key "$dir/ldevid.key" -subj "/CN=$(basename "$dir")" -outform DER | base64_line > "$dir/csr.b64"
  submit_csr
}

submit_csr() {
  expect "$(trusted ldevid.p7.b64 --data-binary "@$dir/csr.b64" --header 'Content-Type: application/pkcs10' \
    "$url/.well-known/est/simpleenroll")" 'enrolment refused' ldevid.p7.b64
  openssl base64 -d -A -in "$dir/ldevid.p7.b64" | openssl pkcs7 -inform DER -print_certs -out "$dir/ldevid.crt"
}

# Is the certificate for our key, and does it chain to the network that the voucher pinned?
check() {
  [ "$(openssl x509 -in "$dir/ldevid.crt" -noout -pubkey)" = "$(openssl pkey -in "$dir/ldevid.key" -pubout)" ] ||
    die 'certificate for another key'
  openssl verify -x509_strict -purpose sslclient -partial_chain -trusted "$dir/pinned.crt" "$dir/ldevid.crt" > "$dir/verify.txt" 2>&1 ||
    die "certificate of another network: $(tail -1 "$dir/verify.txt")"
}

# Section 5.9.4: success is reported over a new connection, with the new certificate.
enrolled() { # ANSWER ARGS
  local answer=$1; shift
  send "$answer" --cacert "$dir/anchor.crt" --cert "$dir/ldevid.crt" --key "$dir/ldevid.key" "$@"
}
enrollstatus() {
  expect "$(enrolled answer.txt --json '{"version":1,"status":true,"reason":"enrolled"}' \
    "$url/.well-known/brski/enrollstatus")" 'enrollstatus refused' answer.txt
}

# Not of the RFC: the device shows its network credential to the network.
presence() { expect "$(enrolled presence.json "$url/.well-known/mooring/presence")" 'not let in' presence.json; }

onboard() {
  local step
  for step in connect request voucher verify status cacerts csrattrs enroll check enrollstatus presence; do "$step"; done
  cat "$dir/presence.json"
  echo
}

step=${1-} dir=${2-} url=${3-}
case "$step" in
  key) need 'openssl-pledge.sh key DIR SERIAL' "$url"; key "$url" ;;
  born) need 'openssl-pledge.sh born DIR CHAIN ANCHORS' "${4-}"; born "$url" "$4" ;;
  onboard | connect | request | sign_request | voucher | verify | status | cacerts | csrattrs | enroll | submit_csr | check | enrollstatus | presence)
    need "openssl-pledge.sh $step DIR URL" "$url"
    url=${url%/}
    "$step"
    ;;
  *) die "usage: openssl-pledge.sh key DIR SERIAL | born DIR CHAIN ANCHORS | onboard DIR URL | STEP DIR URL" ;;
esac
