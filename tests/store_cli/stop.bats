# The end of a server that is asked to stop: at once, whoever is connected, and without an election.
source "$BATS_TEST_DIRNAME/servers.bash"

# ended_within NAME MILLISECONDS: stops it, as an operator does.
# A machine with more to do than it has processors gets that much longer.
ended_within() {
    local limit begin=${EPOCHREALTIME/./} held_up took
    held_up=$(held_up_ms)
    end_member "$1" TERM
    took=$(((${EPOCHREALTIME/./} - begin) / 1000))
    limit=$(($(busy "$2") + $(held_up_ms) - held_up))
    [ "$took" -le $limit ] || { echo "$1 ended after $took ms, not within $limit" >&2; return 1; }
}

admin() { # NAME PATH [CURL ARGUMENT...]
    curl -sSN --cacert "$1/pki/ca.crt" --cert "$1/pki/admin.crt" --key "$1/pki/admin.key" \
        "https://$(host "$1"):6443$2" "${@:3}"
}

has_line() { [ -s "$1" ] && grep -q "$2" "$1"; }

@test "open watches end properly and do not keep a server" {
    start_server n1 --initial-cluster "n1=https://$(host n1):2380"
    within 60 admin n1 /readyz
    for wire in --http1.1 --http2; do
        admin n1 "/api/v1/namespaces?watch=1" $wire >"watch$wire" 3>&- &
        echo $! >"curl$wire.pid"
    done
    etcdctl=(etcdctl --endpoints "https://$(host n1):2379" --cacert n1/pki/ca.crt
        --cert n1/pki/admin.crt --key n1/pki/admin.key)
    "${etcdctl[@]}" watch key >watch-etcd 3>&- &
    echo $! >etcdctl.pid
    within 20 has_line watch--http1.1 '"ADDED"'
    within 20 has_line watch--http2 '"ADDED"'
    within 20 "${etcdctl[@]}" put key 1
    seen() { "${etcdctl[@]}" put key 2 && has_line watch-etcd key; }
    within 20 seen
    ended_within n1 1500 # Open requests would have 2 s; all that is needed is some 0.2 s.
    for wire in --http1.1 --http2; do
        wait "$(cat "curl$wire.pid")" # Not cut off: curl would say so.
        rm "curl$wire.pid"
    done
}

@test "a leader hands over before it ends: nobody waits for an election" {
    local all ids leader name other
    all="n1=$(peer n1),n2=$(peer n2),n3=$(peer n3)"
    for name in n1 n2 n3; do # An election would take 10 s and more.
        start_member "$name" --initial-cluster "$all" --heartbeat-ms 1000 --election-ms 10000
    done
    for name in n1 n2 n3; do
        within 90 ctl "$name" put before 1
    done
    leader=
    for name in n1 n2 n3; do
        ids=$(ctl "$name" endpoint status -w json |
            sed 's/.*"member_id":\([0-9]*\).*"leader":\([0-9]*\).*/\1 \2/')
        [ "${ids% *}" = "${ids#* }" ] && leader=$name
    done
    [ -n "$leader" ]
    other=n1
    [ "$leader" = n1 ] && other=n2
    ended_within "$leader" 5000
    timeout 9 etcdctl --command-timeout=8s --endpoints "$(client "$other")" put after 1 # No election is as quick.
}

@test "without a majority, a whole server ends all the same" {
    local all name
    all="n1=https://$(host n1):2380,n2=https://$(host n2):2380"
    start_whole() {
        "$CORACLE" server --name "$1" --data-dir "$PWD/$1" --initial-cluster "$all" \
            --api-listen "$(host "$1"):6443" --etcd-listen "https://$(host "$1"):2379" \
            --peer-url "https://$(host "$1"):2380" >>"$1.log" 2>&1 3>&- &
        echo $! >"$1.pid"
        disown
    }
    start_whole n1
    within 20 test -s n1/pki/admin.key
    mkdir -p n2/pki && chmod 700 n2/pki && cp n1/pki/{ca.crt,ca.key,sa.key,sa.pub} n2/pki
    start_whole n2
    within 60 admin n1 /readyz
    within 60 admin n2 /readyz
    pods='{"spec":{"containers":[{"name":"c","image":"i"}]},"metadata":{"labels":{"a":"b"}}}'
    many="{\"metadata\":{\"name\":\"many\"},\"spec\":{\"replicas\":400,\"template\":$pods,"
    many+='"selector":{"matchLabels":{"a":"b"}}}}'
    made() {
        admin n1 /apis/apps/v1/namespaces/default/replicasets -d "$many" \
            -H 'content-type: application/json' | grep '"uid"'
    }
    within 60 made # Once the namespace is there.
    end_member n2 KILL # Controllers have calls under way, or begin some.
    sleep 0.1          # n1 still takes itself for the leader, or is about to ask for votes.
    ended_within n1 4000
}
