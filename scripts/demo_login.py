"""Signs a user in to an application, as a browser and the application do it between them: the code with PKCE.

Everything comes from `demo.json` beside this file; nothing but Python's own library is needed.
"""

import base64
import hashlib
import html
import http.client
import json
import re
import secrets
import socket
import ssl
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

DEMO = json.loads((Path(__file__).resolve().parent / "demo.json").read_text())
API = DEMO["apis"]["novastraxis"]
HOST = API["hosts"][0]
APP, USER = DEMO["people"]["application"], DEMO["people"]["user"]
BACK = "http://127.0.0.1/callback"
COOKIES = {}
TLS = ssl.create_default_context(cafile=DEMO["ca"])


def ask(method, target, form=None, **headers):
    """One request to the issuer, with the cookies of the browser."""
    address, _, port = DEMO["listeners"]["https"].rpartition(":")
    connection = http.client.HTTPSConnection(HOST, int(port))
    # The name is that of the public API, and the place is this machine.
    connection.sock = TLS.wrap_socket(socket.create_connection((address, int(port)), 10), server_hostname=HOST)
    if COOKIES:
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in COOKIES.items())
    if form is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    headers["Sec-Fetch-Site"] = "same-origin"
    connection.request(method, target, None if form is None else urlencode(form), {"Host": HOST, **headers})
    answer = connection.getresponse()
    for line in answer.headers.get_all("Set-Cookie", []):
        name, _, value = line.split(";")[0].partition("=")
        COOKIES[name] = value
    return answer.status, answer.headers, answer.read().decode()


def hidden(page, name):
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    return html.unescape(found.group(1)) if found else sys.exit(f"error: the page does not ask for `{name}`:\n{page}")


def decoded(part):
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def main():
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    state = secrets.token_urlsafe(16)
    wish = {"response_type": "code", "client_id": APP["id"], "redirect_uri": BACK, "scope": "openid profile compute",
            "state": state, "nonce": secrets.token_urlsafe(16), "code_challenge": challenge, "code_challenge_method": "S256"}

    _, headers, _ = ask("GET", "/oauth/authorize?" + urlencode(wish))
    _, _, page = ask("GET", headers["Location"])
    print("1. the application sends the browser to the issuer, which asks:", re.search("<h1>(.*?)</h1>", page).group(1))
    form = {"continue": hidden(page, "continue"), "user": USER["name"], "password": USER["password"]}
    _, headers, _ = ask("POST", "/oauth/login", form)
    print("2. the user signs in, and the browser has a session")
    status, headers, page = ask("GET", headers["Location"])
    if status == 200:
        print("3. the user is asked:", re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", page.split("</h1>")[1])).strip()[:160])
        _, headers, _ = ask("POST", "/oauth/consent", {"asked": hidden(page, "asked"), "decision": "allow"})
    else:
        print("3. the user has let this application in before")
    back = parse_qs(urlsplit(headers["Location"]).query)
    assert back["state"] == [state] and back["iss"] == [f"https://{HOST}"], "this is not the answer to our request"
    print("4. the browser is back at the application, with a code")
    form = {"grant_type": "authorization_code", "code": back["code"][0], "redirect_uri": BACK, "client_id": APP["id"],
            "code_verifier": verifier}
    status, _, text = ask("POST", "/oauth/token", form)
    tokens = json.loads(text)
    print(f"5. the application shows code and verifier: {status},", ", ".join(sorted(tokens)))
    print("   who signed in, by the ID token:", json.dumps(decoded(tokens["id_token"].split(".")[1])))
    status, _, text = ask("GET", "/v2/compute/instances", None, Authorization=f"Bearer {tokens['access_token']}")
    print(f"6. it calls the API for the user: {status}, {json.loads(text)['total']} instances")
    form["code"] = back["code"][0]
    status, _, text = ask("POST", "/oauth/token", form)
    print(f"7. somebody else shows the code again: {status}, {json.loads(text)['error']}")
    status, _, _ = ask("GET", "/v2/compute/instances", None, Authorization=f"Bearer {tokens['access_token']}")
    print(f"8. and everything that came of it is over: {status}")


main()
