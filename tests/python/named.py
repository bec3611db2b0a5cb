"""Asks TLS for a name that nobody has, and says what is no request: `named.py PORT NAME`."""

import socket
import ssl
import sys

context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 20) as plain:
    with context.wrap_socket(plain, server_hostname=sys.argv[2]) as asked:
        asked.sendall(b"\x00 no request\r\n\r\n")
        while asked.recv(4096):
            pass
