# What people do with a Deployment from its first day on, against a server with nodes that pretend.
bats_require_minimum_version 1.5.0
HOLLOW_HOST=${ROLLOUTS_HOST:-127.0.53.1}
load hollow_nodes
load says

# deployment NAME IMAGE REPLICAS [SPEC [POD-SPEC]]
deployment() {
    cat <<END
apiVersion: apps/v1
kind: Deployment
metadata: {name: $1}
spec:
  replicas: $3
  ${4-}
  selector: {matchLabels: {app: $1}}
  template:
    metadata: {labels: {app: $1}}
    spec:
      ${5-}
      containers: [{name: c, image: "$2"}]
END
}

of() { kubectl get deployment "$1" -o "jsonpath={$2}"; } # NAME PATH
has() { [ "$(of "$1" "$2")" = "$3" ]; }                  # NAME PATH VALUE
counted() { [ "$(kubectl get pods -l "app=$1" -o name | wc -l)" = "$2" ]; }
scalings() { # NAME: what the events say, from the first on, without the names' hashes
    kubectl get events --field-selector "involvedObject.kind=Deployment,involvedObject.name=$1,reason=ScalingReplicaSet" \
        -o 'jsonpath={range .items[*]}{.message}{"\n"}{end}' | sed -E "s/$1-[a-z0-9]+/set/"
}

@test "a first application: created, exposed, scaled, updated, undone" {
    says '^deployment.apps/boot created$' kubectl create deployment boot --image example.com/boot:v1 --port 8080
    says 'deployment "boot" successfully rolled out' kubectl rollout status deployment boot --timeout 120s
    says '^service/boot exposed$' kubectl expose deployment/boot --type NodePort --port 8080
    says '^boot +NodePort +10\.[0-9.]+ +<none> +8080:3[0-9]{4}/TCP +[0-9]+s$' kubectl get services boot
    says '^deployment.apps/boot scaled$' kubectl scale deployments/boot --replicas 3
    rolled boot
    says '^boot +3/3 +3 +3 +[0-9]+s$' kubectl get deployments
    kubectl scale deployments/boot --replicas 2
    says '^deployment.apps/boot image updated$' kubectl set image deployments/boot boot=example.com/boot:v2
    rolled boot
    says '^deployment.apps/boot rolled back$' kubectl rollout undo deployments/boot
    rolled boot
    says 'boot +2/2 +2 +2 +[0-9]+s +boot +example.com/boot:v1 +app=boot$' kubectl get deployment boot -o wide
    within 20 counted boot 2
    says '^Endpoints: +[0-9.]+:8080,[0-9.]+:8080$' kubectl describe service boot
}

