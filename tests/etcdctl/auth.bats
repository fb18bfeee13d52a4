# Users, roles, permissions, locks and elections with the distribution's etcdctl.
bats_require_minimum_version 1.5.0

setup_file() {
    load standalone
    command -v etcdctl >/dev/null || skip "etcdctl is not installed"
    [ -x "$CORACLE" ] || skip "build/release is not built"
    export DIR=$BATS_FILE_TMPDIR
}

setup() {
    load standalone
    DIR=$BATS_TEST_TMPDIR
    mkdir -p "$DIR"
}

teardown() {
    stop_all
}

start_three() {
    for place in 1 2 3; do start_member $place 3; done
    for place in 1 2 3; do within 20 answers $place; done
}

add_users() {
    ctl 1 user add root:rootpw
    ctl 1 role add app
    ctl 1 role grant-permission app readwrite app/ --prefix
    ctl 1 user add alice:alicepw
    ctl 1 user grant-role alice app
    ctl 1 auth enable
}

# answer MEMBER COMMAND: what etcdctl prints, without what differs between any two servers.
answer() {
    eval "ctl $1 $2" </dev/null 2>&1 | grep -v '^{"level"' | sed "s/$NET\.$1/HOST/g"
}

@test "every auth command is answered as by etcd" {
    command -v etcd >/dev/null || skip "etcd is not installed"
    start_member 1 1
    start_etcd
    within 20 answers 1
    within 20 answers 9
    while IFS= read -r line; do
        [[ $line != '#'* ]] || continue
        answer 9 "$line" >"$DIR/theirs" &
        ours=$(answer 1 "$line") || true
        wait $! || true
        theirs=$(cat "$DIR/theirs")
        [ "$ours" = "$theirs" ] || {
            printf 'etcdctl %s\n--- coracle\n%s\n--- etcd\n%s\n' "$line" "$ours" "$theirs"
            return 1
        }
    done <"$BATS_TEST_DIRNAME/auth.commands"
}

@test "users and tokens are good at every member, and after a restart" {
    start_three
    add_users
    for place in 1 2 3; do
        run -0 ctl $place --user alice:alicepw put app/k "$place"
        run -0 ctl $((place % 3 + 1)) --user alice:alicepw get app/k --print-value-only
        [ "$output" = "$place" ]
        run -1 ctl $place --user alice:alicepw put other v
        [[ $output == *"etcdserver: permission denied"* ]]
        run -1 ctl $place get app/k
        [[ $output == *"etcdserver: user name is empty"* ]]
    done
    for place in 1 2 3; do stop m$place; done
    start_three
    run -1 ctl 2 get app/k
    run -0 ctl 2 --user alice:alicepw get app/k --print-value-only
    [ "$output" = 3 ]
    run -0 ctl 3 --user root:rootpw auth disable
    run -0 ctl 1 get app/k --print-value-only
}

@test "a watch sees what its user may read" {
    start_member 1 1
    within 20 answers 1
    add_users
    timeout 120 etcdctl --dial-timeout=20s --endpoints="http://$NET.1:2379" --user alice:alicepw watch app/ --prefix \
        >"$DIR/watched" 2>&1 3>&- &
    watching() { ctl 1 --user alice:alicepw put app/k seen >/dev/null && grep -q seen "$DIR/watched"; }
    within 8 watching
    run timeout 60 etcdctl --dial-timeout=20s --endpoints="http://$NET.1:2379" --user alice:alicepw watch app/ app1
    [[ $output == *"permission denied"* ]]
}

@test "lock and elect" {
    start_three
    run -0 ctl 1 lock mutex echo held
    [ "$output" = held ]
    timeout 120 etcdctl --endpoints="http://$NET.1:2379" lock mutex -- sh -c "touch $DIR/first; until [ -e $DIR/release ]; do sleep 0.1; done" 3>&- &
    first=$!
    within 10 test -e "$DIR/first"
    timeout 120 etcdctl --endpoints="http://$NET.2:2379" lock mutex touch "$DIR/second" 3>&- &
    second=$!
    two_wait() { [ "$(ctl 3 get mutex --prefix --keys-only | grep -c mutex)" = 2 ]; }
    within 10 two_wait
    [ ! -e "$DIR/second" ]
    touch "$DIR/release"
    wait $first $second
    [ -e "$DIR/second" ]
    etcdctl --endpoints="http://$NET.1:2379" elect leader one >"$DIR/elected" 3>&- &
    echo $! >"$DIR/elect.pid" # Ended before the members: it resigns first.
    elected() { grep -q one "$DIR/elected"; }
    within 10 elected
    listened() { timeout 3 etcdctl --endpoints="http://$NET.3:2379" elect -l leader | grep -q one; }
    within 10 listened
}

