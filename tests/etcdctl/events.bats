# Watches: the same commands to us and to etcd, the same output.
bats_require_minimum_version 1.5.0

setup() { load clusters; }

teardown() { explain_failure; }

# In each script, `watching N` waits until the member has so many watches.
WATCHES='watches() { curl -sf "http://${PREFIX}1:2379/metrics" | grep -q "^etcd_debugging_mvcc_watcher_total $1$"; }
       watching() { local i; for i in $(seq 1000); do ! watches $1 || return 0; sleep 0.1; done; }
       watch() { local n=$1; shift; lines $n etcdctl --endpoints "${PREFIX}1:2379" watch "$@"; }
       put() { etcdctl $PATIENT --endpoints "${PREFIX}2:2379" put "$@" >/dev/null; }
       revision() { etcdctl $PATIENT --endpoints "${PREFIX}1:2379" get x -w fields | grep "\"Revision\"" | cut -d" " -f3; }
'

@test "watches from a past revision" {
    same "$LINES$WATCHES"'
        first=$(($(revision) + 1))
        put w/a 1; put w/b 1; put w/a 2; put other x
        ctl del w/a
        watching 0
        (watching 1; put w/a 9; for i in 1 2 3; do put w/z end; done) &
        watch 18 --prefix w/ --rev $first --prev-kv
        wait # Later puts would come before the last of these, or after.
        watch 9 w/a --rev $first
        watching 0
        (watching 1; for i in 1 2 3; do put w/b z; done) &
        watch 5 w/b w/c --rev $first
        wait
    '
}

@test "a watch from the standard input" {
    same "$LINES$WATCHES"'
        watching 0
        (watching 2; put wi/a 1; put wi/b 2; sleep 1; put wi/a 3; put wi/a 4) &
        (echo "watch wi/a"; echo "watch wi/b"; until [ "$(etcdctl --endpoints "${PREFIX}1:2379" get wi/a --print-value-only)" = 4 ]; do sleep 0.1; done; sleep 1) | watch 9 -i
        wait
    '
}

@test "a watch that runs a command" {
    same "$LINES$WATCHES"'
        watching 0
        (watching 1; put we/a 1; sleep 0.5; put we/a 2; put we/a 3; put we/a 4) &
        watch 6 we/a -- sh -c "env | grep ^ETCD_WATCH | grep -v REVISION | sort"
        wait
    '
}

@test "a watch of what has been compacted away" {
    same "$LINES$WATCHES"'
        first=$(($(revision) + 1))
        put wc/a 1; put wc/a 2; put wc/a 3
        ctl compact $((first + 2)) >/dev/null
        watch 1 wc/a --rev $first
        watching 0
        (watching 1; put wc/a 4; put wc/a 5) &
        watch 6 wc/a --rev $((first + 2)) --prev-kv
        wait
    '
}

@test "a watch of a revision to come" {
    same "$LINES$WATCHES"'
        then=$(($(revision) + 3))
        watching 0
        (watching 1; put wf/a 1; put wf/a 2; put wf/a 3; put wf/a 4; put wf/a 5) &
        watch 6 wf/a --rev $then
        wait
    '
}
