#!/usr/bin/env bats
# Members come and go while the cluster serves.
load servers

@test "an empty server joins by one command, gets the log, its name and its vote" {
    start_member n1 --initial-cluster "n1=$(peer n1)" --snapshot-entries 100
    within 60 ctl n1 put first 1
    for i in $(seq 120); do ctl n1 put "key/$i" "$i" >/dev/null; done # Beyond a snapshot.
    start_member n2 --join "$(client n1)"
    within 60 voters n2 2
    start_member n3 --join "$(client n2)"
    within 60 voters n3 3
    within 20 listed n1 n2 # Each publishes its name and URL once it takes part.
    within 20 listed n1 n3
    id=$(ctl n1 member list | grep -w n2 | cut -d, -f1)
    grep -q "joining: .* id=0*$id " n2.log # As the commands show it.
    [ "$(contents n3)" = "$(contents n1)" ]
    within 20 grep -q "in sync: this member has its vote" n3.log
    end_member n1 KILL # Any two of the three go on.
    within 60 ctl n3 put after 1
    [ "$(ctl n2 get after --print-value-only)" = 1 ]
    end_member n2 TERM
    grep -q "msg=stopping" n2.log
}

@test "a member added by hand takes its place; a learner waits for promotion; removed ones stop" {
    start_member n1 --initial-cluster "n1=$(peer n1)"
    within 60 ctl n1 put first 1
    "$CORACLE" member add "$(peer n2)" --endpoints "$(client n1)"
    members n1 | grep -q "unstarted .*$(peer n2)"
    start_member n2 --join "$(client n1)"
    within 60 voters n1 2
    ctl n1 member add n3 --learner --peer-urls "$(peer n3)"
    start_member n3 --join "$(client n1)"
    within 60 sh -c "'$CORACLE' member list --endpoints $(client n1) | grep -q 'n3 *learner'"
    voters n1 2
    within 60 "$CORACLE" member promote n3 --endpoints "$(client n2)"
    within 60 voters n2 3
    run "$CORACLE" member promote n3 --endpoints "$(client n2)"
    [ "$status" = 1 ]
    [[ $output == *"can only promote a learner member"* ]]
    run "$CORACLE" member remove nobody --endpoints "$(client n2)"
    [ "$status" = 1 ]
    [[ $output == *"no member nobody"* ]]
    "$CORACLE" member remove n3 --endpoints "$(client n2)"
    voters n1 2
    within 60 grep -q "permanently removed from the cluster" n3.log
    [ "$(ctl n1 put after 1)" = OK ]
}

@test "a learner answers what needs no vote, and nothing else" {
    start_member n1 --initial-cluster "n1=$(peer n1)"
    within 60 ctl n1 put key value
    ctl n1 member add n2 --learner --peer-urls "$(peer n2)"
    start_member n2 --join "$(client n1)"
    reads() { [ "$(ctl n2 get key --consistency=s --print-value-only)" = value ]; }
    within 60 reads
    ctl n2 endpoint status -w json | grep -q '"isLearner":true'
    refused() {
        run "$@"
        [[ $output == *"etcdserver: rpc not supported for learner"* ]]
    }
    refused ctl n2 get key
    refused ctl n2 put key other
    refused ctl n2 del key
    refused ctl n2 txn <<<$'value("key") = "value"\n\nget key\n\n\n'
    refused ctl n2 member list
    refused ctl n2 lease grant 60
    refused ctl n2 lease keep-alive --once 1
    refused ctl n2 endpoint health
    refused ctl n2 user list
    refused timeout 60 etcdctl --endpoints "$(client n2)" watch key
    ctl n2 snapshot save copy.db # As etcd 3.5.
    within 60 "$CORACLE" member promote n2 --endpoints "$(client n1)"
    within 20 ctl n2 put key other
}

