#!/usr/bin/env python3
"""The webhooks of authentication and authorization for tests, over HTTPS.

    reviewer.py serve DIR HOST PORT     DIR has tls.crt and tls.key; questions are written to DIR/asked, one a line

POST /tokens, a TokenReview: the token good-NAME is the user NAME, slow-NAME too but only when DIR/go is there, or after 25 seconds; refused-... is
answered with 403, nonsense-... with text, any other with nobody.

POST /access, a SubjectAccessReview: DIR/decision says what is answered: allow, deny, none, both, slow (allow when
DIR/go is there), refuse (403), nonsense.

Each must come with the header "Authorization: Bearer webhook-secret". Python's own library.
"""
import http.server
import json
import os
import ssl
import sys
import threading
import time


def serve(directory, host, port):
    lock = threading.Lock()

    def note(review):
        with lock, open(os.path.join(directory, "asked"), "a") as log:
            log.write(json.dumps(review, sort_keys=True) + "\n")

    def wait():
        end = time.monotonic() + 25
        while time.monotonic() < end and not os.path.exists(os.path.join(directory, "go")):
            time.sleep(0.05)

    def token(review):
        kind, _, name = review["spec"]["token"].partition("-")
        if kind == "slow":
            wait()
        if kind == "refused":
            return 403, None
        if kind == "nonsense":
            return 200, "what?"
        if kind not in ("good", "slow"):
            return 201, {"authenticated": False}
        return 201, {"authenticated": True,
                     "user": {"username": name, "uid": "u-" + name, "groups": ["hooked"],
                              "extra": {"example.org/from": ["webhook", "test"]}}}

    def access(_):
        with open(os.path.join(directory, "decision")) as file:
            decision = file.read().strip()
        if decision == "slow":
            wait()
        if decision == "refuse":
            return 403, None
        if decision == "nonsense":
            return 200, "what?"
        return 201, {"allowed": decision in ("allow", "slow", "both"), "denied": decision in ("deny", "both"),
                     "reason": "decided to " + decision}

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            note(review)
            if self.headers["Authorization"] != "Bearer webhook-secret":
                status, answer = 401, None
            else:
                status, answer = {"/tokens": token, "/access": access}[self.path](review)
            body = {"apiVersion": review["apiVersion"], "kind": review["kind"], "status": answer}
            text = (answer if isinstance(answer, str) else json.dumps(body)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer((host, port), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(directory, "tls.crt"), os.path.join(directory, "tls.key"))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


if __name__ == "__main__":
    serve(sys.argv[2], sys.argv[3], int(sys.argv[4]))
