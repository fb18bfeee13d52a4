# Options of logs, exec, attach and port-forward, and what is said where there is nothing to show.
bats_require_minimum_version 1.5.0

setup() {
    load cluster
}

teardown() {
    explain_failure
}

setup_file() {
    load cluster
    $KUBECTL create namespace streams
    within 60 $KUBECTL -n streams get serviceaccount default
    $KUBECTL -n streams apply -f - <<'YAML'
apiVersion: v1
kind: Pod
metadata: {name: talks}
spec:
  terminationGracePeriodSeconds: 1
  initContainers:
  - {name: begins, image: "coracle.local/busybox:1", command: [echo, begun]}
  containers:
  - {name: lines, image: "coracle.local/busybox:1", command: [sh, -c, "for i in 1 2 3; do echo line $i; done; sleep 100000"]}
  - {name: reads, image: "coracle.local/busybox:1", stdin: true, command: [sh, -c, "while read x; do echo got $x; done; sleep 100000"]}
---
apiVersion: v1
kind: Pod
metadata: {name: ends}
spec:
  restartPolicy: Never
  containers:
  - {name: c, image: "coracle.local/busybox:1", command: [sh, -c, "until [ -e /tmp/go ]; do sleep 0.1; done; echo over"]}
---
apiVersion: v1
kind: Pod
metadata: {name: waits}
spec:
  containers:
  - {name: c, image: "coracle.local/nothing:1"}
YAML
    $KUBECTL -n streams wait --for=condition=Ready pod/talks pod/ends --timeout 120s
}

teardown_file() {
    load cluster
    $KUBECTL delete namespace streams --wait=false
}

@test "logs are cut as the options say" {
    run -0 $KUBECTL -n streams logs talks -c lines --tail=2
    [ "$output" = $'line 2\nline 3' ]
    run -0 $KUBECTL -n streams logs talks -c lines --limit-bytes=10
    [ "$output" = $'line 1\nlin' ]
    run -0 $KUBECTL -n streams logs talks -c lines --since-time=2099-01-01T00:00:00Z
    [ "$output" = "" ]
    run -0 $KUBECTL -n streams logs talks -c lines --since=100h --timestamps
    [[ $output =~ ^20[0-9-]+T[0-9:.]+Z\ line\ 1 ]]
    run -0 $KUBECTL -n streams logs talks --all-containers --prefix --tail=1
    # kubectl takes the containers in any order.
    [ "$(sort <<<"$output")" = $'[pod/talks/begins] begun\n[pod/talks/lines] line 3' ]
}

@test "logs that are not there are told of by the node's own words" {
    run -1 $KUBECTL -n streams logs talks -c lines --previous
    [ "$output" = 'Error from server (BadRequest): previous terminated container "lines" in pod "talks" not found' ]
    run -1 $KUBECTL -n streams logs waits
    [[ $output == 'Error from server (BadRequest): container "c" in pod "waits" is waiting to start: '* ]]
    run -1 $KUBECTL -n streams logs talks -c nothing
    [ "$output" = "error: container nothing is not valid for pod talks" ]
}

@test "following a log ends when the container does" {
    $KUBECTL -n streams logs -f ends >"$BATS_TEST_TMPDIR/log" 3>&- &
    follow=$!
    run -0 $KUBECTL -n streams exec ends -- touch /tmp/go
    wait "$follow"
    [ "$(cat "$BATS_TEST_TMPDIR/log")" = over ]
}

@test "who attaches without stdin hears what others say to the container" {
    $KUBECTL -n streams attach talks -c reads >"$BATS_TEST_TMPDIR/heard" 2>&1 3>&- &
    listener=$!
    said() {
        echo hello | timeout 5 "$KUBECTL" -n streams attach -i talks -c reads || true
        grep -q "got hello" "$BATS_TEST_TMPDIR/heard"
    }
    within 30 said
    kill "$listener"
}

@test "exec carries input and output of any length, and the exit code" {
    head -c 5000000 /dev/urandom >"$BATS_TEST_TMPDIR/big"
    $KUBECTL -n streams exec -i talks -c lines -- cat <"$BATS_TEST_TMPDIR/big" | cmp - "$BATS_TEST_TMPDIR/big"
    run -7 $KUBECTL -n streams exec talks -c lines -- sh -c 'exit 7'
    run -1 $KUBECTL -n streams exec talks -c nothing -- true
    [ "$output" = "Error from server (BadRequest): container nothing is not valid for pod talks" ]
    run -1 $KUBECTL -n streams exec talks -c lines -- /nothing
    [[ $output == *"no such file or directory"* ]]
}

@test "who would enter a container that does not run is told so as by v1.32" {
    for verb in "exec waits -- true" "exec -i waits -- true" "attach waits"; do
        # shellcheck disable=SC2086
        run -1 $KUBECTL -n streams $verb
        [[ $output == *'unable to upgrade connection: container not found ("c")'* ]]
    done
    run -1 $KUBECTL -n streams exec waits -- true
    [ "$output" = 'error: Internal error occurred: unable to upgrade connection: container not found ("c")' ]
}

@test "a folder is copied there and back" {
    mkdir -p "$BATS_TEST_TMPDIR/there/deep/er"
    echo one >"$BATS_TEST_TMPDIR/there/with space"
    head -c 300000 /dev/urandom >"$BATS_TEST_TMPDIR/there/deep/er/big"
    run -0 $KUBECTL -n streams cp "$BATS_TEST_TMPDIR/there" talks:/tmp/there -c lines
    run -0 $KUBECTL -n streams cp talks:/tmp/there "$BATS_TEST_TMPDIR/back" -c lines
    diff -r "$BATS_TEST_TMPDIR/there" "$BATS_TEST_TMPDIR/back"
}

@test "a port that nobody listens on is told of" {
    $KUBECTL -n streams port-forward talks 18070:9999 >"$BATS_TEST_TMPDIR/log" 2>&1 3>&- &
    forward=$!
    refused() {
        curl -s -m 5 http://127.0.0.1:18070 || true
        grep -q "connection refused" "$BATS_TEST_TMPDIR/log"
    }
    within 30 refused
    kill "$forward" 2>/dev/null || true
}