@test "a member that lost its disk comes back by the same command, under a new id" {
    all="n1=$(peer n1),n2=$(peer n2),n3=$(peer n3)"
    for name in n1 n2 n3; do start_member $name --initial-cluster "$all"; done
    within 60 ctl n1 put first 1
    within 60 listed n1 n2 # Until it has said its name, nobody knows that n2 is taken.
    before=$(members n1 | awk '$2 == "n2" {print $1}')
    run timeout 60 "$CORACLE" server --name n2 --data-dir "$PWD/other" --disable api,scheduler,controllers \
        --etcd-listen "$(client n8)" --peer-url "$(peer n8)" --join "$(client n1)"
    [ "$status" = 1 ]
    [[ $output == *"is in the cluster and answers"* ]]
    end_member n2 KILL
    rm -r n2
    ctl n1 put meanwhile 2
    start_member n2 --initial-cluster "$all" # As if nothing had happened.
    within 60 grep -q "this member has lost its data" n2.log
    within 60 has_ended "$(cat n2.pid)" # It holds its directory until then.
    rm -r n2/raft
    start_member n2 --join "$(client n3)"
    within 60 voters n2 3
    within 20 listed n1 n2
    after=$(members n1 | awk '$2 == "n2" {print $1}')
    [ -n "$after" ]
    [ "$after" != "$before" ]
    [ "$(contents n2)" = "$(contents n1)" ]
}

@test "a member that lost its disk and is started as before is refused, and says what to do" {
    all="n1=$(peer n1),n2=$(peer n2),n3=$(peer n3)"
    for name in n1 n2 n3; do start_member $name --initial-cluster "$all"; done
    within 20 ctl n1 put first 1
    within 20 ctl n2 put second 2
    within 20 ctl n3 put third 3
    end_member n2 KILL
    rm -r n2
    start_member n2 --initial-cluster "$all"
    within 20 grep -q "has lost its data.*--join" n2.log
    [ "$(ctl n1 put after 1)" = OK ]
}

@test "a member whose term and vote are damaged in both copies is replaced by one command, and keeps its data beside" {
    all="n1=$(peer n1),n2=$(peer n2),n3=$(peer n3)"
    for name in n1 n2 n3; do start_member $name --initial-cluster "$all"; done
    within 60 ctl n1 put first 1
    within 20 listed n1 n2
    before=$(members n1 | awk '$2 == "n2" {print $1}')
    end_member n2 KILL
    head -c "$(stat -c %s n2/raft/raft-meta)" /dev/urandom >n2/raft/raft-meta
    run timeout 60 "$CORACLE" server --name n2 --data-dir "$PWD/n2" --disable api,scheduler,controllers \
        --etcd-listen "$(client n2)" --peer-url "$(peer n2)"
    [ "$status" = 1 ]
    [[ $output == *"both copies in $PWD/n2/raft/raft-meta are damaged"*"--join"* ]]
    start_member n2 --join "$(client n1)"
    within 60 voters n1 3
    within 20 listed n1 n2
    after=$(members n1 | awk '$2 == "n2" {print $1}')
    [ "$after" != "$before" ]
    [ -e n2/raft-damaged-1/raft-meta ]
    within 20 ctl n2 put after 1
    [ "$(contents n2)" = "$(contents n1)" ]
}

@test "a member that was removed stays so, with its data and without" {
    all="n1=$(peer n1),n2=$(peer n2),n3=$(peer n3)"
    for name in n1 n2 n3; do start_member $name --initial-cluster "$all"; done
    within 60 ctl n1 put first 1
    within 20 listed n1 n3
    id=$(members n1 | awk '$2 == "n3" {print $1}')
    end_member n3 KILL
    within 20 "$CORACLE" member remove n3 --endpoints "$(client n1)"
    start_member n3
    within 60 grep -q "permanently removed from the cluster" n3.log
    rm "n3.pid" "n3.log"
    rm -r n3
    start_member n3 --initial-cluster "$all" # The same id again: it is made from the list.
    within 60 grep -q "permanently removed from the cluster" n3.log
    voters n1 2
    [ "$(ctl n1 put after 1)" = OK ]
    rm "n3.pid"
    rm -r n3
    start_member n3 --join "$(client n1)" # That is how it comes back: as another one.
    within 60 voters n1 3
    within 20 listed n1 n3
    [ "$(members n1 | awk '$2 == "n3" {print $1}')" != "$id" ]
}

@test "a data directory belongs to one name and one process" {
    start_member n1 --initial-cluster "n1=$(peer n1)"
    within 60 ctl n1 put first 1
    run timeout 60 "$CORACLE" server --name n1 --data-dir "$PWD/n1"
    [ "$status" = 1 ]
    [[ $output == *"another process uses"* ]]
    end_member n1 TERM
    run timeout 60 "$CORACLE" server --name n2 --data-dir "$PWD/n1"
    [ "$status" = 1 ]
    [[ $output == *"is the data directory of member n1"* ]]
    run timeout 60 "$CORACLE" server --name n1 --data-dir "$PWD/empty"
    [ "$status" = 1 ]
    [[ $output == *"--initial-cluster"*"--join"* ]]
    start_member n1 # What the first start was told is in the data.
    within 60 ctl n1 get first
}