@test "passwords are in no log and no file" {
    start_member 1 1
    within 20 answers 1
    ctl 1 user add root:Zq8-sesame-1
    ctl 1 auth enable
    ctl 1 --user root:Zq8-sesame-1 put k v
    run ctl 1 --user root:Zq8-sesame-2 put k v
    [[ $output == *"authentication failed"* ]]
    stop m1
    ! grep -rq Zq8-sesame "$DIR/m1" "$DIR/m1.log"
}

# certified NAME ARGUMENT...: etcdctl over TLS with that certificate.
certified() {
    local pki=$DIR/m1/pki name=$1
    shift
    etcdctl --command-timeout=60s --dial-timeout=20s --endpoints="https://$NET.1:2379" --cacert "$pki/ca.crt" \
        --cert "$DIR/$name.crt" --key "$DIR/$name.key" "$@"
}

# by_gateway NAME: reads app/k by JSON over TLS with that certificate.
by_gateway() {
    curl -s -m 30 --cacert "$DIR/m1/pki/ca.crt" --cert "$DIR/$1.crt" --key "$DIR/$1.key" \
        "https://$NET.1:2379/v3/kv/range" -d '{"key":"YXBwL2s="}'
}

@test "a certificate's common name is a user" {
    "$CORACLE" server --name m1 --data-dir "$DIR/m1" --disable api,scheduler,controllers \
        --etcd-listen "https://$NET.1:2379" --peer-url "https://$NET.1:2380" \
        --initial-cluster "m1=https://$NET.1:2380" >"$DIR/m1.log" 2>&1 3>&- &
    echo $! >"$DIR/m1.pid"
    pki=$DIR/m1/pki
    within 10 test -s "$pki/admin.crt"
    cp "$pki/admin.crt" "$pki/admin.key" "$DIR"
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=alice -keyout "$DIR/alice.key" \
        -out "$DIR/alice.csr" 2>/dev/null
    printf 'extendedKeyUsage = clientAuth\n' >"$DIR/extensions"
    openssl x509 -req -in "$DIR/alice.csr" -CA "$pki/ca.crt" -CAkey "$pki/ca.key" -CAcreateserial -days 1 \
        -extfile "$DIR/extensions" -out "$DIR/alice.crt" 2>/dev/null
    within 10 certified admin put app/k v
    run certified alice get app/k
    [[ $output == *"permission denied"* ]]
    run -0 by_gateway alice
    [ "$output" = '{"error":"etcdserver: permission denied","message":"etcdserver: permission denied","code":7}' ]
    run -0 by_gateway admin
    [[ $output == *'"value":"dg=="'* ]]
    certified admin user add root:rootpw
    certified admin role add app
    certified admin role grant-permission app read app/ --prefix
    certified admin user add alice --no-password
    certified admin user grant-role alice app
    certified admin auth enable
    run -0 certified alice get app/k --print-value-only
    [ "$output" = v ]
    run -0 by_gateway alice
    [[ $output == *'"value":"dg=="'* ]]
    run -0 by_gateway admin
    [[ $output == *"permission denied"* ]]
    run certified alice put app/k w
    [[ $output == *"permission denied"* ]]
    run certified admin get app/k # Its common name is no user.
    [[ $output == *"permission denied"* ]]
    run -0 certified alice --user root:rootpw put app/k w # A password wins.
    run -0 certified alice --user root:rootpw auth disable
    run certified alice get app/k
    [[ $output == *"permission denied"* ]]
    run -0 certified admin get app/k --print-value-only
    [ "$output" = w ]
}
