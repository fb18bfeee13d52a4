# The JSON gateway: the same requests over plain HTTP to us and to etcd, the same answers.
bats_require_minimum_version 1.5.0

setup() { load clusters; }

teardown() { explain_failure; }

# posts SCRIPT: as `same`, with `post PATH BODY [OPTION...]`, which prints the answer and its status. What is asked for has
# to be ordered as in one member, as etcd's followers may be behind.
posts() {
    same '
        post() {
            local path=$1 body=$2
            shift 2
            curl -s -m 20 -w "\n%{http_code}\n" "$@" -X POST "http://${PREFIX}1:2379/v3/$path" -d "$body" |
                sed -E "s/\"(raft_term|TTL|raftTerm)\":\"[0-9]+\"/\"\1\":\"N\"/g"
        }
        '"$1"
}

@test "keys and transactions" {
    posts '
        post kv/put "{\"key\":\"Z3cvYQ==\",\"value\":\"MQ==\"}"
        post kv/put "{\"key\":\"Z3cvYQ==\",\"value\":\"Mg==\",\"prev_kv\":true}"
        post kv/range "{\"key\":\"Z3cvYQ==\"}"
        post kv/range "{\"key\":\"Z3cv\",\"rangeEnd\":\"Z3cw\",\"sort_order\":\"DESCEND\",\"sortTarget\":1,\"limit\":\"5\",\"keys_only\":null}"
        post kv/range "{\"key\":\"Z3cv\",\"range_end\":\"Z3cw\",\"count_only\":true}"
        post kv/txn "{\"compare\":[{\"target\":\"VALUE\",\"key\":\"Z3cvYQ==\",\"value\":\"Mg==\"}],\"success\":[{\"requestRange\":{\"key\":\"Z3cvYQ==\"}},{\"request_put\":{\"key\":\"Z3cvYg==\",\"value\":\"MQ==\"}}]}"
        post kv/txn "{\"compare\":[{\"target\":\"MOD\",\"key\":\"Z3cvYQ==\",\"mod_revision\":\"1\",\"result\":\"LESS\"}],\"failure\":[{\"request_delete_range\":{\"key\":\"Z3cvYg==\",\"prev_kv\":true}}]}"
        post kv/deleterange "{\"key\":\"Z3cv\",\"range_end\":\"Z3cw\",\"prev_kv\":true}"
        post kv/compaction "{\"revision\":\"1000000\"}"
    '
}

@test "what is refused" {
    posts '
        post kv/range "{\"key\":\"Zm9\"}"
        post kv/range "{\"key\":5}"
        post kv/range "{\"sort_order\":\"UP\"}"
        post kv/range "{\"serializable\":\"x\"}"
        post kv/range "{\"key\":"
        post kv/range ""
        post kv/range "[]"
        post kv/range "{} {}"
        post kv/range "{\"key\":\"Zm9v\",\"newer\":[1]}"
        post kv/range "{\"key\":\"Zm9v\"}" -H "Content-Type: text/plain"
        post kv/nope "{}"
        post kv/put/ "{}"
        post kv/put "{}" -X PUT
        post kv/lease/revoke "{\"ID\":\"1\"}"
        post auth/authenticate "{\"name\":\"a\",\"password\":\"b\"}"
    '
}

@test "leases" {
    posts '
        post lease/grant "{\"TTL\":\"600\",\"ID\":\"78787\"}"
        post lease/grant "{\"TTL\":600,\"ID\":78787}"
        post kv/put "{\"key\":\"Z3cvbA==\",\"lease\":\"78787\"}"
        post lease/keepalive "{\"ID\":\"78787\"}{\"ID\":\"99\"} "
        post lease/timetolive "{\"ID\":\"78787\",\"keys\":true}"
        post kv/lease/timetolive "{\"ID\":78787}"
        post lease/leases "{}" | grep -o "{\"ID\":\"78787\"}"
        post lease/revoke "{\"ID\":\"78787\"}"
        post kv/range "{\"key\":\"Z3cvbA==\"}"
    '
}

@test "a watch goes on after its one request" {
    posts '
        revision=$(post kv/put "{\"key\":\"Z3cvdw==\",\"value\":\"MQ==\"}" | grep -o "\"revision\":\"[0-9]*" | grep -o "[0-9]*$")
        watch=$(mktemp)
        curl -s -N -m 60 "http://${PREFIX}1:2379/v3/watch" \
            -d "{\"create_request\":{\"key\":\"Z3cvdw==\",\"start_revision\":\"$revision\"}}" >"$watch" &
        until grep -q "MQ==" "$watch"; do sleep 0.05; done
        post kv/put "{\"key\":\"Z3cvdw==\",\"value\":\"Mg==\"}"
        until grep -q "Mg==" "$watch"; do sleep 0.05; done
        post kv/deleterange "{\"key\":\"Z3cvdw==\"}"
        until grep -q DELETE "$watch"; do sleep 0.05; done
        kill $!
        grep -o "\"created\":true\|\"events\":.*" "$watch"
        rm "$watch"
    '
}

@test "users and tokens" {
    posts '
        post auth/role/add "{\"name\":\"gwr\"}"
        post auth/role/grant "{\"name\":\"gwr\",\"perm\":{\"permType\":\"READWRITE\",\"key\":\"Z3c=\",\"range_end\":\"AA==\"}}"
        post auth/role/get "{\"role\":\"gwr\"}"
        post auth/user/add "{\"name\":\"gwu\",\"password\":\"secret\"}"
        post auth/user/grant "{\"user\":\"gwu\",\"role\":\"gwr\"}"
        post auth/user/get "{\"name\":\"gwu\"}"
        post auth/user/delete "{\"name\":\"gwu\"}"
        post auth/role/delete "{\"role\":\"gwr\"}"
        post auth/role/delete "{\"role\":\"gwr\"}"
    '
}

# Of a size that the queue of a connection does not take at once.
@test "an answer of a hundred megabytes is etcd's" {
    posts '
        body=$(mktemp)
        printf "{\"key\":\"Z3cvYmln\",\"value\":\"%s\"}" "$(head -c 1400000 /dev/zero | base64 -w 0)" >"$body"
        post kv/put "@$body" | grep -c revision
        range="{\"request_range\":{\"key\":\"Z3cvYmln\"}}"
        all=$range
        for i in {2..56}; do all="$all,$range"; done
        curl -s -m 120 -w "%{http_code}\n" -X POST "http://${PREFIX}1:2379/v3/kv/txn" -d "{\"success\":[$all]}" |
            sed -E "s/\"(cluster_id|member_id|revision|raft_term|mod_revision|create_revision|version)\":\"[0-9]+\"//g" |
            md5sum
        post kv/deleterange "{\"key\":\"Z3cvYmln\"}" | grep -c deleted
        rm "$body"
    '
}

@test "a backup by the gateway is the one by gRPC" {
    curl -s -m 60 -X POST "http://${OURS}1:2379/v3/maintenance/snapshot" -d '{}' >"$BATS_TEST_TMPDIR/lines"
    python3 - "$BATS_TEST_TMPDIR/lines" "$BATS_TEST_TMPDIR/backup" <<'END'
import base64, json, sys
with open(sys.argv[2], "wb") as out:
    for line in open(sys.argv[1]):
        out.write(base64.b64decode(json.loads(line)["result"].get("blob", "")))
END
    etcdctl snapshot status "$BATS_TEST_TMPDIR/backup"
}
