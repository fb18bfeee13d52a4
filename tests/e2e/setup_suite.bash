setup_suite() {
    load cluster
    "$TOP/deploy/quickstart" >&2
}

teardown_suite() {
    load cluster
    "$TOP/deploy/quickstart" down >&2
    # Nothing is left behind.
    [ ! -e "$E2E_DIR" ]
    ! grep "$E2E_DIR" /proc/self/mountinfo || return 1
    ! ip netns list | grep '^coracle-a' || return 1
    ! ip link show coracle0 2>/dev/null || return 1
    ! pgrep -f "$E2E_DIR/" || return 1
}
