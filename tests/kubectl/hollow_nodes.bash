# For a file of tests against one server with two hollow nodes, h1 and h2: pods of them have addresses and states and run
# nothing. Agents mount the volumes of pods all the same, which root may do only.
export WITHOUT=
export KUBECTL_HOST=$HOLLOW_HOST
load one_server

setup_file() {
    if [ "$(id -u)" != 0 ]; then
        skip "agents mount volumes, and need root for it"
    fi
    start_one
    start_agent h1 1
    start_agent h2 2
    within 20 kubectl wait --for=condition=Ready node/h1 node/h2 --timeout 5s
    within 20 kubectl get serviceaccount default
}

teardown_file() {
    load ../auth/server
    end_all
    local mount
    awk -v dir="$D/" 'index($2, dir) == 1 {print $2}' /proc/mounts | while read -r mount; do
        umount "$mount" # Volumes of the pods.
    done
}

start_agent() { # NAME NUMBER
    local token
    token=$("$CORACLE" token create --server "https://$HOST:6443" --data-dir "$D/n1")
    "$CORACLE" agent --server "https://$HOST:6443" --token "$token" --data-dir "$D/$1" --node-name "$1" \
        --node-ip "${HOST%.*}.1$2" --runtime hollow --port "$((21000 + $2))" >>"$D/$1.log" 2>&1 3>&- &
    echo $! >"$D/$1.pid"
    disown
}

# nodes_of LABEL: on which nodes its pods are, one a line.
nodes_of() { kubectl get pods -l "$1" -o 'jsonpath={range .items[*]}{.spec.nodeName}{"\n"}{end}' | sort; }

rolled() { # NAME
    kubectl rollout status "deployment/$1" --timeout 120s >/dev/null
}
