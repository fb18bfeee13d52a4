# What etcdctl does with a cluster by itself, and with files. After the other files: what is written here is not written
# to etcd, and they compare revisions.
bats_require_minimum_version 1.5.0

setup() { load clusters; }

teardown() { explain_failure; }

@test "a lease that nobody keeps alive takes its keys with it" {
    lease=$(ours lease grant 2 | cut -d' ' -f2)
    run -0 ours put expire/a 1 --lease "$lease"
    run -0 ours get expire/a --print-value-only
    [ "$output" = 1 ]
    gone() { [ -z "$(ours_at 2 get expire/a)" ]; }
    within 10 gone
    run -0 ours lease timetolive "$lease"
    [[ $output == *"already expired"* ]]
}

@test "a peer URL is that of one member only" {
    run -0 ours member add m8 --peer-urls http://127.0.34.93:1
    id=$(ours member list | grep 34.93: | cut -d, -f1)
    run ours_at 2 member add m9 --peer-urls http://127.0.34.93:1
    [[ $output == *"etcdserver: Peer URLs already exists"* ]]
    run ours_at 3 member update "$id" --peer-urls "http://${OURS}1:2380"
    [[ $output == *"etcdserver: Peer URLs already exists"* ]]
    run -0 ours_at 3 member remove "$id"
}

@test "leadership is moved by the leader only" {
    leader_of() { ours endpoint status --cluster | grep ', true, ' | cut -d: -f1,2 | grep -o '[0-9]:' | head -1; }
    before=$(ours endpoint status --cluster | grep -n ', true,' | cut -d: -f1)
    id_of() { ours endpoint status --cluster | sed -n "$1p" | cut -d, -f2 | tr -d ' '; }
    address_of() { ours endpoint status --cluster | sed -n "$1p" | cut -d, -f1; }
    other=$((before % 3 + 1))
    run timeout 90 etcdctl $PATIENT --endpoints "$(address_of $other)" move-leader "$(id_of $other)"
    [ "$status" -ne 0 ]
    [[ $output == *"no leader endpoint given"* ]]
    run -0 timeout 90 etcdctl $PATIENT --endpoints "$(address_of "$before")" move-leader "$(id_of $other)"
    [[ $output == *"Leadership transferred"* ]]
    run -0 timeout 90 etcdctl $PATIENT --endpoints "$(address_of $other)" move-leader "$(id_of $other)" # It does lead.
    moved() { [ "$(ours endpoint status --cluster | grep -n ', true,' | cut -d: -f1)" = "$other" ]; }
    within 10 moved
    run timeout 90 etcdctl $PATIENT --endpoints "$(address_of $other)" move-leader 1234
    [[ $output == *"bad leader transferee"* ]]
}

@test "a snapshot is a file that etcd's own tools understand" {
    local file=$BATS_TEST_TMPDIR/snapshot
    run -0 ours put snapshot/key value
    run -0 ours snapshot save "$file"
    run -0 etcdctl snapshot status "$file" -w json
    revision=$(ours get x -w fields | grep '"Revision"' | cut -d' ' -f3)
    [[ $output == *"\"revision\":$revision,"* ]]
    run -0 etcdctl snapshot restore "$file" --data-dir "$BATS_TEST_TMPDIR/restored"
}

@test "a mirror of one prefix under another" {
    run -0 ours put mirror/a 1
    run -0 ours put mirror/b 2
    timeout 250 etcdctl --endpoints "${OURS}1:2379" make-mirror --prefix mirror/ --dest-prefix mirrored/ \
        "${OURS}2:2379" >/dev/null 2>&1 3>&- &
    local mirror=$!
    mirrored() { [ "$(ours_at 3 get "$1" --print-value-only)" = "$2" ]; }
    within 5 mirrored mirrored/b 2
    run -0 ours put mirror/c 3
    within 5 mirrored mirrored/c 3
    run -0 ours del mirror/a
    gone() { [ -z "$(ours get mirrored/a)" ]; }
    within 5 gone
    kill "$mirror"
    wait "$mirror" || true
}

@test "check datascale passes" {
    run -0 ours check datascale --load s
    [[ $output == *PASS* ]]
}

@test "check perf passes" { # Wherever etcd passes: no request may take half a second, which is the machine's matter as well.
    local net
    for net in "$OURS" "$OURS" "$THEIRS" "$OURS"; do
        run timeout 80 etcdctl --endpoints "${net}1:2379,${net}2:2379,${net}3:2379" check perf --load s
        if [ "$net" = "$THEIRS" ]; then
            [ "$status" = 0 ] || skip "etcd does not pass on this machine now, either"
        elif [ "$status" = 0 ]; then
            break
        fi
    done
    [ "$status" = 0 ]
    [[ $output == *PASS* ]]
    [[ $output != *FAIL* ]]
}

@test "calls that are broken end as they do in etcd" {
    same 'python3 "'"$TOP"'/tests/etcdctl/broken_calls.py" "${PREFIX}1"'
}

@test "a watch ends when its member has lost its leader" {
    local others
    others=$(sed -n '3p;5p' "$SUITE_DIR/pids") # Members 2 and 3 of ours: see setup_suite.
    watches() { curl -sf "http://${OURS}1:2379/metrics" | sed -n 's/^etcd_debugging_mvcc_watcher_total //p'; }
    local before
    before=$(watches)
    timeout 120 etcdctl --endpoints "${OURS}1:2379" watch nothing >"$BATS_TEST_TMPDIR/watch" 2>&1 3>&- &
    local watch=$!
    watched() { [ "$(watches)" = $((before + 1)) ]; }
    within 10 watched
    # shellcheck disable=SC2086
    kill -STOP $others
    told() { grep -q 'etcdserver: no leader' "$BATS_TEST_TMPDIR/watch"; }
    within 10 told || status=$?
    # shellcheck disable=SC2086
    kill -CONT $others
    [ "${status:-0}" = 0 ]
    wait "$watch" || true
    within 10 healthy $OURS
}