@test "a whole server joins with a token, which proves the cluster to it and it to the cluster" {
    list() { "$CORACLE" member list --data-dir "$PWD/$1" --endpoints "https://$(host "$1"):2379"; }
    refused() { # TOKEN TEXT
        run timeout 60 "$CORACLE" server --name n3 --data-dir "$PWD/n3" --api-listen "$(host n3):6443" \
            --etcd-listen "https://$(host n3):2379" --peer-url "https://$(host n3):2380" \
            --join "https://$(host n1):6443" --token "$1"
        [ "$status" = 1 ]
        [[ $output == *"$2"* ]]
        [ ! -e n3/pki/ca.key ]
    }
    start_server n1 --initial-cluster "n1=https://$(host n1):2380"
    create() { "$CORACLE" token create --data-dir "$PWD/n1" --server "https://$(host n1):6443" "$@"; }
    within 60 create
    token=$(create --member)
    agent=$(create)
    refused "$agent" "coracle token create --member"
    run timeout 60 "$CORACLE" server --name n3 --data-dir "$PWD/n3" --peer-url "https://$(host n3):2380" \
        --join "https://$(host n1):6443"
    [ "$status" = 1 ]
    [[ $output == *"--join needs --token"* ]]
    [ ! -e n3/pki ] # A CA of its own would be in the way of the next try.
    run timeout 60 "$CORACLE" server --name n3 --data-dir "$PWD/n3" --join "https://$(host n1):6443" --token "$token"
    [ "$status" = 1 ]
    [[ $output == *"--join needs --peer-url"* ]]
    run "$CORACLE" token list --data-dir "$PWD/n1" --server "https://$(host n1):6443"
    [[ $output == *"${token%%.*} "*"members "* ]]
    [[ $output == *"${agent%%.*} "*"agents "*"Z"*"Z"* ]]
    run "$CORACLE" token list --data-dir "$PWD/n1"
    [ "$status" = 1 ]
    [[ $output == *"Connection refused. Give --server URL"* ]]
    refused "$agent:${token#*:}" "the token is not accepted"
    refused "${token%%:*}:$(printf '0%.0s' $(seq 64))" "another CA than the token says"
    mkdir -p n3/pki
    echo foreign >n3/pki/ca.crt
    refused "$token" "is that of another cluster"
    start_server n2 --join "https://$(host n1):6443" --token "$token"
    within 60 sh -c "'$CORACLE' member list --data-dir $PWD/n2 --endpoints https://$(host n2):2379 | grep -q ' n2 *voter'"
    cmp n1/pki/ca.key n2/pki/ca.key
    [ "$(stat -c %a n2/pki/ca.key)" = 600 ]
    run "$CORACLE" member list --cacert n1/pki/ca.crt --endpoints "https://$(host n2):2379"
    [ "$status" = 1 ] # Without a certificate of its own nobody is let in.
}

# As somebody would start it who has etcd's command line at hand.
start_as_etcd() { # NAME [FLAG...]
    local name=$1
    shift
    "$CORACLE" server --name "$name" --data-dir "$PWD/$name" --disable api,scheduler,controllers \
        --listen-client-urls "$(client "$name"),http://$(host "$name"):2378" \
        --advertise-client-urls "$(client "$name"),http://$(host "$name"):2378" \
        --listen-peer-urls "$(peer "$name"),http://$(host "$name"):2381" \
        --initial-advertise-peer-urls "$(peer "$name"),http://$(host "$name"):2381" \
        --heartbeat-interval 100 --election-timeout 1000 --snapshot-count 10000 \
        --quota-backend-bytes 1000000000 --initial-cluster-token tests "$@" >>"$name.log" 2>&1 3>&- &
    echo $! >"$name.pid"
    disown # Its end is no news.
}

