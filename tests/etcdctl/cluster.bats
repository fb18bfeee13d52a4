# The cluster: members, endpoints, alarms, users. The same commands to us and to etcd, the same output.
bats_require_minimum_version 1.5.0

setup() { load clusters; }

teardown() { explain_failure; }

@test "members" {
    sleep 6 # etcd takes no member before all have been connected for 5 s.
    same '
        ctl member list | cut -d, -f2- | sort
        ctl member list -w json | grep -o "\"peerURLs\":\[[^]]*\]" | sort
        ctl member add m5 --peer-urls http://127.0.34.93:1,http://${PREFIX}2:2380
        ctl_at 3 member add m5 --peer-urls http://${PREFIX}3:2380 --learner
        ctl member add m4 --peer-urls http://127.0.34.98:1 | grep -v ETCD_INITIAL_CLUSTER=
        id=$(ctl member list | grep 34.98: | cut -d, -f1)
        ctl_at 2 member update $id --peer-urls http://${PREFIX}1:2380
        ctl member update $id --peer-urls http://127.0.34.97:1
        ctl_at 2 member list | cut -d, -f2- | sort
        ctl member update $id --peer-urls http://127.0.34.97:2,http://127.0.34.99:1
        ctl member list | cut -d, -f2- | sort
        ctl member remove $id
        ctl member remove $id
        ctl member promote 1234
        ctl member update 1234 --peer-urls http://127.0.34.96:1
        ctl_at 2 member add m5 --learner --peer-urls http://127.0.34.95:1 | grep -v ETCD_INITIAL_CLUSTER=
        ctl member add m6 --learner --peer-urls http://127.0.34.94:1
        id=$(ctl member list | grep 34.95: | cut -d, -f1)
        ctl member list | cut -d, -f2- | sort
        ctl member promote $id
        ctl_at 3 member remove $id
        ctl member list | cut -d, -f2- | sort
        ctl member list -w table | wc -l
    '
}

@test "a voter that was promoted by mistake, a member that is none" {
    same '
        id=$(ctl member list | head -1 | cut -d, -f1)
        ctl member promote $id
    '
}

@test "endpoints" {
    same '
        ctl endpoint health
        ctl endpoint health --cluster | sort
        ctl endpoint status -w json | sed "s/,\"dbSize.*//; s/,\"leader.*//; s/\"version\":\"[^\"]*\"//"
        ctl endpoint status --cluster | wc -l
        ctl endpoint hashkv
        ctl endpoint hashkv --cluster | cut -d" " -f2 | uniq | wc -l
        ctl defrag
        ctl defrag --cluster | sort
        ctl alarm list
        ctl alarm disarm
    '
}

@test "users, roles and permissions" {
    same '
        ctl role add reader
        ctl role add reader
        ctl role grant-permission reader read auth/a
        ctl role grant-permission reader readwrite auth/b --prefix
        ctl role get reader
        ctl role list
        ctl user add alice:secret
        ctl user add alice:secret
        ctl user add bob --no-password
        ctl user grant-role alice reader
        ctl user grant-role alice none
        ctl user get alice
        ctl user get alice --detail
        ctl user list
        ctl auth enable
        ctl user add root:toor
        ctl auth enable
        ctl user grant-role root root
        ctl auth enable
        ctl put auth/a 1
        ctl --user root:toor put auth/a 1
        ctl --user alice:secret get auth/a
        ctl --user alice:secret put auth/a 2
        ctl_at 2 --user alice:secret put auth/b/1 2
        ctl_at 3 --user alice:secret get auth/b/1
        ctl --user alice:wrong get auth/a
        ctl --user nobody:x get auth/a
        ctl --user alice:secret user list
        ctl --user root:toor user passwd alice --interactive=false <<<other
        ctl --user alice:other get auth/a
        ctl --user root:toor role revoke-permission reader auth/a
        ctl --user alice:other get auth/a
        ctl --user root:toor user revoke-role alice reader
        ctl --user root:toor user delete alice
        ctl --user root:toor user delete bob
        ctl --user root:toor role delete reader
        ctl --user root:toor auth disable
        ctl get auth/a
        ctl user delete root
        ctl role delete root
        ctl user list
        ctl role list
    '
}
