# coracle.v1.Objects with real members: the example of docs/reference/grpc.md, and a watch whose member is killed.
# BUILD names the build whose programs run.
bats_require_minimum_version 1.5.0
source "$BATS_TEST_DIRNAME/../within.bash"

setup_file() {
    export BUILD=${BUILD:-$BATS_TEST_DIRNAME/../../build/release} NET=${OBJECTS_NET:-127.0.46} D=$BATS_FILE_TMPDIR
    local name peers=
    for name in 1 2 3; do
        peers+=${peers:+,}n$name=http://$NET.$name:2380
    done
    for name in 1 2 3; do
        start_member "$name" "$peers"
        [ "$name" != 1 ] || for file in ca.crt ca.key sa.key sa.pub admin.key; do
            within 20 test -s "$D/n1/pki/$file"
        done
    done
    for name in 1 2 3; do
        within 30 curl -sf --cacert "$D/n1/pki/ca.crt" "https://$NET.$name:6443/readyz"
    done
    within 20 curl -sf --cacert "$D/n1/pki/ca.crt" --cert "$D/n1/pki/admin.crt" --key "$D/n1/pki/admin.key" \
        "https://$NET.1:6443/api/v1/namespaces/default"
}

start_member() { # NUMBER PEERS
    local name=n$1 host=$NET.$1
    mkdir -p "$D/$name/pki"
    chmod 700 "$D/$name" "$D/$name/pki"
    [ "$1" = 1 ] || cp -n "$D"/n1/pki/{ca.crt,ca.key,sa.key,sa.pub} "$D/$name/pki/"
    "$BUILD/cmd/coracle" server --name "$name" --data-dir "$D/$name" --disable scheduler,controllers \
        --api-listen "https://$host:6443" --etcd-listen "http://$host:2379" --peer-url "http://$host:2380" \
        --initial-cluster "$2" >>"$D/$name.log" 2>&1 3>&- &
    echo $! >"$D/$name.pid"
    disown
}

teardown_file() {
    local file
    for file in "$D"/*.pid; do
        kill "$(cat "$file")" 2>/dev/null || true
    done
}

keys() { echo "$D/n1/pki/ca.crt" "$D/n1/pki/admin.crt" "$D/n1/pki/admin.key"; }

@test "the example does what it says" {
    run -0 "$BUILD/examples/example_objects" "$NET.1:6443" $(keys)
    [[ "$output" == *'created v1 ConfigMap: {"kind":"ConfigMap"'*'"colour":"green"'* ]]
    [[ "$output" == *'patched v1 ConfigMap:'*'"colour":"blue"'* ]]
    [[ "$output" == *'DELETED at '* ]]
}

@test "a watch goes on at another member without a gap when its own is killed" {
    "$BUILD/tests/objects/objects_failover" $(keys) "$NET.1:6443" "$NET.3:6443" "$NET.2:6443" \
        >"$D/failover" 2>"$D/failover.err" 3>&- &
    local client=$!
    within 60 grep -q half "$D/failover"
    kill -KILL "$(cat "$D/n3.pid")"
    rm "$D/n3.pid"
    wait "$client" || { cat "$D/failover.err"; return 1; }
    cat "$D/failover" "$D/failover.err"
    grep -q 'watch ended' "$D/failover.err"
    grep -qE '^400 writes, [0-9]+ of unknown outcome, [0-9]+ events, [0-9]+ watches$' "$D/failover"
}
