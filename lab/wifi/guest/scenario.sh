# One scenario, in processes and a network of its own: scenario.sh NAME. Exit 0 passed, 3 skipped, else failed; why is in $WORK/reason.
cd "$WORK" || exit 1
for part in report wait network peer controller access-point station enterprise; do . "$LAB/guest/library/$part.sh"; done
ip link set lo up
. "$LAB/guest/scenario/$1.sh"
exit 0
