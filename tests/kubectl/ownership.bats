# Who owns which fields of an object, as kubectl and its users move between client-side and server-side apply.
bats_require_minimum_version 1.5.0
KUBECTL_HOST=${OWNERSHIP_HOST:-127.0.58.1}
load one_server
load says

# managers TYPE NAME: "manager operation subresource" of its owners, in their order.
managers() {
    kubectl get "$1" "$2" --show-managed-fields \
        -o 'jsonpath={range .metadata.managedFields[*]}{.manager} {.operation} {.subresource}{"\n"}{end}' | sed 's/ $//'
}

# owned MANAGER TYPE NAME: its fields, as JSON.
owned() {
    kubectl get "$2" "$3" --show-managed-fields -o "jsonpath={.metadata.managedFields[?(@.manager==\"$1\")].fieldsV1}"
}

map() { # NAME LABELS DATA
    printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, labels: {%s}}\ndata: {%s}\n' "$@"
}

@test "what kubectl applied as a client it goes on to apply through the server, and what the file drops goes" {
    map moved 'a: "1", b: "2"' 'x: "1", y: "2"' | kubectl apply -f -
    prints managers configmap moved <<<'kubectl-client-side-apply Update'
    map moved 'a: "1"' 'x: "3"' | kubectl apply --server-side -f -
    [ "$(kubectl get configmap moved -o 'jsonpath={.metadata.labels} {.data}')" = '{"a":"1"} {"x":"3"}' ]
    prints managers configmap moved <<'END'
kubectl-last-applied Apply
kubectl Apply
END
    prints owned kubectl configmap moved <<<'{"f:data":{"f:x":{}},"f:metadata":{"f:labels":{"f:a":{}}}}'
    says '"data":\{"x":"3"\}' kubectl get configmap moved \
        -o 'jsonpath={.metadata.annotations.kubectl\.kubernetes\.io/last-applied-configuration}'
    map moved 'a: "1"' '' | kubectl apply -f -
    [ -z "$(kubectl get configmap moved -o 'jsonpath={.data}')" ]
}

@test "who applies under another name, or what somebody else has changed since, meets a conflict" {
    map mine 'a: "1"' 'x: "1"' | kubectl apply -f -
    map mine 'a: "1"' 'x: "2"' | refuses 'conflict with "kubectl-client-side-apply" using v1: .data.x' \
        kubectl apply --server-side --field-manager other -f -
    kubectl patch configmap mine --field-manager editor --type merge -p '{"data":{"x":"9"}}'
    map mine 'a: "1"' 'x: "2"' | refuses 'conflict with "editor" using v1: .data.x' kubectl apply --server-side -f -
    map mine 'a: "1"' 'x: "2"' | kubectl apply --server-side --force-conflicts -f -
    [ "$(kubectl get configmap mine -o 'jsonpath={.data.x}')" = 2 ]
}

@test "owners are cleared by an empty entry, stay so, and come back with the first apply" {
    kubectl create configmap cleared --from-literal x=1
    kubectl patch configmap cleared --type merge -p '{"metadata":{"managedFields":[{}]}}'
    [ -z "$(managers configmap cleared)" ]
    kubectl patch configmap cleared --type merge -p '{"data":{"x":"2"}}'
    [ -z "$(managers configmap cleared)" ]
    map cleared '' 'x: "3"' | refuses 'conflict with "before-first-apply" using v1: .data.x' kubectl apply --server-side -f -
    map cleared '' 'y: "1"' | kubectl apply --server-side -f -
    prints managers configmap cleared <<'END'
kubectl Apply
before-first-apply Update
END
}

@test "kubectl diff --server-side shows what an apply would do, and an apply set prunes what its files drop" {
    map shown 'a: "1"' 'x: "1"' | kubectl apply --server-side -f -
    run -1 --separate-stderr kubectl diff --server-side -f <(map shown 'a: "1"' 'x: "2"')
    grep -qx -- '-  x: "1"' <<<"$output"
    grep -qx -- '+  x: "2"' <<<"$output"
    run -0 kubectl diff --server-side -f <(map shown 'a: "1"' 'x: "1"')
    export KUBECTL_APPLYSET=true
    (map one '' 'x: "1"'; echo ---; map two '' 'x: "1"') | kubectl apply -n default --prune --applyset configmaps/set --server-side -f -
    map one '' 'x: "1"' | says 'configmap/two pruned' kubectl apply -n default --prune --applyset configmaps/set --server-side -f -
    refuses NotFound kubectl get configmap two
    kubectl get configmap one
}

