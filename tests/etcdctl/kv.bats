# Keys and transactions: the same commands to us and to etcd, the same output.
bats_require_minimum_version 1.5.0

setup() { load clusters; }

teardown() { explain_failure; }

@test "put and get in each of their forms" {
    same '
        ctl put kv/a 1
        ctl put kv/a 2 --prev-kv
        echo from-stdin | ctl put kv/stdin
        ctl put kv/b x -w json
        ctl put kv/c y -w fields
        ctl get kv/a
        ctl get kv/a -w json
        ctl get kv/a -w fields
        ctl get kv/a --print-value-only
        ctl get kv/ --prefix --keys-only
        ctl get kv/ --prefix --count-only -w fields
        ctl get kv/ --prefix --limit 2 -w json
        ctl get kv/a kv/c --order DESCEND
        ctl get kv/ --prefix --sort-by VALUE --order ASCEND
        ctl get kv/ --prefix --sort-by CREATE --order DESCEND -w json
        ctl get kv/ --prefix --sort-by MODIFY --order ASCEND
        ctl get kv/ --prefix --sort-by VERSION --order DESCEND
        ctl get kv/b --from-key -w json
        ctl get kv/a --rev 2 -w json
        ctl get kv/a --consistency s
        ctl_at 2 get kv/a --consistency l -w json
        ctl_at 3 get kv/a --hex
        ctl get none -w json
    '
}

@test "what is refused" {
    same '
        ctl put "" x
        ctl put kv/none --ignore-value
        ctl put kv/none x --ignore-lease
        ctl put kv/a x --lease 1234
        ctl get kv/a --rev 999999
        ctl get
        ctl del
        ctl compact 999999
        ctl get kv/a --sort-by NONSENSE
    '
}

@test "put keeps what it is told to ignore" {
    same '
        lease=$(ctl lease grant 1000 | cut -d" " -f2)
        ctl put kv/leased 1 --lease $lease
        ctl put kv/leased 2 --ignore-lease
        ctl get kv/leased -w json
        ctl put kv/leased --ignore-value --lease 0
        ctl get kv/leased -w json
        ctl lease revoke $lease
        ctl get kv/leased
    '
}

@test "del in each of its forms" {
    same '
        for key in 1 2 3 4 5 6; do ctl put del/$key v$key; done
        ctl del del/1
        ctl del del/2 --prev-kv
        ctl del del/3 -w json
        ctl del del/4 del/6 --prev-kv -w json
        ctl del none
        ctl del del/ --prefix
        ctl put del/x 1
        ctl del del/ --from-key -w json
    '
}

@test "transactions from the standard input" {
    same '
        ctl put txn/k 1
        ctl txn <<<$'"'"'value("txn/k") = "1"\n\nput txn/k 2\nget txn/k\n\nput txn/k 3\n'"'"'
        ctl txn -i <<<$'"'"'mod("txn/k") < "2"\n\nput txn/k 9\n\nget txn/k\ndel txn/k\n'"'"'
        ctl txn -w json <<<$'"'"'create("txn/k") = "0"\nver("txn/k") = "0"\n\nput txn/k "a b"\n\n'"'"'
        ctl txn <<<$'"'"'mod("txn/k") > "0"\n\nget txn/ --prefix\n\n\n'"'"'
        ctl txn <<<$'"'"'\nput txn/k 1\nput txn/k 2\n\n\n'"'"'
        ctl txn <<<$'"'"'\nput txn/k 1\ndel txn/ --prefix\n\n\n'"'"'
        ctl txn <<<$'"'"'nonsense\n\n\n'"'"'
        ctl txn <<<$'"'"'value("txn/k") > "0"\n\ndel txn/k --prev-kv\n\nget txn/k\n'"'"'
    '
}

@test "compaction" {
    same '
        ctl put compact/k 1
        revision=$(ctl get compact/k -w fields | grep "\"Revision\"" | cut -d" " -f3)
        ctl put compact/k 2
        ctl put compact/k 3
        ctl compact $((revision + 1))
        ctl get compact/k --rev $revision
        ctl get compact/k --rev $((revision + 1)) -w json
        ctl compact $revision
        ctl compaction $((revision + 2)) --physical
        ctl get compact/k -w json
        ctl_at 1 endpoint hashkv
        ctl_at 2 endpoint hashkv
        ctl_at 3 endpoint hashkv --rev $((revision + 2))
    '
}
