# What people are shown of pods, their containers, workloads and events in each state that these can be in. Nothing runs
# here: what a node's agent or a controller would say in the status is written by hand.
bats_require_minimum_version 1.5.0
KUBECTL_HOST=${STATES_HOST:-127.0.59.1}
load one_server
load says

setup_file() {
    start_one
    within 20 kubectl get serviceaccount default
    kubectl create -f - <<<'{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}'
}

ago() { date -u -d "-$1" +%Y-%m-%dT%H:%M:%SZ; }

status() { kubectl patch "$1" --subresource status --type merge -p "{\"status\": $2}"; } # TYPE/NAME STATUS

# has FILE: it has each of the lines that come in, whatever the spaces.
has() {
    local line
    while read -r line; do
        grep -qE "^$line\$" <(sed -E 's/ +/ /g; s/^ //; s/ $//' "$1") || { echo "no line: $line"; cat "$1"; return 1; }
    done
}

# pod NAME PHASE CONTAINER-STATUSES [RESTART-POLICY [INIT-CONTAINER-STATUSES [MORE-STATUS]]]: it has the containers a and b,
# and the init containers i and j where there are statuses of them.
pod() {
    local init=
    [ -z "${5-}" ] || init='"initContainers": [{"name": "i", "image": "x"}, {"name": "j", "image": "x"}],'
    kubectl create -f - <<<'{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "'"$1"'"}, "spec": {"nodeName": "n1", '"$init"'
        "restartPolicy": "'"${4:-Always}"'", "containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "x"}]}}'
    status "pod/$1" '{"phase": "'"$2"'", "containerStatuses": ['"$3"'], "initContainerStatuses": ['"${5-}"']'"${6-}"'}'
}

# container NAME READY RESTARTS STATE [LAST-STATE]
container() {
    echo '{"name": "'"$1"'", "image": "x", "imageID": "docker.io/x@sha256:1", "containerID": "containerd://1", "ready": '"$2"',
        "restartCount": '"$3"', "state": {'"$4"'}, "lastState": {'"${5-}"'}}'
}

waits() { echo '"waiting": {"reason": "'"$1"'"}'; }
over() { echo '"terminated": {"exitCode": '"$1"', "reason": "'"$2"'", "startedAt": "'"$(ago '4 days')"'", "finishedAt": "'"$(ago '3 days')"'"}'; }

@test "each state of a pod has its word, and restarts say when the last one was" {
    local runs='"running": {"startedAt": "'"$(ago '3 days')"'"}' made
    made=$(waits ContainerCreating)
    pod twice Running "$(container a true 1 "$runs" "$(over 0 Completed)"), $(container b true 1 "$runs" "$(over 0 Completed)")"
    pod once Running "$(container a true 0 "$runs"), $(container b false 0 "$runs")"
    pod crash Running "$(container a false 2 "$(waits CrashLoopBackOff)" "$(over 137 Error)"), $(container b true 0 "$runs")"
    pod pulls Pending "$(container a false 0 "$(waits ErrImagePull)"), $(container b false 0 "$made")"
    pod backs Pending "$(container a false 0 "$(waits ImagePullBackOff)"), $(container b false 0 "$made")"
    pod makes Pending "$(container a false 0 "$made"), $(container b false 0 "$made")"
    pod done Succeeded "$(container a false 0 "$(over 0 Completed)"), $(container b false 0 "$(over 0 Completed)")" Never
    pod failed Failed "$(container a false 0 "$(over 1 Error)"), $(container b false 0 "$(over 0 Completed)")" Never
    pod coded Failed "$(container a false 0 '"terminated": {"exitCode": 3}')" Never
    pod killed Failed "$(container a false 0 "$(over 137 OOMKilled)")" Never
    pod gated Pending "" Always "$(container i false 0 "$runs")"
    pod second Pending "" Always "$(container i true 0 "$(over 0 Completed)"), $(container j false 0 "$runs")"
    pod loops Pending "" Always "$(container i false 3 "$(waits CrashLoopBackOff)")"
    pod wrong Pending "" Never "$(container i false 0 "$(over 1 Error)")"
    pod begins Pending "$(container a false 0 "$(waits PodInitializing)"), $(container b false 0 "$(waits PodInitializing)")" Always \
        "$(container i true 0 "$(over 0 Completed)"), $(container j true 0 "$(over 0 Completed)")"
    pod evicted Failed "" Always "" ', "reason": "Evicted"'
    kubectl get pods -o wide >"$D/pods"
    has "$D/pods" <<'END'
NAME READY STATUS RESTARTS AGE IP NODE NOMINATED NODE READINESS GATES
twice 2/2 Running 2 \(3d ago\) [0-9]+s <none> n1 <none> <none>
once 1/2 Running 0 .*
crash 1/2 CrashLoopBackOff 2 \(3d ago\) .*
pulls 0/2 ErrImagePull 0 .*
backs 0/2 ImagePullBackOff 0 .*
makes 0/2 ContainerCreating 0 .*
done 0/2 Completed 0 .*
failed 0/2 Error 0 .*
coded 0/2 ExitCode:3 0 .*
killed 0/2 OOMKilled 0 .*
gated 0/2 Init:0/2 0 .*
second 0/2 Init:1/2 0 .*
loops 0/2 Init:CrashLoopBackOff 3 .*
wrong 0/2 Init:Error 0 .*
begins 0/2 PodInitializing 0 .*
evicted 0/2 Evicted 0 .*
END
    [ "$(kubectl get pods --field-selector status.phase=Failed -o name | xargs)" = "pod/coded pod/evicted pod/failed pod/killed" ]
    kubectl describe pod crash >"$D/crash"
    has "$D/crash" <<'END'
Status: Running
Container ID: containerd://1
Image ID: docker.io/x@sha256:1
State: Waiting
Reason: CrashLoopBackOff
Last State: Terminated
Reason: Error
Exit Code: 137
Restart Count: 2
State: Running
Ready: True
Ready: False
END
    kubectl delete pods --all --force --grace-period=0 2>/dev/null
}

