# One member by itself: TLS, plain HTTP beside gRPC, its quota, and what it does not listen on.
bats_require_minimum_version 1.5.0

setup() {
    load clusters
    ONE=$BATS_FILE_TMPDIR/one
}

setup_file() {
    load clusters
    start "$BATS_FILE_TMPDIR/one.log" "$CORACLE" server --name one --data-dir "$BATS_FILE_TMPDIR/one" \
        --etcd-listen https://127.0.34.14:2379 --peer-url https://127.0.34.14:2380 \
        --initial-cluster one=https://127.0.34.14:2380 --disable api,scheduler,controllers \
        --metrics-listen http://127.0.34.14:2381 --quota-bytes 65536 \
        --auto-compaction-mode revision --auto-compaction-retention 1000
    up() { one endpoint health >/dev/null 2>&1; }
    ONE=$BATS_FILE_TMPDIR/one
    within 20 up
}

teardown_file() {
    load clusters
    local pid
    pid=$(tail -1 "$SUITE_DIR/pids")
    kill "$pid"
    within 10 eval "! kill -0 $pid 2>/dev/null"
}

one() {
    timeout "${SECONDS_MAX:-90}" etcdctl $PATIENT --endpoints https://127.0.34.14:2379 --cacert "$ONE/pki/ca.crt" --cert "$ONE/pki/admin.crt" \
        --key "$ONE/pki/admin.key" "$@"
}

teardown() { [ -n "${BATS_TEST_COMPLETED:-}" ] || tail -8 "$BATS_FILE_TMPDIR/one.log"; }

@test "over TLS, with a certificate and not without" {
    run -0 one put tls 1
    run -0 one get tls --print-value-only
    [ "$output" = 1 ]
    SECONDS_MAX=60 one watch tls --rev 1 >"$BATS_TEST_TMPDIR/watch" 3>&- &
    local watch=$!
    told() { [ "$(cat "$BATS_TEST_TMPDIR/watch")" = $'PUT\ntls\n1' ]; }
    within 10 told
    kill $watch
    run timeout 3 etcdctl --endpoints https://127.0.34.14:2379 --cacert "$ONE/pki/ca.crt" get tls
    [ "$status" -ne 0 ]
    run timeout 3 etcdctl --endpoints http://127.0.34.14:2379 get tls
    [ "$status" -ne 0 ]
}

@test "nothing of the API server listens" {
    [ -z "$(ss -Hltn 'sport = :6443' | grep 127.0.34)" ]
}

@test "health, version and metrics over HTTP" {
    run -0 curl -sf http://127.0.34.14:2381/health
    [ "$output" = '{"health":"true","reason":""}' ]
    run -0 curl -sf http://127.0.34.14:2381/version
    [[ $output == *'"etcdserver":"3.5.'* ]]
    run -0 curl -sf --cacert "$ONE/pki/ca.crt" --cert "$ONE/pki/admin.crt" --key "$ONE/pki/admin.key" \
        https://127.0.34.14:2379/metrics
    for name in etcd_server_has_leader etcd_server_leader_changes_seen_total etcd_server_proposals_committed_total \
        etcd_server_proposals_applied_total etcd_server_proposals_pending etcd_server_proposals_failed_total \
        etcd_disk_wal_fsync_duration_seconds_bucket etcd_mvcc_db_total_size_in_bytes \
        etcd_debugging_mvcc_keys_total grpc_server_handled_total process_resident_memory_bytes; do
        [[ $output == *$'\n'"$name"* ]]
    done
    [[ $output == *'grpc_server_handled_total{grpc_code="OK",grpc_method="Put",grpc_service="etcdserverpb.KV",grpc_type="unary"} '[1-9]* ]]
    run curl -s -o /dev/null -w '%{http_code}' http://127.0.34.14:2381/nothing
    [ "$output" = 404 ]
}

@test "beyond the quota it takes nothing that grows, and again when there is room" {
    local value
    value=$(head -c 30000 /dev/zero | tr '\0' x)
    run -0 one put quota/1 "$value"
    run -0 one put quota/2 "$value"
    run one put quota/3 "$value"
    [ "$status" -ne 0 ]
    [[ $output == *"etcdserver: mvcc: database space exceeded"* ]]
    alarm() { [[ $(one alarm list) == *NOSPACE* ]]; }
    within 5 alarm
    run one put quota/small x
    [[ $output == *"etcdserver: mvcc: database space exceeded"* ]]
    unhealthy() { [[ $(curl -s http://127.0.34.14:2381/health) == *'"health":"false"'*'ALARM NOSPACE'* ]]; }
    within 5 unhealthy
    run -0 one del quota/1
    run -0 one compact "$(one get x -w fields | grep '"Revision"' | cut -d' ' -f3)"
    quiet() { [ -z "$(one alarm list)" ]; }
    within 5 quiet
    run -0 one put quota/small x
    run -0 curl -sf http://127.0.34.14:2381/health
}
