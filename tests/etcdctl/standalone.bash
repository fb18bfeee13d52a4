# Members of a store without Kubernetes on loopback addresses, and an etcd beside them where one is installed.
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
CORACLE=${CORACLE:-$TOP/build/release/cmd/coracle}
NET=${STORE_TEST_NET:-127.0.33}
export ETCDCTL_API=3
source "$TOP/tests/within.bash"

# ctl MEMBER ARGUMENT...: etcdctl against one member.
ctl() {
    local member=$1
    shift
    etcdctl --command-timeout=60s --dial-timeout=20s --endpoints="http://$NET.$member:2379" "$@"
}

answers() { curl -sf "http://$NET.$1:2379/health" >/dev/null; }

# start_member PLACE COUNT: one of COUNT members, in the background.
start_member() {
    local cluster='' at
    for at in $(seq "$2"); do cluster+="${cluster:+,}m$at=http://$NET.$at:2380"; done
    "$CORACLE" server --name "m$1" --data-dir "$DIR/m$1" --disable api,scheduler,controllers \
        --etcd-listen "http://$NET.$1:2379" --peer-url "http://$NET.$1:2380" \
        --initial-cluster "$cluster" --heartbeat-ms 200 --election-ms 2000 >>"$DIR/m$1.log" 2>&1 3>&- &
    echo $! >"$DIR/m$1.pid"
}

start_etcd() {
    etcd --name e --data-dir "$DIR/etcd" --listen-client-urls "http://$NET.9:2379" \
        --advertise-client-urls "http://$NET.9:2379" --listen-peer-urls "http://$NET.9:2380" \
        --initial-advertise-peer-urls "http://$NET.9:2380" --initial-cluster "e=http://$NET.9:2380" \
        >"$DIR/etcd.log" 2>&1 3>&- &
    echo $! >"$DIR/etcd.pid"
}

# stop NAME: ends what start_member or start_etcd began, and waits for it.
stop() {
    [ -f "$DIR/$1.pid" ] || return 0
    local pid
    pid=$(cat "$DIR/$1.pid")
    kill "$pid" 2>/dev/null || true
    ended "$pid" || true
    rm -f "$DIR/$1.pid"
}

stop_all() {
    local file
    for file in "$DIR"/*.pid; do
        [ -f "$file" ] && stop "$(basename "$file" .pid)"
    done
    return 0
}