apply_scale() { # NAME REPLICAS [QUERY]: kubectl applies no Scale.
    curl -sS --cacert "$D/n1/pki/ca.crt" --cert "$D/n1/pki/admin.crt" --key "$D/n1/pki/admin.key" -X PATCH \
        -H 'Content-Type: application/apply-patch+yaml' \
        -d "{apiVersion: autoscaling/v1, kind: Scale, metadata: {name: $1}, spec: {replicas: $2}}" \
        "$API/apis/apps/v1/namespaces/default/deployments/$1/scale?fieldManager=applier${3:-}"
}

@test "who scales owns the object's replicas, and who applies them meets him" {
    kubectl create deployment scaled --image i --replicas 0
    kubectl scale deployment scaled --replicas 0
    [ "$(owned kubectl-create deployment scaled | jq -c '."f:spec"."f:replicas"')" = '{}' ]
    kubectl patch deployment scaled --subresource scale --type merge -p '{"spec":{"replicas":1}}' --field-manager scaler
    [ "$(owned scaler deployment scaled)" = '{"f:spec":{"f:replicas":{}}}' ]
    managers deployment scaled | grep -qx 'scaler Update scale'
    [ "$(owned kubectl-create deployment scaled | jq -c '."f:spec"."f:replicas"')" = null ]
    [ "$(apply_scale scaled 2 | jq -r .message)" = \
        'Apply failed with 1 conflict: conflict with "scaler" with subresource "scale" using autoscaling/v1: .spec.replicas' ]
    [ "$(apply_scale scaled 2 '&force=true' | jq -c '[.kind, .spec.replicas, .metadata.managedFields]')" = '["Scale",2,null]' ]
    managers deployment scaled | grep -qx 'applier Apply scale'
    ! managers deployment scaled | grep scaler || false
    [ "$(kubectl get deployment scaled -o 'jsonpath={.spec.replicas}')" = 2 ]
    kubectl get deployment scaled -o json | jq '{apiVersion, kind, metadata: {name: .metadata.name}, spec: {replicas: 3}}' | refuses 'conflict with "applier" with subresource "scale": .spec.replicas' \
        kubectl apply --server-side --field-manager third -f -
}

patched() { kubectl patch deployment patched "$@"; }

@test "a patch makes no other object: neither its namespace, nor its kind, version or types" {
    kubectl create deployment patched --image i --replicas 0
    says 'no change' patched --type merge -p '{"metadata":{"namespace":null}}'
    refuses 'the namespace of the provided object does not match the namespace sent on the request' \
        patched --type merge -p '{"metadata":{"namespace":"other"}}'
    refuses 'no kind "Nothing" is registered for version "apps/v1" in scheme "pkg/api/legacyscheme/scheme.go:30"' \
        patched --type merge -p '{"kind":"Nothing"}'
    refuses 'converting \(v1.StatefulSet\) to \(apps.Deployment\): unknown conversion' \
        patched --type json -p '[{"op":"replace","path":"/kind","value":"StatefulSet"}]'
    refuses 'was undeterminable: name must be provided' patched --type merge -p '{"apiVersion":null}'
    says 'no change' patched --type merge -p '{"kind":null}'
    says 'no change' patched -p '{"kind":"Nothing"}'
    refuses 'patch: Invalid value: "map\[spec:map\[replicas:many\]\]": unrecognized type: int32' \
        patched -p '{"spec":{"replicas":"many"}}'
    refuses 'patch: Invalid value: "map\[metadata:map\[labels:map\[a:1\]\]\]": cannot convert int64 to string' \
        patched -p '{"metadata":{"labels":{"a":1}}}'
    refuses 'patch: Invalid value: "\{.*apiVersion.*replicas.*many.*: json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32' \
        patched --type merge -p '{"spec":{"replicas":"many"}}'
    refuses 'map: map\[image:j\] does not contain declared merge key: name' \
        patched -p '{"spec":{"template":{"spec":{"containers":[{"image":"j"}]}}}}'
    refuses 'metadata.uid: Invalid value: "u": field is immutable' patched --type merge -p '{"metadata":{"uid":"u"}}'
}
