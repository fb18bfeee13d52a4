# OpenAPI as kubectl uses it: explain, and the check of what is applied, of built-in and custom kinds.
bats_require_minimum_version 1.5.0
load one_server

# define GROUP PLURAL KIND VERSIONS...: each version is NAME=SCHEMA (JSON).
define() {
    local group=$1 plural=$2 kind=$3 storage=true version
    shift 3
    {
        printf 'apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: %s.%s}\n' \
            "$plural" "$group"
        printf 'spec:\n  group: %s\n  scope: Namespaced\n  names: {plural: %s, kind: %s}\n  versions:\n' \
            "$group" "$plural" "$kind"
        for version in "$@"; do
            printf '  - {name: %s, served: true, storage: %s, schema: {openAPIV3Schema: %s}}\n' \
                "${version%%=*}" "$storage" "${version#*=}"
            storage=false
        done
    } >"$BATS_TEST_TMPDIR/definition.yaml"
    kubectl apply -f "$BATS_TEST_TMPDIR/definition.yaml"
    kubectl wait --for=condition=Established "crd/$plural.$group" --timeout=60s
}

BARS='{"type":"object","description":"A foo.","properties":{"spec":{"type":"object","description":"What it should be.",
"properties":{"bars":{"type":"array","description":"Its bars.","items":{"type":"object","required":["name"],
"properties":{"name":{"type":"string","description":"Of the bar."},"age":{"type":"integer"}}}}}}}}'

explained() { # WORDS -- ARGUMENT...: explain says these words.
    run -0 kubectl explain "${@:2}"
    [[ $output == *"$1"* ]]
}

definitions() { kubectl get --raw /openapi/v2 | grep -o "\"$1\":" | sort -u; }

@test "explain knows every field of a built-in kind" {
    explained "The image to run" pod.spec.containers.image
    explained "maxUnavailable" deployment.spec.strategy.rollingUpdate
}

# CustomResourcePublishOpenAPI: works for CRD with validation schema.
@test "a custom resource is explained as soon as it is served, field by field" {
    define crd1.example.com foos Foo "v1=$BARS"
    explained "A foo." foos
    explained "Its bars." foos.spec
    explained "Of the bar." foos.spec.bars
    explained "-required-" foos.spec.bars
    explained "Of the bar." foos.spec.bars --output plaintext-openapiv2
    run ! kubectl explain foos.spec.nothing
    [[ $output == *'field "nothing" does not exist'* ]]
}

@test "what a custom resource does not allow is refused with the field" {
    define crd2.example.com foos Foo "v1=$BARS"
    run ! kubectl apply -f - <<<'{"apiVersion":"crd2.example.com/v1","kind":"Foo","metadata":{"name":"a"},"spec":{"bars":[{"age":1}]}}'
    [[ $output == *"spec.bars[0].name"* ]]
    run ! kubectl apply -f - <<<'{"apiVersion":"crd2.example.com/v1","kind":"Foo","metadata":{"name":"a"},"spec":{"wrong":1}}'
    [[ $output == *'unknown field "spec.wrong"'* ]]
    kubectl apply -f - <<<'{"apiVersion":"crd2.example.com/v1","kind":"Foo","metadata":{"name":"a"},"spec":{"bars":[{"name":"b"}]}}'
    kubectl apply -f - <<<'{"apiVersion":"crd2.example.com/v1","kind":"Foo","metadata":{"name":"a"},"spec":{"bars":[{"name":"c"}]}}'
}

# CustomResourcePublishOpenAPI: works for CRD preserving unknown fields at the schema root.
@test "a root that keeps unknown fields lets kubectl write any" {
    define crd3.example.com opens Open 'v1={"type":"object","x-kubernetes-preserve-unknown-fields":true}'
    kubectl apply -f - <<<'{"apiVersion":"crd3.example.com/v1","kind":"Open","metadata":{"name":"a"},"any":{"thing":1}}'
    [ "$(kubectl get opens.crd3.example.com a -o 'jsonpath={.any.thing}')" = 1 ]
    explained "VERSION:    v1" opens
}

