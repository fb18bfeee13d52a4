# Custom resources on three members: what one of them knows, all of them know.
bats_require_minimum_version 1.5.0
NET=${CUSTOM_NET:-127.0.58}
export AUTH_HOST=$NET.1

setup_file() {
    load ../auth/server
    local n peers
    peers=$(for n in 1 2 3; do echo "n$n=https://$NET.$n:2380"; done | paste -sd,)
    for n in 1 2 3; do
        if [ "$n" != 1 ]; then
            mkdir -p "$D/n$n/pki"
            cp -p "$D"/n1/pki/{ca.crt,ca.key,sa.key,sa.pub} "$D/n$n/pki/"
        fi
        "$CORACLE" server --name "n$n" --data-dir "$D/n$n" --disable scheduler --api-listen "$NET.$n:6443" \
            --etcd-listen "https://$NET.$n:2379" --peer-url "https://$NET.$n:2380" --initial-cluster "$peers" \
            >>"$D/n$n.log" 2>&1 3>&- &
        echo $! >"$D/n$n.pid"
        disown
        within 20 test -s "$D/n$n/pki/admin.key"
    done
    for n in 1 2 3; do
        within 20 curl -sf --cacert "$D/n1/pki/ca.crt" "https://$NET.$n:6443/readyz"
    done
}

teardown_file() {
    load ../auth/server
    end_all
}

@test "a definition that one member has established is served by all" {
    load ../auth/server
    run -0 "$BATS_TEST_DIRNAME/seen_everywhere.py" "$D/n1/pki/ca.crt" "$D/n1/pki/admin.crt" "$D/n1/pki/admin.key" 40 \
        "$NET.1" "$NET.2" "$NET.3"
}
