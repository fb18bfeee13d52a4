# Where pods go and why: labels, taints, affinity, requests and ports; and what a pod on a node looks like.
bats_require_minimum_version 1.5.0
HOLLOW_HOST=${NODES_HOST:-127.0.54.1}
load hollow_nodes
load says

# pod NAME [POD-SPEC [CONTAINER]]: of the test's own group of pods.
pod() {
    printf 'apiVersion: v1\nkind: Pod\nmetadata: {name: %s, labels: {group: t%s}}\nspec:\n  %s\n  containers: [{name: c, image: "i:1" %s}]\n---\n' \
        "$1" "$BATS_TEST_NUMBER" "${2-}" "${3-}"
}

on() { [ "$(kubectl get pod "$1" -o 'jsonpath={.spec.nodeName}')" = "$2" ]; } # POD NODE
why() { kubectl get pod "$1" -o 'jsonpath={.status.conditions[?(@.type=="PodScheduled")].message}'; }
pending() { [[ $(why "$1") == *"$2"* ]]; } # POD WORDS
gone() { ! kubectl get pod "$1"; }
cleared() { kubectl delete pods -l "group=t$BATS_TEST_NUMBER" --now --wait=false >/dev/null; }

@test "nodes say what they are, have labels, and a lease that is kept" {
    says '^NAME +STATUS +ROLES +AGE +VERSION$' kubectl get nodes
    says '^h1 +Ready +<none> +[0-9]+s +v1\.32\.[0-9]+$' kubectl get no
    says 'INTERNAL-IP +EXTERNAL-IP +OS-IMAGE +KERNEL-VERSION +CONTAINER-RUNTIME$' kubectl get nodes -o wide
    says 'beta.kubernetes.io/arch=[a-z0-9]+,beta.kubernetes.io/os=linux,.*kubernetes.io/hostname=h1,kubernetes.io/os=linux$' \
        kubectl get node h1 --show-labels
    kubectl label node h1 node-role.kubernetes.io/worker=
    says '^h1 +Ready +worker ' kubectl get node h1
    kubectl label node h1 node-role.kubernetes.io/worker-
    says '^h1 +h1 ' kubectl get leases -n kube-node-lease
    local before
    before=$(kubectl get lease h1 -n kube-node-lease -o 'jsonpath={.spec.renewTime}')
    renewed() { [ "$(kubectl get lease h1 -n kube-node-lease -o 'jsonpath={.spec.renewTime}')" != "$before" ]; }
    within 20 renewed
}

@test "labels and annotations of a node: set, changed only when told to, removed" {
    says '^node/h1 labeled$' kubectl label nodes h1 disk=ssd
    refuses "^error: 'disk' already has a value \(ssd\), and --overwrite is false$" kubectl label nodes h1 disk=hdd
    says '^node/h1 labeled$' kubectl label nodes h1 disk=hdd --overwrite
    [ "$(kubectl get nodes -l disk=hdd -o name)" = node/h1 ]
    says '^node/h1 unlabeled$' kubectl label nodes h1 disk-
    says '^label "disk" not found.$' kubectl label nodes h1 disk-
    says '^No resources found$' kubectl get nodes -l disk=hdd
    says '^node/h1 annotated$' kubectl annotate nodes h1 desc='just a test'
    refuses "'desc' already has a value \(just a test\)$" kubectl annotate nodes h1 desc='just two tests'
    says '^node/h1 annotated$' kubectl annotate nodes h1 desc='just two tests' --overwrite
    says '^node/h1 annotated$' kubectl annotate nodes h1 desc-
}

@test "a selector of nodes: all its labels have to be there, and pods stay when they go" {
    pod picky 'nodeSelector: {web: "yes", type: backend}' | kubectl apply -f -
    within 20 pending picky "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector. preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."
    kubectl label node h2 web=yes
    sleep 0.5
    run ! on picky h2
    kubectl label node h2 type=backend
    within 20 on picky h2
    kubectl label node h2 type- web-
    within 20 kubectl wait --for=condition=Ready pod/picky --timeout 5s
    says '^Node-Selectors: +type=backend$' kubectl describe pod picky
    cleared
}

