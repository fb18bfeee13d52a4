# Leases, locks and elections: the same commands to us and to etcd, the same output.
bats_require_minimum_version 1.5.0

setup() { load clusters; }

teardown() { explain_failure; }

# Without revisions: the random requests before leave members of etcd 3.4 unlike each other, as users and permissions
# change in them (seen: 1555, 1555 and 1488, where all of ours and its leader were at 1488).
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
        timeout 5 etcdctl --endpoints "${PREFIX}1:2379" lock lock/one >/dev/null 2>&1 &
        sleep 2
        ctl_at 2 lock lock/one sh -c "echo second; exit 3"
        wait
        ctl get lock/ --prefix --count-only -w fields | grep Count
    '
}

@test "an election has one leader, and then the next" {
    same '
        elect() { timeout $1 etcdctl --endpoints "${PREFIX}$2:2379" elect elect/one $3 2>/dev/null; }
        elect 15 1 first >/dev/null &
        until [ -n "$(ctl get elect/ --prefix)" ]; do sleep 0.1; done
        timeout 5 etcdctl --endpoints "${PREFIX}3:2379" elect -l elect/one 2>/dev/null
        wait
        elect 10 2 second
        ctl get elect/ --prefix
    '
}
