# A server that answers nobody who shows nothing.
bats_require_minimum_version 1.5.0

setup() {
    load server
    D=$BATS_TEST_TMPDIR
}

teardown() {
    end_all
}

@test "without anonymous requests even health is for those who are known" {
    "$CORACLE" server --name n1 --data-dir "$D/n1" --disable scheduler,controllers --anonymous-auth=false \
        --api-listen "$HOST:6443" --etcd-listen "https://$HOST:2379" --peer-url "https://$HOST:2380" \
        --initial-cluster "n1=https://$HOST:2380" >>"$D/n1.log" 2>&1 3>&- &
    echo $! >"$D/n1.pid"
    disown
    served() { [[ $(api /readyz --cert "$D/n1/pki/admin.crt" --key "$D/n1/pki/admin.key") == 200* ]]; }
    within 20 served
    [[ $(api /readyz) == 401* ]]
    [[ $(api /version) == 401* ]]
}