# spread NAME: how many of a Deployment's pods each of its nodes has, least first.
spread() { nodes_of "app=$1" | uniq -c | sort -n | awk '{print $1 "@" $2}' | xargs; }

# server NAME REPLICAS [POD-SPEC]
server() {
    cat <<END
apiVersion: apps/v1
kind: Deployment
metadata: {name: $1}
spec:
  replicas: $2
  selector: {matchLabels: {app: $1}}
  template:
    metadata: {labels: {app: $1}}
    spec:
      ${3-}
      containers: [{name: c, image: "i:1"}]
END
}

@test "a Deployment with a selector of nodes is there only, stays when the label goes, and spreads without it" {
    says '^node/h2 labeled$' kubectl label node h2 disktype=ssd
    server disk 4 'nodeSelector: {disktype: ssd}' | kubectl apply -f -
    rolled disk
    [ "$(spread disk)" = 4@h2 ]
    local set before
    set=$(kubectl get rs -l app=disk -o name)
    before=$(kubectl get pods -l app=disk -o name)
    kubectl label node h2 disktype-
    kubectl delete pod -l none=such # A moment in which somebody might have done something.
    [ "$(kubectl get pods -l app=disk -o name)" = "$before" ]
    says '^deployment.apps/disk configured$' kubectl apply -f <(server disk 4)
    rolled disk
    alone() { [ "$(kubectl get rs -l app=disk -o 'jsonpath={range .items[?(@.spec.replicas>0)]}{.kind}/{.metadata.name} {end}')" != "" ] &&
        [ "$(kubectl get "$set" -o 'jsonpath={.status.replicas}')" = 0 ] && [ "$(spread disk)" = "2@h1 2@h2" ]; }
    within 20 alone
    kubectl delete deployment disk
}

@test "five pods are on both nodes, and all on the other when one is tainted" {
    kubectl create deployment walk --image i:1
    kubectl scale deployment walk --replicas 5
    rolled walk
    [[ $(spread walk) =~ ^2@h[12]\ 3@h[12]$ ]]
    kubectl delete deployment walk
    says '^node/h1 tainted$' kubectl taint node h1 env_role=yes:NoSchedule
    says '^Taints: +env_role=yes:NoSchedule$' kubectl describe node h1
    kubectl create deployment web --image i:1
    kubectl scale deployment web --replicas 5
    rolled web
    [ "$(spread web)" = 5@h2 ]
    says '^node/h1 untainted$' kubectl taint node h1 env_role:NoSchedule-
    says '^Taints: +<none>$' kubectl describe node h1
    kubectl delete deployment web
}

@test "a control plane's node has only who tolerates that, until its taint is taken away" {
    kubectl taint node h1 node-role.kubernetes.io/control-plane="":NoSchedule
    pod plain 'nodeSelector: {kubernetes.io/hostname: h1}' | kubectl apply -f -
    pod any 'nodeSelector: {kubernetes.io/hostname: h1}' | sed 's/^  nodeS/  tolerations: [{operator: Exists}]\n  nodeS/' | kubectl apply -f -
    within 20 on any h1
    within 20 pending plain '1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }'
    kubectl taint node h1 node-role.kubernetes.io/control-plane-
    within 30 on plain h1
    cleared
}

@test "what pods ask for is taken from a node, used or not, and given back when they go" {
    local cores share last
    cores=$(kubectl get node h1 -o 'jsonpath={.status.allocatable.cpu}')
    [[ $cores == *m ]] && cores=${cores%m} || cores=$((cores * 1000))
    share=$((cores * 3 / 10)) last=$((cores * 2 / 10))
    local name
    for name in one two three; do
        pod $name 'nodeSelector: {kubernetes.io/hostname: h1}' ", resources: {requests: {cpu: ${share}m}}"
    done | kubectl apply -f -
    for name in one two three; do within 20 on $name h1; done
    pod four 'nodeSelector: {kubernetes.io/hostname: h1}' ", resources: {requests: {cpu: ${last}m}}" | kubectl apply -f -
    within 20 pending four '1 Insufficient cpu'
    says "^ +cpu +$((share * 3))m \\(90%\\)|^ +cpu +$((share * 3))m " kubectl describe node h1
    kubectl delete pod two --now
    within 30 on four h1
    cleared
}

