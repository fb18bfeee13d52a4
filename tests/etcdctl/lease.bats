# Leases, locks and elections: the same commands to us and to etcd, the same output.
bats_require_minimum_version 1.5.0

setup() { load clusters; }

teardown() { explain_failure; }

@test "grant, keep alive, time to live, list, revoke" {
    same '
        ctl lease list
        lease=$(ctl lease grant 500 | cut -d" " -f2)
        ctl_at 2 put lease/a 1 --lease $lease
        ctl_at 3 put lease/b 1 --lease $lease
        ctl lease timetolive $lease
        ctl_at 2 lease timetolive $lease --keys | sed "s/, remaining.*attached/ attached/"
        ctl_at 3 lease keep-alive --once $lease
        ctl lease list | tail -n +2 | wc -l
        ctl del lease/b
        ctl lease timetolive $lease --keys
        ctl_at 2 lease revoke $lease
        ctl get lease/ --prefix
        ctl lease revoke $lease
        ctl lease timetolive $lease
        ctl lease keep-alive --once $lease
        ctl lease timetolive $lease -w json | sed "s/\"revision\":[0-9]*/revision/"
        ctl lease grant 9999999999999
        ctl lease grant x
    '
}

@test "a lock is held by one at a time" {
    same '
        ctl lock lock/one echo inside
        timeout 120 etcdctl --endpoints "${PREFIX}1:2379" lock lock/one >/dev/null 2>&1 &
        holder=$!
        until [ -n "$(ctl get lock/ --prefix)" ]; do sleep 0.1; done
        (until [ "$(ctl get lock/ --prefix --keys-only | grep -c .)" = 2 ]; do sleep 0.1; done
            kill $holder) &
        ctl_at 2 lock lock/one -- sh -c "echo second; exit 3"
        wait
        ctl get lock/ --prefix --keys-only
    '
}

@test "an election has one leader, and then the next" {
    same "$LINES"'
        elect() { timeout 120 etcdctl --endpoints "${PREFIX}$1:2379" elect elect/one $2 2>/dev/null; }
        elect 1 first >/dev/null &
        first=$!
        until [ -n "$(ctl get elect/ --prefix)" ]; do sleep 0.1; done
        lines 2 etcdctl --endpoints "${PREFIX}3:2379" elect -l elect/one
        (until [ "$(ctl get elect/ --prefix --keys-only | grep -c .)" = 2 ]; do sleep 0.1; done
            kill $(pgrep -P $first)) &
        lines 2 etcdctl --endpoints "${PREFIX}2:2379" elect elect/one second
        wait
        until [ -z "$(ctl get elect/ --prefix)" ]; do sleep 0.1; done
    '
}