@test "a pod of a node is Terminating until the node says that it has ended, or somebody forces it" {
    pod leaves Running ''
    says '^pod "leaves" deleted$' kubectl delete pod leaves --wait=false
    says '^leaves +0/2 +Terminating +0 ' kubectl get pod leaves
    says '^Status: +Terminating ' kubectl describe pod leaves
    says '^Termination Grace Period: +30s$' kubectl describe pod leaves
    refuses 'timed out waiting for the condition' kubectl wait --for=delete pod/leaves --timeout 1s
    says '^pod "leaves" force deleted$' kubectl delete pod leaves --force --grace-period=0
    refuses '^Error from server \(NotFound\): pods "leaves" not found$' kubectl get pod leaves
    kubectl run free --image x
    says '^pod "free" deleted$' kubectl delete pods --all # Nobody has it.
}

# event NAME TYPE REASON COUNT: about the pod seen.
event() {
    kubectl create -f - <<<'{"apiVersion": "v1", "kind": "Event", "metadata": {"name": "'"$1"'"}, "type": "'"$2"'", "reason": "'"$3"'",
        "message": "said of it", "count": '"$4"', "firstTimestamp": "'"$(ago '5 days')"'", "lastTimestamp": "'"$(ago '3 days')"'",
        "source": {"component": "kubelet", "host": "n1"}, "involvedObject": {"apiVersion": "v1", "kind": "Pod", "name": "seen",
        "namespace": "default", "fieldPath": "spec.containers{a}", "uid": "'"$(kubectl get pod seen -o 'jsonpath={.metadata.uid}')"'"}}'
}

@test "events say how often, since when, and whose they are" {
    kubectl run seen --image x
    event e1 Normal Pulled 1
    event e2 Warning Unhealthy 3
    kubectl describe pod seen >"$D/seen"
    has "$D/seen" <<'END'
Type Reason Age From Message
Normal Pulled 5d kubelet said of it
Warning Unhealthy 3d \(x3 over 5d\) kubelet said of it
END
    says '^3d \(x3 over 5d\) +Warning +Unhealthy +Pod/seen +said of it$' kubectl events --for pod/seen --types Warning
    says '^3d +Warning +Unhealthy +pod/seen +said of it$' kubectl get events --field-selector type=Warning
    says '^3d +Warning +Unhealthy +pod/seen +spec.containers\{a\} +kubelet, n1 +said of it +5d +3 +e2$' \
        kubectl get events --field-selector reason=Unhealthy -o wide
    kubectl create deployment told --image x
    told() { kubectl get events -o wide | grep -qE "$1"; }
    # Controllers are not of one machine.
    within 20 told ' deployment/told +deployment-controller +Scaled up replica set told-[a-z0-9]+ from 0 to 1 '
    within 20 told ' replicaset/told-[a-z0-9]+ +replicaset-controller +Created pod: told-[a-z0-9]+-[a-z0-9]{5} '
    kubectl delete deployment told
    kubectl delete pod seen
}

# ready NAME ADDRESS TRUE-OR-FALSE
ready() {
    status "pod/$1" '{"phase": "Running", "podIP": "'"$2"'", "podIPs": [{"ip": "'"$2"'"}], "conditions": [{"type": "Ready", "status": "'"$3"'"}]}'
}

