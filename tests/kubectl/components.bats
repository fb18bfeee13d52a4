# ComponentStatus: what the server says of the parts of the control plane. This one runs no scheduler.
bats_require_minimum_version 1.5.0
load one_server

@test "parts that work and parts that are not there are told apart" {
    run -0 --separate-stderr kubectl get componentstatuses --no-headers
    [[ "$output" =~ controller-manager\ +Healthy\ +ok ]]
    [[ "$output" =~ etcd-0\ +Healthy\ +ok ]]
    [[ "$output" =~ scheduler\ +Unhealthy\ +this\ member\ runs\ none ]]
    [[ "$stderr" == *"ComponentStatus is deprecated"* ]]
}

@test "one of them is shown by its name, in every form" {
    [ "$(kubectl get cs etcd-0 -o 'jsonpath={.conditions[0].status}')" = True ]
    kubectl get cs -o name | grep -qx componentstatus/scheduler
    kubectl describe cs etcd-0 | grep -q 'Healthy'
    [ "$(kubectl get cs --field-selector metadata.name=etcd-0 -o name)" = componentstatus/etcd-0 ]
    [ -z "$(kubectl get cs -l a=b -o name)" ]
    run ! kubectl get cs nothing
    [[ "$output" == *'componentstatuses "nothing" not found'* ]]
    run ! kubectl delete cs etcd-0
}
