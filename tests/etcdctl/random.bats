# Requests chosen by chance. After everything that compares the clusters with etcdctl: while users and permissions change,
# members of etcd 3.4 come to differ among themselves (seen: revisions 1555, 1555 and 1488, where all of ours and its
# leader were at 1488).
bats_require_minimum_version 1.5.0

setup() { load clusters; }

teardown() { explain_failure; }

@test "random requests are answered alike, field by field, and watches told alike" {
    # A follower of etcd 3.4 asks its leader about leases, which may not have applied what the follower has.
    leader=$(etcdctl --endpoints "${THEIRS}1:2379,${THEIRS}2:2379,${THEIRS}3:2379" endpoint status |
        grep ', true, ' | cut -d, -f1)
    for seed in 1 2 3; do
        "$BUILD/tests/etcdctl/etcd_differential" "${OURS}1:2379" "$leader" $seed 2000
    done
}
