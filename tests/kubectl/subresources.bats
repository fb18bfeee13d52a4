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
    kubectl get deployment sized --subresource scale -o json | sed 's/"replicas": 4/"replicas": 1/' |
        kubectl replace --subresource scale --raw /apis/apps/v1/namespaces/default/deployments/sized/scale -f -
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
