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
    for place in 1 2 3; do eventually 20 answers $place; done
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
    eventually 20 answers 1
    eventually 20 answers 9
    while IFS= read -r line; do
        [[ $line != '#'* ]] || continue
        ours=$(answer 1 "$line") || true
        theirs=$(answer 9 "$line") || true
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
    eventually 20 answers 1
    add_users
    timeout 10 etcdctl --endpoints="http://$NET.1:2379" --user alice:alicepw watch app/ --prefix \
        >"$DIR/watched" 2>&1 3>&- &
    watching() { ctl 1 --user alice:alicepw put app/k seen >/dev/null && grep -q seen "$DIR/watched"; }
    eventually 8 watching
    run timeout 5 etcdctl --endpoints="http://$NET.1:2379" --user alice:alicepw watch app/ app1
    [[ $output == *"permission denied"* ]]
}

@test "lock and elect" {
    start_three
    run -0 ctl 1 lock mutex echo held
    [ "$output" = held ]
    timeout 20 etcdctl --endpoints="http://$NET.1:2379" lock mutex -- sh -c "touch $DIR/first; until [ -e $DIR/release ]; do sleep 0.1; done" 3>&- &
    first=$!
    eventually 10 test -e "$DIR/first"
    timeout 20 etcdctl --endpoints="http://$NET.2:2379" lock mutex touch "$DIR/second" 3>&- &
    second=$!
    two_wait() { [ "$(ctl 3 get mutex --prefix --keys-only | grep -c mutex)" = 2 ]; }
    eventually 10 two_wait
    [ ! -e "$DIR/second" ]
    touch "$DIR/release"
    wait $first $second
    [ -e "$DIR/second" ]
    timeout 20 etcdctl --endpoints="http://$NET.1:2379" elect leader one >"$DIR/elected" 3>&- &
    elected() { grep -q one "$DIR/elected"; }
    eventually 10 elected
    run timeout 3 etcdctl --endpoints="http://$NET.3:2379" elect -l leader
    [[ $output == *one* ]]
}

@test "passwords are in no log and no file" {
    start_member 1 1
    eventually 20 answers 1
    ctl 1 user add root:Zq8-sesame-1
    ctl 1 auth enable
    ctl 1 --user root:Zq8-sesame-1 put k v
    run ctl 1 --user root:Zq8-sesame-2 put k v
    [[ $output == *"authentication failed"* ]]
    stop m1
    ! grep -rq Zq8-sesame "$DIR/m1" "$DIR/m1.log"
}
