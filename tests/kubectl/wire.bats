# What the HTTP surface answers where no client library is between: watches, media types, options of queries, and the
# words of refusals. Each test is the function of its name in wire.py.
load one_server

setup_file() {
    start_one
    within 20 kubectl get serviceaccount default
    kubectl apply -f - <<'END'
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.wire.example}
spec:
  group: wire.example
  scope: Namespaced
  names: {plural: things, kind: Thing}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
END
    kubectl wait --for condition=Established crd/things.wire.example --timeout 60s
    kubectl create -f - <<<'{"apiVersion": "wire.example/v1", "kind": "Thing", "metadata": {"name": "x"}}'
}

answers() { python3 -B "$BATS_TEST_DIRNAME/wire.py" "$HOST" "$D/n1/pki" "${BATS_TEST_DESCRIPTION// /_}"; }

@test "an object is read by its path whatever the query says" {
    answers
}

@test "the old paths of watches are for what can be watched" {
    answers
}

@test "versions that are none are refused alike" {
    answers
}

@test "a watch says in its stream that a version is not there yet" {
    answers
}

@test "a watch comes as messages of a websocket" {
    answers
}

@test "a watch overlooks where a list would go on" {
    answers
}

@test "the end of the initial events brings an empty list" {
    answers
}

@test "tables do not tell where a list ends" {
    answers
}

@test "metadata are in the version that is asked for" {
    answers
}

@test "custom metadata come as protobuf and custom objects do not" {
    answers
}

@test "what is accepted goes by quality and then by how narrow it is" {
    answers
}

@test "answers are indented when that is wished" {
    answers
}

@test "errors come in a form that is accepted whatever is wrong" {
    answers
}

@test "what is short is not compressed" {
    answers
}

@test "options are those of the verb and their faults are told together" {
    answers
}

@test "selectors are refused with the value at fault" {
    answers
}

@test "what was to be tried is not deleted for a body" {
    answers
}

@test "tokens to go on with are read as written" {
    answers
}

@test "a body that is not understood is shown" {
    answers
}

@test "what a log is asked for is checked" {
    answers
}

@test "paths say which methods they have" {
    answers
}

@test "custom objects have a head and built in ones do not" {
    answers
}

@test "a version is no part of what is created" {
    answers
}

@test "media types that are none are refused" {
    answers
}

@test "a patch is told what it says twice" {
    answers
}

@test "who writes is named by its program up to a length" {
    answers
}

@test "a row is asked for as much of an object as there is" {
    answers
}

@test "what is deleted together is listed as a list is" {
    answers
}

@test "ports that are none are refused" {
    answers
}

@test "a token is not bound to what has only the name" {
    answers
}