@test "pods that are ready are behind every Service that selects them, and nobody else is" {
    local name services='web-in web-out'
    kubectl run one --image x --labels app=web
    kubectl run two --image x --labels app=web
    kubectl run other --image x --labels app=other
    kubectl create service clusterip web-in --tcp 8080:80
    kubectl create service nodeport web-out --tcp 80
    for name in $services; do
        kubectl set selector service $name app=web
    done
    ready one 192.0.2.1 True
    ready two 192.0.2.2 True
    ready other 192.0.2.3 True
    behind() { kubectl get endpoints "$1" --no-headers | grep -qE "^$1 +$2 +[0-9]+s\$"; } # SERVICE ADDRESSES
    for name in $services; do
        within 20 behind $name 192.0.2.1:80,192.0.2.2:80
    done
    ready two 192.0.2.2 False
    for name in $services; do
        within 20 behind $name 192.0.2.1:80
    done
    [ "$(kubectl get endpoints web-in -o 'jsonpath={.subsets[*].notReadyAddresses[*].ip}')" = 192.0.2.2 ]
    described() { kubectl describe service web-in | grep -qE '^Endpoints: +192.0.2.1:80$'; } # It looks at slices.
    within 20 described
    kubectl label pods one two app=none --overwrite
    for name in $services; do
        within 20 behind $name '<none>'
    done
    kubectl delete pods one two other --now
    kubectl delete service $services
}

@test "stateful sets, daemon sets and jobs have the columns of theirs, and their descriptions" {
    kubectl apply -f - <<'END'
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: s}
spec:
  serviceName: s
  replicas: 3
  selector: {matchLabels: {app: s}}
  template: {metadata: {labels: {app: s}}, spec: {containers: [{name: c, image: "i:1"}]}}
  volumeClaimTemplates: [{metadata: {name: www}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: d}
spec:
  selector: {matchLabels: {app: d}}
  template:
    metadata: {labels: {app: d}}
    spec:
      nodeSelector: {kubernetes.io/arch: arm}
      hostNetwork: true
      containers: [{name: c, image: "i:1", volumeMounts: [{name: v, mountPath: /tmp/log}]}]
      volumes: [{name: v, hostPath: {path: /var/log}}]
---
apiVersion: batch/v1
kind: Job
metadata: {name: pi}
spec: {backoffLimit: 4, template: {spec: {restartPolicy: Never, containers: [{name: pi, image: perl, command: [perl, -wle, print 3]}]}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: two}
spec: {completions: 2, parallelism: 2, template: {spec: {restartPolicy: OnFailure, containers: [{name: c, image: i}]}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: queue}
spec: {parallelism: 3, template: {spec: {restartPolicy: OnFailure, containers: [{name: c, image: i}]}}}
END
    kubectl get sts,ds,jobs -o wide >"$D/workloads"
    has "$D/workloads" <<'END'
NAME READY AGE CONTAINERS IMAGES
statefulset.apps/s 0/3 [0-9]+s c i:1
NAME DESIRED CURRENT READY UP-TO-DATE AVAILABLE NODE SELECTOR AGE CONTAINERS IMAGES SELECTOR
daemonset.apps/d 0 0 0 0 0 kubernetes.io/arch=arm [0-9]+s c i:1 app=d
NAME STATUS COMPLETIONS DURATION AGE CONTAINERS IMAGES SELECTOR
job.batch/pi Running 0/1 [0-9]+s pi perl batch.kubernetes.io/controller-uid=[-0-9a-f]+
job.batch/two Running 0/2 [0-9]+s .*
job.batch/queue Running 0/1 of 3 [0-9]+s .*
END
    status sts/s '{"replicas": 3, "readyReplicas": 2, "currentReplicas": 3}'
    status ds/d '{"desiredNumberScheduled": 3, "currentNumberScheduled": 3, "numberReady": 2, "updatedNumberScheduled": 1,
        "numberAvailable": 2, "numberMisscheduled": 0}'
    status job/pi '{"startTime": "2026-01-01T00:00:00Z", "completionTime": "2026-01-01T00:00:14Z", "succeeded": 1,
        "uncountedTerminatedPods": {}, "conditions": [{"type": "SuccessCriteriaMet", "status": "True"}, {"type": "Complete", "status": "True"}]}'
    says '^s +2/3 +[0-9]+s$' kubectl get statefulset
    says '^d +3 +3 +2 +1 +2 +kubernetes.io/arch=arm +[0-9]+s$' kubectl get ds
    says '^pi +Complete +1/1 +14s +[0-9]+s$' kubectl get job pi
    { kubectl describe sts s && kubectl describe ds d && kubectl describe job pi; } >"$D/described"
    has "$D/described" <<'END'
Replicas: 3 desired \| 3 total
Update Strategy: RollingUpdate
Partition: 0
Volume Claims:
Access Modes: \[ReadWriteOnce\]
Node-Selector: kubernetes.io/arch=arm
Desired Number of Nodes Scheduled: 3
Number of Nodes Scheduled with Up-to-date Pods: 1
Number of Nodes Scheduled with Available Pods: 2
/tmp/log from v \(rw\)
Type: HostPath \(bare host directory volume\)
Completion Mode: NonIndexed
Backoff Limit: 4
Duration: 14s
Pods Statuses: 0 Active / 1 Succeeded / 0 Failed
print 3
END
    says '^statefulset.apps/s scaled$' kubectl scale sts s --replicas 5
    says '^statefulset.apps "s" deleted$' kubectl delete statefulset --all
    says '^job.batch "pi" deleted$' kubectl delete job pi
    says '^daemonset.apps "d" deleted$' kubectl delete ds/d
    kubectl delete jobs --all
}
