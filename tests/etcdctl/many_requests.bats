# Requests by chance, and those at the edges of what is allowed, one by one. After the files that compare what is there:
# members of etcd 3.4 are unlike each other afterwards, as users and permissions change in them (seen: revisions 1555,
# 1555 and 1488, where all of ours and its leader were at 1488). Before those that write to one side only.
bats_require_minimum_version 1.5.0

setup() { load clusters; }

teardown() { explain_failure; }

@test "random requests are answered alike, field by field, and watches told alike" {
    # A follower of etcd 3.4 asks its leader about leases, which may not have applied what the follower has.
    # Some of what is asked only a leader answers.
    leader_of() {
        etcdctl --endpoints "${1}1:2379,${1}2:2379,${1}3:2379" endpoint status | grep ', true, ' | cut -d, -f1
    }
    # Of keys that were bound to leases before, HashKV would tell the leases' ids, which each chose by itself.
    local net leader revision
    for net in "$OURS" "$THEIRS"; do
        leader=$(leader_of "$net")
        revision=$(etcdctl --endpoints "$leader" get x -w fields | grep '"Revision"' | cut -d' ' -f3)
        etcdctl --endpoints "$leader" compact --physical "$revision"
    done
    for seed in 1 2 3; do
        "$BUILD/tests/etcdctl/etcd_differential" "$(leader_of "$OURS")" "$(leader_of "$THEIRS")" $seed 2000
    done
}
