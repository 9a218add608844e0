# The Controller under test, behind an adapter ($CONTROLLER, a script; docs/lab-wifi.md says what it must do). It lives in namespace
# ctl, 10.8.0.2, without a radio; the access point is 10.8.0.1, at the other end of a wire.
controller() { in_ns ctl bash "$CONTROLLER" "$@" >> controller.log 2>&1 || fail "the Controller refused: $* ($(tail -1 controller.log))"; }
reach_controller() {
  ip link add w-ctl type veth peer name e-ctl netns ctl
  ip addr add 10.8.0.1/24 dev w-ctl
  ip link set w-ctl up
  in_ns ctl ip addr add $LAB_ADDRESS/24 dev e-ctl
  in_ns ctl ip link set e-ctl up
  capture w-ctl tcp8908.pcap tcp port $LAB_PORT
  need $LAB_FOLDER/controller.log '^READY' 1
  CONTROLLER_URI=$(sed -n 's/^URI //p' $LAB_FOLDER/controller.log | head -1)
  relay
  step "Controller ($CONTROLLER_NAME) reached, $CONTROLLER_URI"
}
