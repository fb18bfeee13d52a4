# The store through etcdctl, against any member.
bats_require_minimum_version 1.5.0

setup() {
    load cluster
}

teardown() {
    explain_failure
}

@test "put on one member, get on the others" {
    run -0 etcdctl_ 10.89.0.11 put e2e/key value
    for member in 11 12 13; do
        run -0 etcdctl_ 10.89.0.$member get e2e/key
        [ "${lines[1]}" = value ]
    done
    run -0 etcdctl_ 10.89.0.13 del e2e/key
    [ "$output" = 1 ]
}

@test "txn, lease, watch" {
    run -0 etcdctl_ 10.89.0.12 put e2e/count 1
    run -0 etcdctl_ 10.89.0.12 txn <<<$'value("e2e/count") = "1"\n\nput e2e/count 2\n\nput e2e/count 9\n'
    [[ $output == *SUCCESS* ]]
    lease=$(etcdctl_ 10.89.0.11 lease grant 60 | awk '{print $2}')
    run -0 etcdctl_ 10.89.0.13 put --lease="$lease" e2e/leased x
    run -0 etcdctl_ 10.89.0.12 lease timetolive "$lease" --keys
    [[ $output == *e2e/leased* ]]
    run -0 etcdctl_ 10.89.0.11 lease revoke "$lease"
    run -0 etcdctl_ 10.89.0.12 get e2e/leased
    [ -z "$output" ]
    timeout 120 bash -c "$(declare -f etcdctl_); E2E_DIR=$E2E_DIR; etcdctl_ 10.89.0.12 watch e2e/seen" >"$BATS_TEST_TMPDIR/watch" 3>&- &
    local watch=$!
    seen() { etcdctl_ 10.89.0.11 put e2e/seen it && grep -q it "$BATS_TEST_TMPDIR/watch"; } # Once it watches.
    within 10 seen
    kill $watch
}

@test "endpoint status and member list name a leader and three members" {
    run -0 etcdctl_ 10.89.0.11 endpoint status -w json
    run -0 etcdctl_ 10.89.0.11 member list
    [ "$(wc -l <<<"$output")" = 3 ]
}
