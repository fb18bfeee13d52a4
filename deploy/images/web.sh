#!/bin/sh
# The example web server: one page that says which pod answers, with the greeting of a ConfigMap and
# the length of a Secret, so that a look at the page shows that both arrived.
set -eu
mkdir -p /www
secret_length=0
if [ -r /etc/web/secret/token ]; then
    secret_length=$(wc -c </etc/web/secret/token)
fi
echo "${GREETING:-hello} from $(hostname) on ${NODE_NAME:-an unknown node} (secret of $secret_length bytes)" >/www/index.html
echo ok >/www/healthz
trap 'exit 0' TERM INT
httpd -f -p "${PORT:-8080}" -h /www &
wait $!