# CustomResourcePublishOpenAPI: works for CRD preserving unknown fields in an embedded object.
@test "an embedded object that keeps unknown fields has no members that others would be refused beside" {
    define crd4.example.com holders Holder 'v1={"type":"object","properties":{"spec":{"type":"object","description":"Of it.",
"properties":{"inside":{"type":"object","x-kubernetes-embedded-resource":true,"x-kubernetes-preserve-unknown-fields":true}}}}}'
    kubectl apply -f - <<<'{"apiVersion":"crd4.example.com/v1","kind":"Holder","metadata":{"name":"a"},
"spec":{"inside":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"x":1}}}}'
    explained "Of it." holders.spec
    [ "$(kubectl get holder a -o 'jsonpath={.spec.inside.spec.x}')" = 1 ]
}

# CustomResourcePublishOpenAPI: works for multiple CRDs of different groups; of same group but different versions;
# removes definition from spec when one version gets changed to not be served.
@test "several groups and versions are shown side by side, and a version that is served no more goes" {
    define crd5.example.com foos Foo "v1=$BARS"
    define crd6.example.com foos Foo "v2=$BARS" "v3=$BARS"
    [ "$(definitions 'com.example.crd[56].v[0-9].Foo' | wc -l)" = 3 ]
    kubectl patch crd foos.crd6.example.com --type json -p '[{"op":"replace","path":"/spec/versions/1/served","value":false}]'
    [ "$(definitions 'com.example.crd[56].v[0-9].Foo' | tr -d '\n')" = '"com.example.crd5.v1.Foo":"com.example.crd6.v2.Foo":' ]
    run ! kubectl get --raw /openapi/v3/apis/crd6.example.com/v3
    kubectl delete crd foos.crd6.example.com
    [ "$(definitions 'com.example.crd[56].v[0-9].Foo' | tr -d '\n')" = '"com.example.crd5.v1.Foo":' ]
}

# Both versions, with and without custom kinds, of groups and of what is no resource.
@test "generators of clients find every path, with its operations, parameters and answers" {
    define crd8.example.com foos Foo "v1=$BARS"
    local path
    for path in $(kubectl get --raw /openapi/v3 | grep -o '"serverRelativeURL":"[^"?]*' | cut -d'"' -f4); do
        kubectl get --raw "$path" | python3 -B "$BATS_TEST_DIRNAME/openapi_shape.py"
    done
    kubectl get --raw /openapi/v2 >"$BATS_TEST_TMPDIR/v2.json"
    python3 -B "$BATS_TEST_DIRNAME/openapi_shape.py" <"$BATS_TEST_TMPDIR/v2.json"
    for path in /version/ /apis/apps/ /api/v1/watch/pods \
        '/apis/crd8.example.com/v1/namespaces/{namespace}/foos/{name}'; do
        grep -qF "\"$path\":{" "$BATS_TEST_TMPDIR/v2.json"
    done
    kubectl delete crd foos.crd8.example.com
    run ! grep -F crd8.example.com <(kubectl get --raw /openapi/v2)
}

# headers PATH [OPTION...]: status and headers of the answer, one a line.
headers() {
    curl -s -m 60 --cacert "$D/n1/pki/ca.crt" --cert "$D/n1/pki/admin.crt" --key "$D/n1/pki/admin.key" \
        -o /dev/null -D - "${@:2}" "$API$1" | tr -d '\r'
}

@test "a document is sent once: by its ETag it is not sent again, by its hash it may be kept" {
    define crd7.example.com foos Foo "v1=$BARS"
    local path url etag
    for path in apis/crd7.example.com/v1 apis/apps/v1; do
        url=$(kubectl get --raw /openapi/v3 | grep -o "/openapi/v3/$path?hash=[0-9A-F]*")
        etag="\"${url#*=}\""
        headers "$url" | grep -q '^cache-control: public, immutable'
        [[ $(headers "/openapi/v3/$path" -H "If-None-Match: $etag" | head -n 1) == *" 304"* ]]
        headers "/openapi/v3/$path?hash=0" | grep -q "^location: $url"
    done
    etag=$(headers /openapi/v2 | sed -n 's/^etag: //p')
    [[ $(headers /openapi/v2 -H "If-None-Match: $etag" | head -n 1) == *" 304"* ]]
    kubectl delete crd foos.crd7.example.com
    [[ $(headers /openapi/v2 -H "If-None-Match: $etag" | head -n 1) == *" 200"* ]]
}
