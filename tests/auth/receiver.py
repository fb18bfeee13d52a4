#!/usr/bin/env python3
"""An audit webhook for tests: receiver.py HOST PORT DIR. Appends the events it is sent to DIR/events, an object a line,
and what each request held to DIR/requests; answers with the status in DIR/status, if that is there."""
import http.server
import json
import os
import sys

host, port, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        path = os.path.join(folder, "status")
        status = int(open(path).read()) if os.path.exists(path) else 200
        with open(os.path.join(folder, "requests"), "a") as requests:
            print(status, body["apiVersion"], body["kind"], len(body["items"]), self.headers["Authorization"],
                  file=requests)
        if status == 200:
            with open(os.path.join(folder, "events"), "a") as events:
                for event in body["items"]:
                    print(json.dumps(event), file=events)
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


http.server.ThreadingHTTPServer((host, port), Receiver).serve_forever()
