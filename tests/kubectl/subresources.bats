# What kubectl writes through subresources: scale, status and ephemeralcontainers.
bats_require_minimum_version 1.5.0
load one_server

setup_file() {
    start_one
    within 20 kubectl get serviceaccount default
}

replicas() { kubectl get "$@" -o 'jsonpath={.spec.replicas}'; }
pods_of() { [ "$(kubectl get pods -l "app=$1" -o name | wc -l)" = "$2" ]; }

@test "deployments are scaled, and only from the size that was named" {
    kubectl create deployment web --image registry.example/web --replicas 1
    kubectl scale deployment web --replicas 3
    [ "$(replicas deployment web)" = 3 ]
    within 10 pods_of web 3
    run ! kubectl scale deployment web --current-replicas 2 --replicas 5
    [[ "$output" == *"Expected replicas to be 2, was 3"* ]]
    kubectl scale deployment web --current-replicas 3 --replicas 0
    within 10 pods_of web 0
    run ! kubectl scale deployment web --replicas -1
    run ! kubectl scale deployment nobody --replicas 1
    [[ "$output" == *'deployments.apps "nobody" not found'* ]]
}

@test "scale is an object of autoscaling/v1, by get, put and patch" {
    kubectl create deployment sized --image registry.example/web --replicas 2
    [ "$(kubectl get deployment sized --subresource scale -o 'jsonpath={.kind}/{.apiVersion}/{.spec.replicas}/{.status.selector}')" = \
        Scale/autoscaling/v1/2/app=sized ]
    kubectl patch deployment sized --subresource scale --type merge -p '{"spec":{"replicas":4}}'
    [ "$(replicas deployment sized)" = 4 ]
    put_scale() { # Again when the Deployment's loop has written between.
        kubectl get deployment sized --subresource scale -o json | sed 's/"replicas": 4/"replicas": 1/' |
            kubectl replace --subresource scale --raw /apis/apps/v1/namespaces/default/deployments/sized/scale -f -
    }
    within 10 put_scale
    [ "$(replicas deployment sized)" = 1 ]
}

@test "stateful sets, replication controllers and custom resources are scaled, too" {
    kubectl apply -f - <<'END'
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  replicas: 1
  serviceName: db
  selector: {matchLabels: {app: db}}
  template: {metadata: {labels: {app: db}}, spec: {containers: [{name: c, image: registry.example/db}]}}
---
apiVersion: v1
kind: ReplicationController
metadata: {name: old}
spec:
  replicas: 1
  template: {metadata: {labels: {app: old}}, spec: {containers: [{name: c, image: registry.example/old}]}}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: fleets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: fleets, kind: Fleet}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {scale: {specReplicasPath: .spec.size, statusReplicasPath: .status.size}}
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: integer}}}}}}
END
    kubectl wait --for=condition=Established crd/fleets.example.com --timeout=60s
    kubectl apply -f - <<<'{"apiVersion":"example.com/v1","kind":"Fleet","metadata":{"name":"f"},"spec":{"size":1}}'
    kubectl scale statefulset/db rc/old fleet/f --replicas 2
    [ "$(replicas statefulset db)$(replicas rc old)$(kubectl get fleet f -o 'jsonpath={.spec.size}')" = 222 ]
}

@test "who may scale may change the size and nothing else" {
    kubectl create role scales --verb get,update,patch --resource deployments/scale
    kubectl create rolebinding scales --role scales --user sizer
    kubectl create deployment guarded --image registry.example/web --replicas 1
    within 5 kubectl patch deployment guarded --subresource scale --as sizer --type merge -p '{"spec":{"replicas":2}}'
    [ "$(replicas deployment guarded)" = 2 ]
    run ! kubectl set image deployment guarded web=registry.example/other --as sizer
}

@test "a pod gets containers for looking into it, which stay as they are" {
    kubectl run watched --image registry.example/web
    kubectl debug watched --image registry.example/tools --container look --attach=false
    [ "$(kubectl get pod watched -o 'jsonpath={.spec.ephemeralContainers[0].name}')" = look ]
    run ! kubectl patch pod watched --subresource ephemeralcontainers --type strategic \
        -p '{"spec":{"ephemeralContainers":[{"name":"look","image":"registry.example/else"}]}}'
    [[ "$output" == *'existing ephemeral containers "look" may not be changed'* ]]
    run ! kubectl patch pod watched --type strategic \
        -p '{"spec":{"ephemeralContainers":[{"name":"second","image":"registry.example/tools"}]}}'
    [[ "$output" == *"pod updates may not change fields other than"* ]]
}

# Resizing a pod in place is behind a feature gate in v1.32, which is off.
@test "pods are not resized" {
    kubectl run fixed --image registry.example/web
    run ! kubectl patch pod fixed --subresource resize --type merge \
        -p '{"spec":{"containers":[{"name":"fixed","resources":{"limits":{"cpu":"1"}}}]}}'
    [[ "$output" == *"the server could not find the requested resource"* ]] || [[ "$output" == *NotFound* ]]
}

