# Services, pods and nodes by HTTP through the API server. The pod is one of a hollow node (it has an address and runs
# nothing); what listens at its address is a web server of this test. A real agent leads to it.
bats_require_minimum_version 1.5.0

setup_file() {
    load ../auth/server
    start_server n1 "$HOST"
    write_kubeconfig n1 "$HOST"
    start_agent
    mkdir -p "$D/www/sub"
    echo hello >"$D/www/index.html"
    echo sub >"$D/www/sub/x.txt"
    python3 -m http.server 8000 --bind 198.18.0.1 -d "$D/www" >"$D/web.log" 2>&1 3>&- &
    echo $! >"$D/web.pid"
    disown
    kubectl create namespace demo
    within 20 kubectl get serviceaccount default -n demo
    within 20 kubectl get node h1
    kubectl create -f - <<Y
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: demo, labels: {app: web}}
spec: {nodeName: h1, containers: [{name: c, image: i, ports: [{containerPort: 8000}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: demo}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8000}]}
Y
    within 20 test_pod_has_address
    within 20 kubectl get --raw /api/v1/namespaces/demo/services/web:http/proxy/
}

teardown_file() {
    load ../auth/server
    end_all
    local mount
    awk -v dir="$D/" 'index($2, dir) == 1 {print $2}' /proc/mounts | while read -r mount; do
        umount "$mount" # Volumes of the pod.
    done
}

setup() {
    load ../auth/server
}

teardown() {
    [ "$BATS_TEST_COMPLETED" = 1 ] || tail -n 20 "$D/n1.log" "$D/agent.log"
}

start_agent() {
    "$CORACLE" agent --server "https://$HOST:6443" --token "$("$CORACLE" token create --server "https://$HOST:6443" --data-dir "$D/n1")" --data-dir "$D/h1" \
        --node-name h1 --node-ip 10.107.0.1 --runtime hollow >>"$D/agent.log" 2>&1 3>&- &
    echo $! >"$D/agent.pid"
    disown
}

test_pod_has_address() {
    [ "$(kubectl get pod web -n demo -o 'jsonpath={.status.podIP}')" = 198.18.0.1 ]
}

proxied() { # PATH [CURL-OPTION...]
    local path=$1
    shift
    api "/api/v1/namespaces/demo$path" --cert "$D/n1/pki/admin.crt" --key "$D/n1/pki/admin.key" "$@"
}

@test "a Service is reached by the name and by the number of its port" {
    [ "$(kubectl get --raw /api/v1/namespaces/demo/services/http:web:http/proxy/)" = hello ]
    [ "$(kubectl get --raw /api/v1/namespaces/demo/services/web:80/proxy/sub/x.txt)" = sub ]
    run -1 kubectl get --raw /api/v1/namespaces/demo/services/web/proxy/
    [[ $output == *'(ServiceUnavailable): no endpoints available for service "web"'* ]]
    run -1 kubectl get --raw /api/v1/namespaces/demo/services/web:81/proxy/
    [[ $output == *'no service port 81 found for service "web"'* ]]
}

@test "a pod is reached at its first port, or at another" {
    [ "$(kubectl get --raw /api/v1/namespaces/demo/pods/web/proxy/sub/x.txt)" = sub ]
    [ "$(kubectl get --raw /api/v1/namespaces/demo/pods/http:web:8000/proxy/)" = hello ]
    run -1 kubectl get --raw /api/v1/namespaces/demo/pods/web:8001/proxy/
    [[ $output == *"error trying to reach service: dial tcp 198.18.0.1:8001: connect: connection refused"* ]]
    run -1 kubectl get --raw /api/v1/namespaces/demo/pods/web/proxy/none
    [[ $output == *"NotFound"* ]]
}

@test "a node's agent is reached with the certificate of a member" {
    [ "$(kubectl get --raw /api/v1/nodes/h1/proxy/healthz)" = ok ]
    [ "$(kubectl get --raw /api/v1/nodes/h1:10250/proxy/healthz)" = ok ]
    run -1 kubectl get --raw /api/v1/nodes/h1/proxy/healthz --as nobody
    [[ $output == *'User "nobody" cannot get resource "nodes/proxy"'* ]]
}

@test "paths, queries, methods and redirects are those of the one behind" {
    run -0 proxied /services/web:http/proxy/sub -D "$BATS_TEST_TMPDIR/head"
    [ "${lines[0]}" = 301 ]
    grep -qi '^location: /api/v1/namespaces/demo/services/web:http/proxy/sub/' "$BATS_TEST_TMPDIR/head"
    run -0 proxied /services/web:http/proxy -D "$BATS_TEST_TMPDIR/head"
    [ "${lines[0]}" = 301 ]
    grep -qi '^location: /api/v1/namespaces/demo/services/web:http/proxy/' "$BATS_TEST_TMPDIR/head"
    run -0 proxied /services/web:http/proxy/ -I
    [ "${lines[0]}" = 200 ]
    run -0 proxied /services/web:http/proxy/ -X POST -d a=b
    [ "${lines[0]}" = 501 ] # This web server's answer.
}

@test "links of a page lead through the proxy, as a browser would follow them" {
    echo '<a href="/sub/x.txt">x</a><a href="https://example.com/">y</a>' >"$D/www/page.html"
    run -0 kubectl get --raw /api/v1/namespaces/demo/services/web:http/proxy/page.html
    [ "$output" = '<a href="/api/v1/namespaces/demo/services/web:http/proxy/sub/x.txt">x</a><a href="https://example.com/">y</a>' ]
    [ "$(kubectl get --raw "$(sed 's/.*"\(.*\)">x.*/\1/' <<<"$output")")" = sub ]
}

@test "kubectl proxy leads there, and kubectl cluster-info works" {
    kubectl proxy --port=0 >"$BATS_TEST_TMPDIR/proxy" 3>&- &
    local pid=$! address
    within 10 grep -q 'serve on' "$BATS_TEST_TMPDIR/proxy"
    address=$(sed 's/.* on //' "$BATS_TEST_TMPDIR/proxy")
    [ "$(curl -s "http://$address/api/v1/namespaces/demo/services/web:http/proxy/")" = hello ]
    kill "$pid"
    run -0 kubectl cluster-info
    [[ $output == *"control plane"*"$HOST:6443"* ]]
}

@test "a large answer comes whole" {
    head -c 20000000 /dev/urandom >"$D/www/large"
    kubectl get --raw /api/v1/namespaces/demo/services/web:http/proxy/large >"$BATS_TEST_TMPDIR/large"
    cmp "$D/www/large" "$BATS_TEST_TMPDIR/large"
}

@test "the way is the agent's: without it there is none" {
    kill "$(cat "$D/agent.pid")"
    within 10 bash -c "! kill -0 $(cat "$D/agent.pid")"
    run -1 kubectl get --raw /api/v1/namespaces/demo/pods/web/proxy/
    [[ $output == *"error trying to reach service: dial tcp 10.107.0.1:10250: connect: connection refused"* ]]
    start_agent
    within 20 kubectl get --raw /api/v1/namespaces/demo/pods/web/proxy/
}
