setup_suite() {
    load clusters
    SUITE_DIR=$(mktemp -d "$(ram_dir)/coracle-etcdctl.XXXXXX")
    export SUITE_DIR
    : >"$SUITE_DIR/pids"
    local i
    for i in 1 2 3; do
        start_ours $i
        start_theirs $i
    done
    within 30 healthy $OURS
    within 30 healthy $THEIRS
}

teardown_suite() {
    load clusters
    end_all
    rm -rf "$SUITE_DIR"
}
