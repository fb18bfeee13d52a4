# Members of a store as processes of their own, on loopback addresses, with the commands that manage
# them. CORACLE names the program; every process started here is ended by its pid.
CORACLE=${CORACLE:-$BATS_TEST_DIRNAME/../../build/debug/cmd/coracle}
export ETCDCTL_API=3
source "${BASH_SOURCE[0]%/*}/../within.bash"

host() { echo "${STORE_CLI_NET:-127.0.35}.${1#n}"; } # n1 -> 127.0.35.1
client() { echo "http://$(host "$1"):2379"; }
peer() { echo "http://$(host "$1"):2380"; }

setup() {
    cd "$BATS_TEST_TMPDIR"
}

teardown() {
    local file
    for file in "$BATS_TEST_TMPDIR"/*.pid; do
        [ -e "$file" ] && kill -9 "$(cat "$file")" 2>/dev/null
        rm -f "$file"
    done
    [ "$BATS_TEST_COMPLETED" = 1 ] || tail -n 20 "$BATS_TEST_TMPDIR"/*.log
    ! grep -A 20 "Sanitizer\|runtime error" "$BATS_TEST_TMPDIR"/*.log # Of a debug build.
}

# start_member NAME [FLAG...]: a store without the API.
start_member() {
    local name=$1
    shift
    "$CORACLE" server --name "$name" --data-dir "$PWD/$name" --disable api,scheduler,controllers \
        --etcd-listen "$(client "$name")" --peer-url "$(peer "$name")" --heartbeat-ms 100 --election-ms 1000 "$@" \
        >>"$name.log" 2>&1 3>&- &
    echo $! >"$name.pid"
    disown # Its end is no news.
}

# A whole control-plane member without controllers, over TLS.
start_server() {
    local name=$1
    shift
    "$CORACLE" server --name "$name" --data-dir "$PWD/$name" --disable scheduler,controllers \
        --api-listen "$(host "$name"):6443" --etcd-listen "https://$(host "$name"):2379" \
        --peer-url "https://$(host "$name"):2380" "$@" >>"$name.log" 2>&1 3>&- &
    echo $! >"$name.pid"
    disown # Its end is no news.
}

end_member() { # NAME SIGNAL
    local pid
    pid=$(cat "$1.pid")
    kill "-$2" "$pid"
    ended "$pid"
    rm "$1.pid"
}

# A member of Debian's etcd on a host of its own.
start_etcd() { # DIR
    etcd --name e1 --data-dir "$1" --listen-client-urls "$(client n9)" \
        --advertise-client-urls "$(client n9)" --listen-peer-urls "$(peer n9)" \
        --initial-advertise-peer-urls "$(peer n9)" --initial-cluster "e1=$(peer n9)" \
        >>etcd.log 2>&1 3>&- &
    echo $! >etcd.pid
    disown
}

ctl() { # NAME ARGUMENT...
    local name=$1
    shift
    timeout 60 etcdctl --command-timeout=20s --dial-timeout=10s --endpoints "$(client "$name")" "$@"
}

listed() { # ASKED NAME: the asked member lists that one with its name and both URLs
    members "$1" | grep -q " $2 .*$(peer "$2") .*$(client "$2")"
}

listed_by_name() { members "$1" | grep -q " $2 "; } # Each publishes its name when it takes part.

members() { "$CORACLE" member list --endpoints "$(client "$1")"; }

# voters NAME COUNT: that many members with a vote, as NAME lists them.
voters() { [ "$(members "$1" | grep -c ' voter ')" = "$2" ]; }

cluster_id() {
    "$CORACLE" member list --json --endpoints "$(client "$1")" | sed 's/.*"cluster":"\([0-9a-f]*\)".*/\1/'
}

# Every key with all that etcd knows of it, and the revision; ids of the cluster left out.
contents() {
    ctl "$1" get '' --prefix -w json | sed 's/"cluster_id":[0-9]*,"member_id":[0-9]*,//; s/"raft_term":[0-9]*//'
}

# Keys with many versions, deletions, a compaction, a lease and a large value.
fill() { # NAME
    local i lease
    for i in $(seq 40); do
        ctl "$1" put "key/$((i % 13))" "value $i" >/dev/null
    done
    lease=$(ctl "$1" lease grant 3600 | cut -d' ' -f2)
    ctl "$1" put leased x "--lease=$lease" >/dev/null
    head -c 900000 /dev/zero | tr '\0' x | ctl "$1" put large >/dev/null
    ctl "$1" del key/3 key/5 >/dev/null
    ctl "$1" compact 20 >/dev/null
    ctl "$1" put after compaction >/dev/null
    echo "$lease"
}