@test "a Deployment has a ReplicaSet, and that has pods; each tells whose it is and what was done" {
    deployment chain i:1 2 | kubectl apply -f -
    rolled chain
    local set pod
    set=$(kubectl get rs -l app=chain -o 'jsonpath={.items[0].metadata.name}')
    pod=$(kubectl get pods -l app=chain -o 'jsonpath={.items[0].metadata.name}')
    [[ $set =~ ^chain-[bcdfghjklmnpqrstvwxz2456789]{6,10}$ && $pod =~ ^$set-[bcdfghjklmnpqrstvwxz2456789]{5}$ ]]
    says "^$set +2 +2 +2 +[0-9]+s +c +i:1 +app=chain,pod-template-hash=${set#chain-}$" kubectl get replicaset -o wide
    kubectl describe deployment chain >"$D/chain"
    grep -qE '^Replicas: +2 desired \| 2 updated \| 2 total \| 2 available \| 0 unavailable$' "$D/chain"
    grep -qE '^RollingUpdateStrategy: +25% max unavailable, 25% max surge$' "$D/chain"
    grep -qE '^Annotations: +deployment.kubernetes.io/revision: 1$' "$D/chain"
    grep -qE '^  Available +True +MinimumReplicasAvailable$' "$D/chain"
    grep -qE '^  Progressing +True +NewReplicaSetAvailable$' "$D/chain"
    grep -qE "^NewReplicaSet: +$set \(2/2 replicas created\)$" "$D/chain"
    grep -qE "ScalingReplicaSet .* deployment-controller +Scaled up replica set $set from 0 to 2$" "$D/chain"
    kubectl describe replicaset "$set" >"$D/chain"
    grep -qE '^Controlled By: +Deployment/chain$' "$D/chain"
    grep -qE '^Pods Status: +2 Running / 0 Waiting / 0 Succeeded / 0 Failed$' "$D/chain"
    grep -qE 'deployment.kubernetes.io/desired-replicas: 2$' "$D/chain"
    [ "$(grep -c 'SuccessfulCreate .* replicaset-controller  *Created pod: chain-' "$D/chain")" = 2 ]
    says "^Controlled By: +ReplicaSet/$set$" kubectl describe pod "${pod%?????}"
    says '^chain +2/2 +2 +2 +[0-9]+s$' kubectl get deployment chain
    says "^pod \"$pod\" deleted$" kubectl delete pod "$pod" --now
    replaced() { counted chain 2 && ! kubectl get pod "$pod"; }
    within 20 replaced
    EDITOR="sed -i s/i:1/i:2/" says '^deployment.apps/chain edited$' kubectl edit deployment chain
    rolled chain
    renewed() { [ "$(kubectl get pods -l "app=chain,pod-template-hash!=${set#chain-}" -o name | wc -l)" = 2 ]; }
    within 20 renewed
}

@test "a namespace of one's own: applied there, and gone from there with its pods" {
    deployment here i:1 2 | sed 's/name: here}$/name: here, namespace: kube-public}/' >"$D/here.yaml"
    says '^deployment.apps/here created$' kubectl apply -f "$D/here.yaml"
    kubectl -n kube-public rollout status deployment/here --timeout 120s
    says '^here +2/2' kubectl get deployment -n kube-public
    says '^deployment.apps "here" deleted$' kubectl delete -f "$D/here.yaml"
    says '^No resources found in kube-public namespace.$' kubectl get deployment -n kube-public
    none() { [ -z "$(kubectl get rs,pods -n kube-public -o name)" ]; }
    within 30 none
}

@test "scaling by manifest leaves the pods that stay alone; the same template has the same name again" {
    deployment five i:1 5 | kubectl apply -f -
    rolled five
    [ "$(nodes_of app=five | uniq -c | sort -n | awk '{print $1}' | xargs)" = "2 3" ]
    kubectl get pods -l app=five -o name | sort >"$D/before"
    says '^deployment.apps/five configured$' kubectl apply -f <(deployment five i:1 3)
    within 20 counted five 3
    [ -z "$(kubectl get pods -l app=five -o name | sort | comm -13 "$D/before" -)" ]
    local set
    set=$(kubectl get rs -l app=five -o name)
    kubectl set image deployment/five c=i:2
    rolled five
    kubectl set image deployment/five c=i:1
    rolled five
    [ "$(kubectl get "$set" -o 'jsonpath={.status.replicas}')" = 3 ]
}

@test "three pods are replaced one after the other" {
    deployment three i:1 3 | kubectl apply -f -
    rolled three
    deployment three i:2 3 | kubectl apply -f -
    rolled three
    prints scalings three <<'END'
Scaled up replica set set from 0 to 3
Scaled up replica set set from 0 to 1
Scaled down replica set set from 3 to 2
Scaled up replica set set from 1 to 2
Scaled down replica set set from 2 to 1
Scaled up replica set set from 2 to 3
Scaled down replica set set from 1 to 0
END
    [ "$(kubectl get rs -l app=three -o 'jsonpath={.items[*].spec.replicas}' | tr ' ' '\n' | sort | xargs)" = "0 3" ]
}

@test "revisions, why they were made, and back to one of them" {
    local n
    for n in 1 2 3; do
        deployment rev "i:$n" 3 >"$D/v$n.yaml"
        kubectl apply --filename="$D/v$n.yaml" --record=true
    done
    rolled rev
    prints kubectl rollout history deployment rev <<END
deployment.apps/rev 
REVISION  CHANGE-CAUSE
1         kubectl apply --filename=$D/v1.yaml --record=true
2         kubectl apply --filename=$D/v2.yaml --record=true
3         kubectl apply --filename=$D/v3.yaml --record=true
END
    says '^deployment.apps/rev rolled back$' kubectl rollout undo deployment rev --to-revision 1
    rolled rev
    says '^rev +3/3 +3 +3 +[0-9]+s +c +i:1 ' kubectl get deployment rev -o wide
    says '^4 +kubectl apply --filename=.*/v1.yaml --record=true$' kubectl rollout history deployment rev
    says 'Image:.*i:1$' kubectl rollout history deployment rev --revision 4
    refuses '^error: unable to find specified revision 9 in history$' kubectl rollout undo deployment rev --to-revision 9
    kubectl create deployment plain --image i:1
    says '^1 +<none>$' kubectl rollout history deployment plain
}

@test "no more old revisions are kept than were asked for" {
    deployment keep i:1 1 'revisionHistoryLimit: 2' | kubectl apply -f -
    local n
    for n in 2 3 4 5; do
        rolled keep
        kubectl set image deployment/keep "c=i:$n"
    done
    rolled keep
    three() { [ "$(kubectl get rs -l app=keep -o name | wc -l)" = 3 ]; }
    within 20 three
    [ "$(kubectl rollout history deployment keep | awk '/^[0-9]/ {print $1}' | xargs)" = "3 4 5" ]
}

# stalled NAME READY TOTAL: so many are ready, of so many that are there.
stalled() { [ "$(of "$1" '.status.readyReplicas}/{.status.replicas')" = "$2/$3" ]; }

@test "a version that does not become ready leaves most of the old one, and is undone" {
    deployment stall i:1 10 | kubectl apply -f -
    rolled stall
    deployment stall i:2 10 '' 'nodeSelector: {no: where}' | kubectl apply -f -
    within 20 stalled stall 8 13
    says '^stall +8/10 +5 +8 ' kubectl get deployment stall
    kubectl rollout undo deployment stall --to-revision 1
    rolled stall
    says '^stall +10/10 +10 +10 ' kubectl get deployment stall
    local most='strategy: {rollingUpdate: {maxSurge: 35%, maxUnavailable: 35%}}'
    deployment stall i:2 10 "$most" 'nodeSelector: {no: where}' | kubectl apply -f -
    within 20 stalled stall 7 14
    kubectl patch deployment stall -p '{"spec": {"progressDeadlineSeconds": 1}}'
    refuses 'exceeded its progress deadline' kubectl rollout status deployment/stall --timeout 120s
    kubectl delete deployment stall
}

# never_below LEAST: as a watch of the Deployment saw it. How many there are in all is said late, set by set.
never_below() { awk -v least="$1" '$1 < least {bad = 1} {all = all " " $1} END {if (bad) {print "seen:" all; exit 1}}' "$D/seen"; }

@test "a surge comes first, or pods go first, as the strategy says" {
    local surge='strategy: {rollingUpdate: {maxSurge: 3, maxUnavailable: 0}}'
    local down='strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 3}}' watch
    deployment ten i:1 10 "$surge" | kubectl apply -f -
    rolled ten
    followed() {
        kubectl get deployment ten -w -o 'jsonpath={.status.availableReplicas}{"\n"}' >"$D/seen" 3>&- &
        watch=$!
        within 10 test -s "$D/seen"
        kubectl apply -f -
        rolled ten
        within 20 told
        kill "$watch"
    }
    told() { [ "$(wc -l <"$D/seen")" -ge 3 ] && [ "$(tail -n 1 "$D/seen")" = 10 ]; } # The watch has come to the end, too.
    deployment ten i:2 10 "$surge" >"$D/ten.yaml"
    followed <"$D/ten.yaml"
    never_below 10
    [ "$(scalings ten | sed -n 2p)" = "Scaled up replica set set from 0 to 3" ]
    deployment ten i:3 10 "$down" >"$D/ten.yaml"
    followed <"$D/ten.yaml"
    never_below 7
    kubectl delete deployment ten
}

@test "recreating ends all old pods before the first new one" {
    deployment anew i:1 3 'strategy: {type: Recreate}' | kubectl apply -f -
    rolled anew
    deployment anew i:2 3 'strategy: {type: Recreate}' | kubectl apply -f -
    rolled anew
    prints scalings anew <<'END'
Scaled up replica set set from 0 to 3
Scaled down replica set set from 3 to 0
Scaled up replica set set from 0 to 3
END
}

@test "paused, a Deployment takes changes and makes nothing of them until it is resumed" {
    deployment pause i:1 2 | kubectl apply -f -
    rolled pause
    says '^deployment.apps/pause paused$' kubectl rollout pause deployment pause
    refuses 'is already paused$' kubectl rollout pause deployment pause
    kubectl set image deployment/pause c=i:2
    says 'Waiting for deployment "pause" rollout to finish: 0 out of 2 new' kubectl rollout status deployment pause --watch=false
    kubectl scale deployment pause --replicas 3
    within 20 counted pause 3
    [ "$(kubectl get rs -l app=pause -o name | wc -l)" = 1 ]
    says '^deployment.apps/pause resumed$' kubectl rollout resume deployment pause
    rolled pause
    has pause .status.updatedReplicas 3
    says '^deployment.apps/pause restarted$' kubectl rollout restart deployment pause
    rolled pause
    [ "$(kubectl get rs -l app=pause -o name | wc -l)" = 3 ]
}

@test "a Service follows its selector from one colour to the other" {
    local colour
    for colour in blue green; do
        deployment "$colour" i:1 2 | kubectl apply -f -
        rolled "$colour"
    done
    kubectl create service clusterip both --tcp 80
    kubectl set selector service both app=blue
    leads() { [ "$(kubectl get endpoints both -o 'jsonpath={.subsets[*].addresses[*].targetRef.name}' | grep -o "$1-" | wc -l)" = 2 ]; }
    within 20 leads blue
    kubectl patch service both -p '{"spec": {"selector": {"app": "green"}}}'
    within 20 leads green
    run ! leads blue
}