@test "a node's taints, one after the other, as describe shows them" {
    taints() { kubectl get node h1 -o 'jsonpath={range .spec.taints[*]}{.key}={.value}:{.effect} {end}'; }
    says '^Taints: +<none>$' kubectl describe node h1
    says '^node/h1 tainted$' kubectl taint node h1 backend=web:NoSchedule
    kubectl taint node h1 type=smoke:NoSchedule
    kubectl taint node h1 xx=bb:NoSchedule
    kubectl taint node h1 type=smoke:NoExecute
    refuses 'already has xx taint\(s\) with same effect\(s\) and --overwrite is false$' kubectl taint node h1 xx=cc:NoSchedule
    says '^node/h1 modified$' kubectl taint node h1 xx=cc:NoSchedule --overwrite
    [ "$(taints | tr ' ' '\n' | sort | xargs)" = "backend=web:NoSchedule type=smoke:NoExecute type=smoke:NoSchedule xx=cc:NoSchedule" ]
    says '^node/h1 untainted$' kubectl taint node h1 backend=web:NoSchedule-
    kubectl taint node h1 type-
    says '^Taints: +xx=cc:NoSchedule$' kubectl describe node h1
    refuses 'taint "gone" not found$' kubectl taint node h1 gone-
    kubectl taint node h1 xx-
    kubectl taint node h1 node-role.kubernetes.io/control-plane="":NoSchedule
    says '^Taints: +node-role.kubernetes.io/control-plane:NoSchedule$' kubectl describe node h1
    kubectl taint node h1 node-role.kubernetes.io/control-plane-
}

@test "nothing new comes to a tainted node, but what tolerates all of its taints may" {
    kubectl taint node h1 a=1:NoSchedule b=2:NoSchedule
    {
        pod all 'nodeSelector: {kubernetes.io/hostname: h1}' | sed 's/^  nodeS/  tolerations: [{operator: Exists}]\n  nodeS/'
        pod both 'nodeSelector: {kubernetes.io/hostname: h1}' |
            sed 's/^  nodeS/  tolerations: [{key: a, operator: Equal, value: "1", effect: NoSchedule}, {key: b, operator: Exists}]\n  nodeS/'
        pod effect 'nodeSelector: {kubernetes.io/hostname: h1}' |
            sed 's/^  nodeS/  tolerations: [{operator: Exists, effect: NoSchedule}]\n  nodeS/'
        pod one 'nodeSelector: {kubernetes.io/hostname: h1}' |
            sed 's/^  nodeS/  tolerations: [{key: a, operator: Exists}]\n  nodeS/'
        pod value 'nodeSelector: {kubernetes.io/hostname: h1}' |
            sed 's/^  nodeS/  tolerations: [{key: a, value: "2"}, {key: b, operator: Exists}]\n  nodeS/'
        pod free
    } | kubectl apply -f -
    local name
    for name in all both effect; do
        within 20 on "$name" h1
    done
    within 20 on free h2
    within 20 pending one '1 node(s) had untolerated taint {b: 2}'
    within 20 pending value '1 node(s) had untolerated taint {a: 1}'
    kubectl taint node h1 a- b-
    within 30 on one h1
    cleared
}

@test "a taint that evicts: at once, after the time that is tolerated, or never" {
    {
        pod goes 'nodeName: h1'
        pod stays 'tolerations: [{key: out, operator: Exists, effect: NoExecute}]'
        pod later 'tolerations: [{key: out, operator: Exists, effect: NoExecute, tolerationSeconds: 15}]'
        pod saved 'tolerations: [{key: out, operator: Exists, effect: NoExecute, tolerationSeconds: 3600}]'
    } | sed 's/^  tolerations/  nodeName: h1\n&/' | kubectl apply -f -
    within 20 kubectl wait --for=condition=Ready pod -l "group=t$BATS_TEST_NUMBER" --timeout 5s
    kubectl taint node h1 out=now:NoExecute
    within 10 gone goes
    kubectl get pod later
    says 'TaintManagerEviction +Pod/goes +Marking for deletion Pod default/goes$' kubectl events --for pod/goes
    within 20 gone later
    kubectl get pod stays saved
    kubectl taint node h1 out-
    cleared
}

