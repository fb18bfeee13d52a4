# Shared by the tests of every etcdctl command: three members of ours that serve nothing but the store, on
# 127.0.34.11-13, and three of the distribution's etcd on 127.0.34.21-23, the same names in both. Started and ended, by
# their ids, by setup_suite.bash.
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=${BUILD:-$TOP/build/release}
CORACLE=$BUILD/cmd/coracle
OURS=127.0.34.1
THEIRS=127.0.34.2
export ETCDCTL_API=3
# Of a command that is done in a moment; both clusters have their own times for one that fails.
export PATIENT="--command-timeout=60s --dial-timeout=20s"
# Both clusters': no member is so long without the processor that it loses the lead, or takes it.
HEARTBEAT_MS=200
ELECTION_MS=2000
source "$TOP/tests/within.bash"

# start LOG COMMAND...: in the background; its id is kept for end_all.
start() {
    local log=$1
    shift
    "$@" >"$log" 2>&1 3>&- &
    echo $! >>"$SUITE_DIR/pids"
}

end_all() {
    local pid
    while read -r pid; do
        kill "$pid" 2>/dev/null || true
    done <"$SUITE_DIR/pids"
    while read -r pid; do
        # A child of another shell cannot be waited for.
        ended "$pid" || true
    done <"$SUITE_DIR/pids"
}

# peers PREFIX: what --initial-cluster says.
peers() { echo "m1=http://${1}1:2380,m2=http://${1}2:2380,m3=http://${1}3:2380"; }

# start_ours PLACE [FLAG...]
start_ours() {
    local i=$1
    shift
    start "$SUITE_DIR/ours$i.log" "$CORACLE" server --name "m$i" --data-dir "$SUITE_DIR/ours$i" \
        --etcd-listen "http://$OURS$i:2379" --peer-url "http://$OURS$i:2380" --initial-cluster "$(peers $OURS)" \
        --heartbeat-ms $HEARTBEAT_MS --election-ms $ELECTION_MS --disable api,scheduler,controllers "$@"
}

start_theirs() {
    local i=$1
    start "$SUITE_DIR/theirs$i.log" etcd --name "m$i" --data-dir "$SUITE_DIR/theirs$i" \
        --listen-client-urls "http://$THEIRS$i:2379" --advertise-client-urls "http://$THEIRS$i:2379" \
        --listen-peer-urls "http://$THEIRS$i:2380" --initial-advertise-peer-urls "http://$THEIRS$i:2380" \
        --initial-cluster "$(peers $THEIRS)" --initial-cluster-state new \
        --heartbeat-interval $HEARTBEAT_MS --election-timeout $ELECTION_MS
}

# shellcheck disable=SC2086
healthy() { timeout 30 etcdctl $PATIENT --endpoints "${1}1:2379,${1}2:2379,${1}3:2379" endpoint health >/dev/null 2>&1; }

# ours ARGUMENT... and ours_at PLACE ARGUMENT...: etcdctl against a member of ours.
ours_at() {
    local place=$1
    shift
    # shellcheck disable=SC2086
    timeout 90 etcdctl $PATIENT --endpoints "$OURS$place:2379" "$@"
}
ours() { ours_at 1 "$@"; }

# same SCRIPT: runs the script, in which `ctl` is etcdctl and `ctl_at N` etcdctl against member N, for both clusters at a
# time, and compares what it prints on both streams, ids and times aside.
same() {
    answers_of "$THEIRS" "$1" >"$BATS_TEST_TMPDIR/theirs" &
    answers_of "$OURS" "$1" >"$BATS_TEST_TMPDIR/ours"
    wait $!
    [ -s "$BATS_TEST_TMPDIR/ours" ]
    diff -u --label etcd --label coracle "$BATS_TEST_TMPDIR/theirs" "$BATS_TEST_TMPDIR/ours"
}

# answers_of PREFIX SCRIPT
answers_of() {
    PREFIX=$1 timeout 300 bash -c '
        export ETCDCTL_API=3
        ctl_at() { local place=$1; shift; timeout 90 etcdctl $PATIENT --endpoints "$PREFIX$place:2379" "$@" 2>&1 || echo "status $?"; }
        ctl() { ctl_at 1 "$@"; }
        '"$2" 3>&- | "$TOP/tests/etcdctl/normalize"
}

# For scripts: `lines N COMMAND...` ends a command that has printed N lines.
LINES='lines() {
           local n=$1 pipe=$(mktemp -u) pid
           shift
           mkfifo $pipe
           timeout 120 "$@" <&0 >$pipe 2>&1 &
           pid=$!
           head -n $n <$pipe
           kill $pid
           rm $pipe
       }
'

explain_failure() {
    [ -z "${BATS_TEST_COMPLETED:-}" ] || return 0
    for log in "$SUITE_DIR"/ours?.log; do
        echo "--- ${log##*/}"
        tail -3 "$log"
    done
}
