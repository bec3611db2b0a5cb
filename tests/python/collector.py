"""Somebody who gathers entries over HTTPS, and does not always want to.

    collector.py FOLDER CERTIFICATE KEY SECRET [PORT]

Prints `{"port": ..}`. What stands in FOLDER/mood is how it answers: a status, or `hang`. Accepted lines go to
FOLDER/received, and a line about every request to FOLDER/asked. Signatures are checked by the library of
Standard Webhooks; what is not signed is answered 401.
"""

import json
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

FOLDER, CERTIFICATE, KEY, SECRET = Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
PORT = int(sys.argv[5]) if len(sys.argv) > 5 else 0
LOCK = threading.Lock()


def signed(headers, body):
    try:
        Webhook(SECRET).verify(body, dict(headers), json_parse=False)
    except WebhookVerificationError:
        return False
    return True


class Collector(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        mood = (FOLDER / "mood").read_text().strip()
        if mood == "hang":
            while (FOLDER / "mood").read_text().strip() == "hang":
                time.sleep(0.02)
            self.close_connection = True
            return
        status = int(mood) if signed(self.headers, body) else 401
        with LOCK:
            if status == 200:
                with open(FOLDER / "received", "ab") as file:
                    file.write(body)
            told = {name: self.headers[name] for name in ("content-type", "portcullis-batch", "webhook-id")}
            with open(FOLDER / "asked", "a") as file:
                file.write(json.dumps({"status": status, "path": self.path, **told}) + "\n")
        self.send_response(status)
        if status in (301, 307):
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words):
        pass


server = ThreadingHTTPServer(("127.0.0.1", PORT), Collector)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(CERTIFICATE, KEY)
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
print(json.dumps({"port": server.server_address[1]}), flush=True)
server.serve_forever()
