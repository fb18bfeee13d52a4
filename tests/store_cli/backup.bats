#!/usr/bin/env bats
# Backups: made and taken over by our tools and by etcd's, in all four directions.
load servers

same_history() { # A B: every revision from the compaction on reads the same.
    local revision
    for revision in 20 25 30 38 41 44; do
        [ "$(ctl "$1" get '' --prefix --rev $revision | sha256sum)" = \
            "$(ctl "$2" get '' --prefix --rev $revision | sha256sum)" ]
    done
    run ctl "$2" get key/1 --rev 19
    [[ $output == *"required revision has been compacted"* ]]
}

@test "etcd restores and serves a backup that etcdctl took from us" {
    start_member n1 --initial-cluster "n1=$(peer n1)"
    within 60 ctl n1 put first 1
    lease=$(fill n1)
    ctl n1 snapshot save backup.db
    run etcdctl snapshot status backup.db
    [ "$(cut -d, -f2 <<<"$output")" = " 46" ]
    etcdctl snapshot restore backup.db --data-dir etcd --name e1 --initial-cluster "e1=$(peer n9)" \
        --initial-advertise-peer-urls "$(peer n9)"
    start_etcd etcd
    within 60 ctl n9 get first
    [ "$(contents n1)" = "$(contents n9)" ]
    same_history n1 n9
    [[ $(ctl n9 lease timetolive "$lease" --keys) == *"granted with TTL(3600s)"*"attached keys([leased])" ]]
    [ "$(ctl n9 put more 1)" = OK ]
}

@test "we restore and serve a backup of etcd, and say the same of it" {
    start_etcd etcd
    within 60 ctl n9 put first 1
    lease=$(fill n9)
    "$CORACLE" snapshot save backup.db --endpoints "$(client n9)"
    [ "$("$CORACLE" snapshot status backup.db --json)" = "$(etcdctl snapshot status backup.db -w json)" ]
    "$CORACLE" snapshot restore backup.db --data-dir "$PWD/n1" --name n1 --peer-url "$(peer n1)"
    start_member n1
    within 60 ctl n1 get first
    [ "$(contents n1)" = "$(contents n9)" ]
    same_history n9 n1
    [[ $(ctl n1 lease timetolive "$lease" --keys) == *"granted with TTL(3600s)"*"attached keys([leased])" ]]
    [ "$(ctl n1 put more 1)" = OK ]
}

@test "three members restored apart are one new cluster; an old one stays out" {
    all="n1=$(peer n1),n2=$(peer n2),n3=$(peer n3)"
    for name in n1 n2 n3; do start_member $name --initial-cluster "$all"; done
    within 60 ctl n1 put first 1
    fill n1
    "$CORACLE" snapshot save backup.db --endpoints "$(client n2)"
    before=$(contents n1)
    old=$(cluster_id n1)
    for name in n1 n2 n3; do end_member $name TERM; done
    for name in n1 n2 n3; do
        mv $name old-$name
        "$CORACLE" snapshot restore backup.db --data-dir "$PWD/$name" --name $name \
            --peer-url "$(peer $name)" --initial-cluster "$all"
    done
    mv n3 new-n3 && mv old-n3 n3 # It comes with the data of the cluster before.
    for name in n1 n2 n3; do start_member $name; done
    within 60 ctl n1 get first
    new=$(cluster_id n1)
    [ "$new" != "$old" ]
    [ "$(contents n1)" = "$before" ]
    within 60 grep -q "not of this cluster" n1.log
    run ctl n3 --command-timeout=2s put lost 1
    [ "$status" != 0 ]
    end_member n3 KILL
    rm -r n3 && mv new-n3 n3
    start_member n3
    within 60 ctl n3 get first
    [ "$(cluster_id n3)" = "$new" ]
    [ "$(contents n3)" = "$before" ]
    [ -z "$(ctl n3 get lost)" ]
}

