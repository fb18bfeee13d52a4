# Control loops act under names of their own: what they write says so, admission sees them, and roles bind them.
bats_require_minimum_version 1.5.0
load one_server

setup_file() {
    start_one
    within 20 kubectl get serviceaccount default
}

pods_of() { [ "$(kubectl get pods -l "app=$1" -o name | wc -l)" = "$2" ]; }
sets_of() { [ "$(kubectl get replicasets -l "app=$1" -o name | wc -l)" = "$2" ]; }

@test "fields that a control loop owns are kube-controller-manager's" {
    kubectl create deployment web --image registry.example/web --replicas 1
    within 10 pods_of web 1
    [ "$(kubectl get replicasets -l app=web --show-managed-fields \
        -o 'jsonpath={.items[0].metadata.managedFields[0].manager}')" = kube-controller-manager ]
}

@test "admission sees the account of the loop" {
    kubectl apply -f - <<'END'
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: only-sets}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  validations:
  - expression: request.userInfo.username == "system:serviceaccount:kube-system:replicaset-controller"
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: only-sets}
spec: {policyName: only-sets, validationActions: [Deny]}
END
    within 10 eval '! kubectl run probe --image registry.example/web --dry-run=server'
    kubectl create deployment seen --image registry.example/web --replicas 2
    within 10 pods_of seen 2
    kubectl delete validatingadmissionpolicybinding,validatingadmissionpolicy only-sets
}

@test "a loop may do what its role allows, and no more" {
    kubectl annotate --overwrite clusterrole system:controller:deployment-controller \
        rbac.authorization.kubernetes.io/autoupdate=false
    kubectl get clusterrole system:controller:deployment-controller -o json >"$D/role.json"
    kubectl patch clusterrole system:controller:deployment-controller --type json -p '[{"op":"replace","path":"/rules","value":[]}]'
    within 10 eval '[ "$(kubectl auth can-i create replicasets.apps \
        --as system:serviceaccount:kube-system:deployment-controller)" = no ]'
    kubectl create deployment bound --image registry.example/web --replicas 1
    sleep 1
    sets_of bound 0
    kubectl replace -f <(sed '/"resourceVersion"/d' "$D/role.json")
    within 30 pods_of bound 1
}
