#!/usr/bin/env bats
# Losing the quorum for good, and coming back from it.
load servers

@test "one survivor becomes the cluster, the others come back empty, and nothing acknowledged there is lost" {
    all="n1=$(peer n1),n2=$(peer n2),n3=$(peer n3)"
    for name in n1 n2 n3; do start_member $name --initial-cluster "$all" --snapshot-entries 100; done
    within 60 ctl n1 put first 1
    fill n1
    for i in $(seq 80); do ctl n1 put "more/$i" "$i" >/dev/null; done
    ctl n1 put last write
    before=$(contents n1)
    old=$(cluster_id n1)

    run "$CORACLE" recover --data-dir "$PWD/n1"
    [ "$status" = 1 ]
    [[ $output == *"a server runs on it"* ]]
    end_member n1 TERM
    run "$CORACLE" recover --data-dir "$PWD/n1"
    [ "$status" = 1 ]
    [[ $output == *"the quorum is not lost: 3 of 3"* ]]
    end_member n2 KILL
    run "$CORACLE" recover --data-dir "$PWD/n1"
    [ "$status" = 1 ]
    [[ $output == *"the quorum is not lost: 2 of 3"* ]]
    end_member n3 KILL
    "$CORACLE" recover --data-dir "$PWD/n1"

    start_member n1 --initial-cluster "$all"
    within 60 voters n1 1
    [ "$(cluster_id n1)" != "$old" ]
    [ "$(contents n1)" = "$before" ]
    [ "$(ctl n1 put after 1)" = OK ]

    start_member n2 --initial-cluster "$all" # With its old data: not let in, and without a quorum.
    within 60 grep -q "not of this cluster" n1.log
    run ctl n2 --command-timeout=2s put lost 1
    [ "$status" != 0 ]
    end_member n2 KILL

    rm -r n2/raft n3/raft
    start_member n2 --join "$(client n1)"
    start_member n3 --join "$(client n1)"
    within 60 voters n1 3
    [ "$(contents n3)" = "$(contents n1)" ]
    [ -z "$(ctl n3 get lost)" ]
    end_member n1 KILL
    within 60 ctl n2 put "without n1" 1
    [ -d "$(echo n1/raft-before-*)" ]
}

@test "a directory without a member, or with a damaged one, is left as it is" {
    run "$CORACLE" recover --data-dir "$PWD/none"
    [ "$status" = 1 ]
    [[ $output == *"cannot find $PWD/none: No such file or directory; give the data directory of the member that is left"* ]]
    mkdir -p empty
    run "$CORACLE" recover --data-dir "$PWD/empty"
    [ "$status" = 1 ]
    [[ $output == *"cannot find $PWD/empty/raft: No such file"* ]]
    [ -z "$(ls -A empty)" ] # It may be somebody else's.
    mkdir -p empty/raft
    run "$CORACLE" recover --data-dir "$PWD/empty"
    [ "$status" = 1 ]
    [[ $output == *"raft-meta"* ]]
    start_member n1 --initial-cluster "n1=$(peer n1)"
    within 60 ctl n1 put first 1
    end_member n1 TERM
    printf 'xxxxxxxxxxxxxxxxxxxx' | dd of=n1/raft/raft-meta bs=1 conv=notrunc status=none
    printf 'xxxxxxxxxxxxxxxxxxxx' | dd of=n1/raft/raft-meta bs=1 seek=8192 conv=notrunc status=none
    run "$CORACLE" recover --data-dir "$PWD/n1"
    [ "$status" = 1 ]
    [[ $output == *"damaged"* ]]
    [ -z "$(ls -d n1/raft-* 2>/dev/null)" ]
}
