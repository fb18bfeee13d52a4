setup_suite() {
    load cluster
    "$TOP/deploy/quickstart" >&2
}

teardown_suite() {
    load cluster
    "$TOP/deploy/quickstart" down >&2
    # Nothing is left behind.
    [ ! -e "$E2E_DIR" ]
    ! grep -q "$E2E_DIR" /proc/self/mountinfo
    ! ip netns list | grep -q '^coracle-a'
    ! ip link show coracle0 2>/dev/null
    ! pgrep -f "$E2E_DIR/" >/dev/null
}