# post PATH KIND-AND-MORE: the body of a subresource as people write it by hand.
post() { kubectl create --raw "/api/v1/namespaces/default/$1" -f - <<<"{$2}"; }

@test "an eviction is of the pod in the URL, and may be of the older version" {
    kubectl run goes --image registry.example/web
    run ! post pods/goes/eviction '"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"stays"}'
    [[ "$output" == *"name in URL does not match name in Eviction object"* ]]
    run ! post pods/goes/eviction '"apiVersion":"policy/v2","kind":"Eviction","metadata":{"name":"goes"}'
    kubectl get pod goes
    post pods/goes/eviction '"apiVersion":"policy/v1beta1","kind":"Eviction","metadata":{"name":"goes"}'
    run ! kubectl get pod goes
}

@test "a binding is of the pod in the URL and to a node, at both of its paths" {
    kubectl run bound --image registry.example/web
    run ! post pods/bound/binding '"apiVersion":"v1","kind":"Binding","metadata":{"name":"other"},"target":{"name":"n1"}'
    [[ "$output" == *"name in URL does not match name in Binding object"* ]]
    run ! post bindings '"apiVersion":"v1","kind":"Binding","metadata":{"name":"bound"},"target":{"kind":"Pod","name":"n1"}'
    [[ "$output" == *'target.kind: Unsupported value: "Pod": supported values: "Node", "<empty>"'* ]]
    post bindings '"apiVersion":"v1","kind":"Binding","metadata":{"name":"bound"},"target":{"kind":"Node","name":"n1"}'
    [ "$(kubectl get pod bound -o 'jsonpath={.spec.nodeName}')" = n1 ]
    run ! post pods/bound/binding '"apiVersion":"v1","kind":"Binding","metadata":{"name":"bound"},"target":{"name":"n2"}'
    [[ "$output" == *'Operation cannot be fulfilled on pods/binding "bound": pod bound is already assigned to node "n1"'* ]]
}

@test "a watch ends when it was to, at once for a time below zero, and says with bookmarks where it is up to date" {
    local started=$SECONDS all="/api/v1/namespaces/default/serviceaccounts?watch=1"
    kubectl get --raw "$all&timeoutSeconds=-1" >/dev/null
    kubectl get --raw "$all&timeoutSeconds=9223372037" >/dev/null # Nanoseconds that no int64 holds.
    [ $((SECONDS - started)) -lt 10 ]
    kubectl get --raw "$all&timeoutSeconds=1&allowWatchBookmarks=true" >"$D/watched"
    grep -q '"k8s.io/initial-events-end":"true"' "$D/watched"
    kubectl get --raw "$all&timeoutSeconds=1&allowWatchBookmarks=true&resourceVersion=1" >"$D/watched" || true
    run ! grep -q initial-events-end "$D/watched"
}

@test "numbers of custom objects are integers or 64-bit floats" {
    kubectl apply -f - <<'END'
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: sums.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: sums, kind: Sum}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {i: {type: integer}, f: {type: number}}}}
END
    kubectl wait --for=condition=Established crd/sums.example.com --timeout=60s
    make() { kubectl create --raw /apis/example.com/v1/namespaces/default/sums -f - <<<'{"apiVersion":"example.com/v1","kind":"Sum","metadata":{"name":"'"$1"'"},'"$2"'}'; }
    make kept '"i":1.0,"f":18446744073709551615'
    [ "$(kubectl get --raw /apis/example.com/v1/namespaces/default/sums/kept | grep -oE '"(i|f)":[^,}]*' | sort | tr '\n' ' ')" = '"f":18446744073709552000 "i":1 ' ]
    run ! make large '"i":9007199254740993.0'
    [[ "$output" == *'i in body must be of type integer: "number"'* ]]
    run ! make huge '"f":1e400'
    [[ "$output" == *'cannot unmarshal number 1e400 into Go value of type float64'* ]]
    run ! kubectl patch sum kept --type merge -p '{"f":1e400}'
}

@test "a new pod's affinity selects by the labels that it names" {
    kubectl apply -f - <<'END'
apiVersion: v1
kind: Pod
metadata: {name: near, labels: {app: web, version: "2"}}
spec:
  containers: [{name: c, image: registry.example/web}]
  affinity:
    podAffinity:
      requiredDuringSchedulingIgnoredDuringExecution:
      - {topologyKey: zone, labelSelector: {matchLabels: {app: web}}, matchLabelKeys: [version]}
END
    [ "$(kubectl get pod near -o 'jsonpath={.spec.affinity.podAffinity.*[0].labelSelector.matchExpressions}')" = '[{"key":"version","operator":"In","values":["2"]}]' ]
}