@test "etcd's flags start a cluster whose members have several URLs, and one that is added to it" {
    both() { echo "$1=$(peer "$1"),$1=http://$(host "$1"):2381"; }
    all="$(both n1),$(both n2)"
    start_as_etcd n1 --initial-cluster "$all" --initial-cluster-state new
    start_as_etcd n2 --initial-cluster "$all" --initial-cluster-state new
    within 60 ctl n1 put first 1
    within 20 sh -c "[ \"\$(etcdctl --endpoints http://$(host n2):2378 get first --print-value-only)\" = 1 ]"
    within 20 sh -c "etcdctl --endpoints $(client n1) member list | grep -q \
        ' n2, $(peer n2),http://$(host n2):2381, http://$(host n2):2378,$(client n2), false'"
    taken() {
        run ctl n1 member add n3 --peer-urls "http://$(host n3):2382,http://$(host n2):2381"
        [[ $output == *"Peer URLs already exists"* ]]
    }
    within 20 taken # Not while too few members have been heard of lately.
    # On a busy machine the answer may come too late, to a change that took effect.
    added() { ctl n1 member add n3 --peer-urls "$(peer n3),http://$(host n3):2381" || voters n1 3; }
    within 60 added
    start_as_etcd n3 --initial-cluster "$all,$(both n3)" --initial-cluster-state existing
    within 60 voters n1 3
    within 20 sh -c "[ \"\$(etcdctl --endpoints http://$(host n3):2378 get first --print-value-only)\" = 1 ]"
    within 20 listed_by_name n1 n3
    id=$(members n1 | awk '$2 == "n3" {sub(/^0+/, "", $1); print $1}') # etcdctl has no leading zeros.
    within 20 "$CORACLE" member update n3 "http://$(host n3):2381,http://$(host n3):2389" --endpoints "$(client n1)"
    within 20 sh -c "etcdctl --endpoints $(client n2) member list | grep -q \
        '$id, started, n3, http://$(host n3):2381,http://$(host n3):2389, '"
    end_member n1 KILL # n2 and n3 go on, though n3 is only at the first of its URLs.
    within 60 ctl n3 put after 1
}

@test "a place in an existing cluster is for one that was added, and has not been running" {
    start_member n1 --initial-cluster "n1=$(peer n1)"
    within 60 ctl n1 put first 1
    start_member n2 --initial-cluster "n1=$(peer n1),n2=$(peer n2)" --initial-cluster-state existing
    within 20 grep -q "the cluster does not list $(peer n2): add it first" n2.log
    [ ! -e n2/raft ]
    ctl n1 member add n2 --peer-urls "$(peer n2)"
    within 60 voters n1 2 # It was waiting for that.
    end_member n2 KILL
    rm -r n2
    run timeout 60 "$CORACLE" server --name n2 --data-dir "$PWD/n2" --disable api,scheduler,controllers \
        --etcd-listen "$(client n2)" --peer-url "$(peer n2)" \
        --initial-cluster "n1=$(peer n1),n2=$(peer n2)" --initial-cluster-state existing
    [ "$status" = 1 ]
    [[ $output == *"has been running, and its data is not here"*"--join"* ]]
}

@test "status goes by who is a member, and not by how many addresses it is given" {
    local all="n1=https://$(host n1):2380,n2=https://$(host n2):2380,n3=https://$(host n3):2380" name
    start_server n1 --initial-cluster "$all"
    within 60 test -s n1/pki/front-proxy-client.crt
    for name in n2 n3; do
        mkdir -p "$name/pki"
        cp n1/pki/{ca.crt,ca.key,sa.key,sa.pub} "$name/pki"
        start_server "$name" --initial-cluster "$all"
    done
    # status_of NAME...: of the members at these addresses, by the certificates of n1.
    status_of() {
        local flags=() member
        for member; do
            flags+=(--server "https://$(host "$member"):6443" --etcd "https://$(host "$member"):2379")
        done
        run "$CORACLE" status --data-dir n1 "${flags[@]}"
    }
    says() { # TEXT NAME...
        local text=$1
        shift
        status_of "$@"
        [[ $output == *"$text"* ]]
    }
    within 60 says "all is well" n1 n2 n3
    within 60 says "all is well" n1
    [ "$status" = 0 ]
    within 60 says "$(host n9):2379 does not answer, and is the address of no member" n1 n2 n3 n8 n9
    [ "$status" = 1 ]
    [[ $output != *majority* ]]
    end_member n2 KILL
    within 60 says "member $(host n2):2379 does not answer" n1 n2 n3 n1
    [[ $output != *majority* ]]
    end_member n3 KILL
    within 60 says "no majority of members answers" n1 n2 n3 n1 n1
}
