# The Controller under test, behind an adapter ($CONTROLLER, an executable; lab/wifi/controller says what it must do).
# It lives in namespace ctl, 10.8.0.2, without a radio; the access point is 10.8.0.1, at the other end of a wire.
export LAB_ADDRESS=10.8.0.2 LAB_PORT=8908 LAB_FOLDER=$WORK/ctl LAB_INTERFACE=e-ctl LAB_SERVER_NAME=radius.lab LAB_SERVER_CA=$WORK/ca.pem
controller() { in_ns ctl bash "$CONTROLLER" "$@" >> controller.log 2>&1 || fail "the Controller refused: $*"; }
start_controller() {
  mkdir -p "$LAB_FOLDER"
  wire_to ctl 10.8.0.1/24 $LAB_ADDRESS/24
  capture w-ctl tcp8908.pcap tcp port $LAB_PORT
  in_ns ctl bash "$CONTROLLER" serve > controller.log 2>&1 &
  need controller.log '^READY' 120
  CONTROLLER_URI=$(sed -n 's/^URI //p' controller.log | head -1)
  step "Controller ($CONTROLLER_NAME) listens, $CONTROLLER_URI"
}