@test "affinity to nodes: required keeps pods waiting, preferred does not" {
    local terms='nodeSelectorTerms: [{matchExpressions: [{key: env, operator: In, values: [dev, test]}, {key: old, operator: DoesNotExist}]}]'
    {
        pod must "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {$terms}}}"
        pod would 'affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, preference: {matchExpressions: [{key: env, operator: Exists}]}}]}}'
        pod more 'affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: size, operator: Gt, values: ["4"]}]}]}}}'
    } | kubectl apply -f -
    within 20 kubectl wait --for=condition=Ready pod/would --timeout 5s
    within 20 pending must "2 node(s) didn't match Pod's node affinity/selector"
    kubectl label node h1 env=dev old=yes size=4
    kubectl label node h2 env=test size=5
    within 20 on must h2
    within 20 on more h2
    kubectl label node h1 env- old- size-
    kubectl label node h2 env- size-
    cleared
}

@test "what a node has not got: processors that are asked for, and host ports that are taken" {
    pod first 'nodeName: h1' ', ports: [{containerPort: 80, hostPort: 20080}]' | kubectl apply -f -
    {
        pod second 'nodeSelector: {kubernetes.io/hostname: h1}' ', ports: [{containerPort: 80, hostPort: 20080}]'
        pod big '' ', resources: {requests: {cpu: "1000"}}'
    } | kubectl apply -f -
    within 20 pending second "1 node(s) didn't have free ports for the requested pod ports"
    within 20 pending big '0/2 nodes are available: 2 Insufficient cpu.'
    says '^big +0/1 +Pending +0 ' kubectl get pod big
    says 'Warning +FailedScheduling +.* default-scheduler +0/2 nodes are available: 2 Insufficient cpu' kubectl describe pod big
    cleared
}

@test "a pod, described: where it is, what it mounts, what it tolerates, what happened" {
    says '^pod/first-pod created$' kubectl run first-pod --image example.com/httpd:2.4
    within 20 kubectl wait --for=condition=Ready pod/first-pod --timeout 5s
    says '^first-pod +1/1 +Running +0 +[0-9]+s +[0-9.]+ +h[12] +<none> +<none>$' kubectl get pods -o wide
    started() { kubectl get events --field-selector involvedObject.name=first-pod -o name | wc -l | grep -qx 4; }
    within 20 started
    kubectl describe pod first-pod >"$D/described"
    cat "$D/described"
    local line
    while read -r line; do
        grep -qE "$line" "$D/described" || { echo "no /$line/"; return 1; }
    done <<'END'
^Priority: +0$
^Service Account: +default$
^Node: +h[12]/127\.
^Labels: +run=first-pod$
^Annotations: +<none>$
^Status: +Running$
^ +State: +Running$
^ +Restart Count: +0$
/var/run/secrets/kubernetes.io/serviceaccount from kube-api-access-[a-z0-9]{5} \(ro\)$
^ +Initialized +True
^ +Ready +True
^ +ContainersReady +True
^ +PodScheduled +True
^ +TokenExpirationSeconds: +3607$
^ +ConfigMapName: +kube-root-ca.crt$
^ +DownwardAPI: +true$
^QoS Class: +BestEffort$
^Tolerations: +node.kubernetes.io/not-ready:NoExecute op=Exists for 300s$
^ +node.kubernetes.io/unreachable:NoExecute op=Exists for 300s$
^ +Normal +Scheduled .* default-scheduler +Successfully assigned default/first-pod to h[12]$
END
    [ "$(awk '$1 == "Normal" {print $2}' "$D/described" | xargs)" = "Scheduled Pulled Created Started" ]
}

@test "draining a node moves nobody who may not, and cordons it" {
    kubectl create deployment drained --image i:1 --replicas 4
    rolled drained
    kubectl create poddisruptionbudget kept --selector app=drained --min-available 4
    says 'SchedulingDisabled' sh -c 'kubectl cordon h2 && kubectl get node h2'
    refuses "Cannot evict pod as it would violate the pod's disruption budget" kubectl drain h2 --ignore-daemonsets --force --timeout 6s
    kubectl delete pdb kept
    says 'node/h2 drained' kubectl drain h2 --ignore-daemonsets --force --timeout 120s
    rolled drained
    [ "$(nodes_of app=drained | uniq)" = h1 ]
    kubectl uncordon h2
}