@test "users, passwords and permissions go along, both ways" {
    start_member n1 --initial-cluster "n1=$(peer n1)"
    within 60 ctl n1 put first 1
    ctl n1 user add root:secret
    ctl n1 user grant-role root root || { ctl n1 role add root && ctl n1 user grant-role root root; }
    ctl n1 role add reader
    ctl n1 role grant-permission reader read k l
    ctl n1 user add alice:hers
    ctl n1 user grant-role alice reader
    ctl n1 put k 1
    ctl n1 auth enable
    run "$CORACLE" snapshot save refused.db --endpoints "$(client n1)" --user alice:hers
    [ "$status" = 1 ]
    [[ $output == *"permission denied"* ]]
    "$CORACLE" snapshot save ours.db --endpoints "$(client n1)" --user root:secret
    etcdctl snapshot restore ours.db --data-dir etcd --name e1 --initial-cluster "e1=$(peer n9)" \
        --initial-advertise-peer-urls "$(peer n9)"
    start_etcd etcd
    within 60 ctl n9 --user root:secret get k
    [ "$(ctl n9 --user alice:hers get k --print-value-only)" = 1 ]
    run ctl n9 --user alice:hers put k 2
    [[ $output == *"permission denied"* ]]
    ctl n9 --user root:secret user add bob:his
    ctl n9 --user root:secret snapshot save theirs.db
    "$CORACLE" snapshot restore theirs.db --data-dir "$PWD/n2" --name n2 --peer-url "$(peer n2)"
    start_member n2
    within 60 ctl n2 --user root:secret get k
    [ "$(ctl n2 --user alice:hers get k --print-value-only)" = 1 ]
    run ctl n2 --user alice:hers put k 2
    [[ $output == *"permission denied"* ]]
    run ctl n2 --user alice:wrong get k
    [[ $output == *"authentication failed"* ]]
    run ctl n2 --user bob:his get k
    [[ $output == *"permission denied"* ]]
    run ctl n2 get k
    [ "$status" != 0 ]
}

@test "a backup is complete while writers go on" {
    start_member n1 --initial-cluster "n1=$(peer n1)"
    within 60 ctl n1 put first 1
    fill n1
    (while [ ! -e enough ]; do ctl n1 put busy "$RANDOM" >/dev/null; done) 3>&- &
    writer=$!
    for i in 1 2 3; do
        "$CORACLE" snapshot save backup-$i.db --endpoints "$(client n1)"
        etcdctl snapshot status backup-$i.db
    done
    touch enough
    wait $writer
    [ "$(ls ./*.part 2>/dev/null)" = "" ]
}

@test "damaged, foreign and existing files are refused" {
    start_member n1 --initial-cluster "n1=$(peer n1)"
    within 60 ctl n1 put first 1
    fill n1
    "$CORACLE" snapshot save good.db --endpoints "$(client n1)"
    restore() { "$CORACLE" snapshot restore "$1" --data-dir "$PWD/r" --name r --peer-url "$(peer n8)" "${@:2}"; }

    cp good.db bad.db
    printf y | dd of=bad.db bs=1 seek=30000 conv=notrunc status=none
    run restore bad.db
    [ "$status" = 1 ]
    [[ $output == *"its hash does not match"* ]]
    head -c 20000 good.db >cut.db
    run restore cut.db --skip-hash-check
    [ "$status" = 1 ]
    [[ $output == *"cut off"* ]]
    head -c -32 good.db >bare.db
    run restore bare.db
    [ "$status" = 1 ]
    [[ $output == *"--skip-hash-check"* ]]
    run restore servers.bash
    [ "$status" = 1 ]
    [ ! -e r/raft ]
    restore bare.db --skip-hash-check
    run restore good.db
    [ "$status" = 1 ]
    [[ $output == *"exists"* ]]
    run "$CORACLE" snapshot save /nowhere/x.db --endpoints "$(client n1)"
    [ "$status" = 1 ]
    run "$CORACLE" snapshot save none.db --endpoints "$(client n7)"
    [ "$status" = 1 ]
    [ ! -e none.db ]
    [ ! -e none.db.part ]
}
