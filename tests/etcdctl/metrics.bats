# What etcd's dashboard (Grafana 3070) and the alerts of its mixin ask for is there on every member, under etcd's name
# and type, and says something; each is explained in docs/operations/store.md.
bats_require_minimum_version 1.5.0

setup() { load clusters; }

teardown() { explain_failure; }

# One of a histogram's series stands for it in the rules.
NAMES='etcd_server_has_leader etcd_server_is_leader etcd_server_leader_changes_seen_total
    etcd_server_proposals_committed_total etcd_server_proposals_applied_total etcd_server_proposals_pending
    etcd_server_proposals_failed_total etcd_server_quota_backend_bytes etcd_server_id etcd_server_version
    etcd_server_health_success etcd_server_health_failures etcd_server_is_learner
    etcd_disk_wal_fsync_duration_seconds etcd_mvcc_db_total_size_in_bytes etcd_mvcc_db_total_size_in_use_in_bytes
    etcd_mvcc_put_total etcd_mvcc_delete_total etcd_mvcc_txn_total etcd_mvcc_range_total
    etcd_debugging_mvcc_db_total_size_in_bytes etcd_debugging_mvcc_keys_total etcd_debugging_mvcc_put_total
    etcd_debugging_mvcc_delete_total etcd_debugging_mvcc_txn_total etcd_debugging_mvcc_range_total
    etcd_debugging_mvcc_events_total etcd_debugging_mvcc_watcher_total etcd_debugging_mvcc_slow_watcher_total
    etcd_debugging_mvcc_watch_stream_total etcd_debugging_mvcc_current_revision
    etcd_debugging_mvcc_compact_revision etcd_debugging_lease_granted_total etcd_debugging_lease_revoked_total
    etcd_debugging_server_lease_expired_total etcd_network_client_grpc_received_bytes_total
    etcd_network_client_grpc_sent_bytes_total etcd_network_peer_sent_bytes_total
    etcd_network_peer_received_bytes_total etcd_network_peer_sent_failures_total
    etcd_network_peer_round_trip_time_seconds etcd_cluster_version
    grpc_server_started_total grpc_server_handled_total process_resident_memory_bytes process_virtual_memory_bytes
    process_cpu_seconds_total process_open_fds process_max_fds process_start_time_seconds'

types_of() { curl -sf "http://$1:2379/metrics" | sed -n 's/^# TYPE //p' | sort; }

# value MEMBER SERIES-PATTERN: the sum of what matches.
value() { curl -sf "http://$OURS$1:2379/metrics" | grep -E "^$2 " | awk '{sum += $NF} END {print sum + 0}'; }

@test "every figure of etcd's dashboards is there, with etcd's type" {
    types_of "${THEIRS}1" >"$BATS_TEST_TMPDIR/theirs"
    local i name
    for i in 1 2 3; do
        types_of "$OURS$i" >"$BATS_TEST_TMPDIR/ours$i"
        [ -z "$(uniq -d <"$BATS_TEST_TMPDIR/ours$i")" ]
        for name in $NAMES; do
            grep -q "^$name " "$BATS_TEST_TMPDIR/ours$i" || { echo "m$i: no $name"; return 1; }
            # Of etcd 3.4 some are missing; what it has is of the same type.
            if grep -q "^$name " "$BATS_TEST_TMPDIR/theirs"; then
                grep -qxF "$(grep "^$name " "$BATS_TEST_TMPDIR/theirs")" "$BATS_TEST_TMPDIR/ours$i"
            fi
            grep -qF "\`$name\`" "$TOP/docs/operations/store.md" || { echo "$name is not explained"; return 1; }
        done
        curl -sf "http://$OURS$i:2379/metrics" | grep -q '^grpc_server_handling_seconds_bucket{.*le="+Inf"} '
    done
}

@test "the figures follow what happens" {
    local puts sent peers
    puts=$(value 2 'etcd_mvcc_put_total')
    sent=$(value 2 'etcd_network_client_grpc_sent_bytes_total')
    peers=$(value 2 'etcd_network_peer_sent_bytes_total\{.*\}')
    ours_at 2 put metrics/a "$(head -c 3000 /dev/zero | tr '\0' x)"
    ours_at 2 get metrics/a >/dev/null
    [ "$(value 2 'etcd_mvcc_put_total')" -eq $((puts + 1)) ]
    [ "$(value 2 'etcd_debugging_mvcc_put_total')" -eq $((puts + 1)) ]
    [ "$(value 2 'etcd_network_client_grpc_sent_bytes_total')" -gt $((sent + 3000)) ]
    [ "$(value 2 'etcd_network_peer_sent_bytes_total\{.*\}')" -gt "$peers" ]
    [ "$(value 2 'etcd_network_peer_received_bytes_total\{.*\}')" -gt 0 ]
    [ "$(value 2 'etcd_disk_wal_fsync_duration_seconds_count')" -gt 0 ]
    [ "$(value 2 'process_open_fds')" -gt 10 ]
    [ "$(value 2 'process_open_fds')" -lt "$(value 2 'process_max_fds')" ]
    [ "$(value 2 'grpc_server_handled_total\{.*grpc_method="Put".*\}')" -gt 0 ]
    [ "$(value 2 'grpc_server_handled_total\{.*grpc_method="Put".*\}')" -eq \
        "$(value 2 'grpc_server_handling_seconds_count\{.*grpc_method="Put".*\}')" ]
    # Of both others, every three seconds.
    measured() { [ "$(curl -sf "http://${OURS}2:2379/metrics" |
        grep -cE '^etcd_network_peer_round_trip_time_seconds_count\{.*\} [1-9]')" = 2 ]; }
    within 10 measured
}

@test "events are counted as watches are told them" {
    local before watches watch i
    before=$(value 3 'etcd_debugging_mvcc_events_total')
    watches=$(value 3 etcd_debugging_mvcc_watcher_total)
    timeout 120 etcdctl --endpoints "${OURS}3:2379" watch metrics/w >"$BATS_TEST_TMPDIR/watch" 3>&- &
    watch=$!
    watched() { [ "$(value 3 etcd_debugging_mvcc_watcher_total)" = $((watches + 1)) ]; }
    within 15 watched
    for i in 1 2 3; do ours put metrics/w $i; done
    told() { [ "$(wc -l <"$BATS_TEST_TMPDIR/watch")" = 9 ]; }
    within 5 told
    [ "$(value 3 'etcd_debugging_mvcc_events_total')" -eq $((before + 3)) ]
    kill $watch
}
