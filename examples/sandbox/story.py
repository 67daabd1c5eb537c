#!/usr/bin/env python3
"""The whole story of a link, from outside of Go: python3 story.py PATH-OF-THE-SANDBOX

It needs the standard library only, and exits with 0 if everything went as it should.
"""

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request

TOKEN, PERSONAL = "secret-token:story", "story-personal"
LINKS = "/api/v1/destination_connect_links"


def check(condition, *why):
    if not condition:
        raise SystemExit("story.py: " + " ".join(map(str, why)))


class Sandbox:
    def __init__(self, base):
        self.base = base
        # Without the environment's proxy.
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def send(self, method, path, body=None, headers=None):
        request = urllib.request.Request(
            self.base + path, method=method, headers=headers or {},
            data=None if body is None else json.dumps(body).encode())
        if body is not None:
            request.add_header("Content-Type", "application/json")
        try:
            answer = self.opener.open(request, timeout=60)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            return answer.status, answer.headers, answer.read()

    def api(self, method, path, body=None, token=TOKEN, want=200):
        status, headers, text = self.send(method, path, body, {"Authorization": "Bearer " + token})
        check(status == want, method, path, "answered", status, text, "instead of", want)
        return json.loads(text or b"null"), headers

    def lever(self, method, path, body=None, want=200, headers=None):
        status, _, text = self.send(method, "/_sandbox/" + path, body, headers)
        check(status == want, method, path, "answered", status, text, "instead of", want)
        return json.loads(text)

    def link(self):
        return self.api("POST", LINKS, {"type": "hubspot"}, want=201)[0]["data"]


def story(sandbox):
    status, _, text = sandbox.send("GET", "/healthz")
    check((status, text) == (200, b"ok\n"), "/healthz answered", status, text)
    start = sandbox.lever("GET", "state")
    check([w["token"] for w in start["workspaces"]] == [TOKEN, TOKEN + "-2"], start["workspaces"])

    # Make a link, and open it.
    link = sandbox.link()
    uri = urllib.parse.urlsplit(link["uri"])
    status, _, page = sandbox.send("GET", uri.path + "?" + uri.query)
    check(status == 200 and b"HubSpot" in page, "the page answered", status)

    # Fail: once, with a time to come back, and for one customer only.
    sandbox.lever("POST", "failures", {
        "route": "POST " + LINKS, "times": 1, "status": 429, "header": {"Retry-After": ["2"]}}, want=201)
    _, headers = sandbox.api("POST", LINKS, {"type": "hubspot"}, want=429)
    check(headers["Retry-After"] == "2", "Retry-After is", headers["Retry-After"])
    sandbox.lever("POST", "failures", {"token": TOKEN + "-2", "times": -1, "status": 503}, want=201)
    sandbox.api("GET", "/api/v1/workspace", token=TOKEN + "-2", want=503)
    second = sandbox.link()
    fired = sandbox.lever("GET", "state")["failures"]
    check([(f["fired"], f["left"]) for f in fired] == [(1, 0), (1, -1)], fired)
    sandbox.lever("DELETE", "failures")
    sandbox.api("GET", "/api/v1/workspace", token=TOKEN + "-2")

    # Throttle.
    sandbox.lever("POST", "rate-limit", {"per_second": 0.001})
    sandbox.api("GET", "/api/v1/workspace")
    sandbox.api("GET", "/api/v1/workspace", want=429)
    sandbox.lever("POST", "rate-limit", {"per_second": 0})

    # Expire one link; the other one is completed with values.
    sandbox.lever("POST", "links/%d/expire" % second["id"], {})
    check(sandbox.api("GET", "%s/%d" % (LINKS, second["id"]))[0]["data"]["expired"], "the link has not expired")
    sandbox.lever("POST", "links/%d/complete" % second["id"], {}, want=409)
    made = sandbox.lever("POST", "links/%d/complete" % link["id"], {"name": "Acme's HubSpot"})

    # Check by the API.
    spent = sandbox.api("GET", "%s/%d" % (LINKS, link["id"]))[0]["data"]
    check(spent["destination_id"] == made["id"], spent)
    destination = sandbox.api("GET", "/api/v1/destinations/%d" % made["id"])[0]["data"]
    check(destination["name"] == "Acme's HubSpot", destination)

    # The clock: a day later every link has expired.
    third = sandbox.link()
    sandbox.lever("POST", "clock", {"advance": "25h"})
    check(sandbox.api("GET", "%s/%d" % (LINKS, third["id"]))[0]["data"]["expired"], "the clock stands still")

    # API V2, with the personal token, and another customer.
    acme = sandbox.lever("POST", "workspaces", {"name": "Acme"}, want=201)
    sandbox.api("GET", "/api/v1/workspace", token=acme["token"])
    sandbox.api("POST", "/api/v2/activation_connect_links",
                {"type": "hubspot", "group_id": acme["group_id"]}, token=PERSONAL, want=201)

    # What is wrong is named; other sites are refused.
    wrong = sandbox.lever("POST", "failures", {"statuss": 429}, want=422)
    check("statuss" in wrong["error"], wrong)
    sandbox.lever("GET", "state", want=403, headers={"Origin": "https://evil.example"})
    sandbox.lever("GET", "state", want=403, headers={"Host": "evil.example"})

    # Reset: the tokens stay.
    sandbox.lever("POST", "reset", {})
    end = sandbox.lever("GET", "state")
    check(end["workspaces"] == start["workspaces"] and end["links"] == [], "reset left", end)
    sandbox.api("GET", "/api/v1/workspace")
    check(sandbox.lever("GET", "requests")["requests"][-1]["status"] == 200, "the log is wrong")


def main():
    process = subprocess.Popen(
        [sys.argv[1], "-env", "-addr", "127.0.0.1:0", "-token", TOKEN, "-personal-token", PERSONAL, "-workspaces", "2"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={}, text=True)
    try:
        exports = [process.stdout.readline().strip() for _ in range(3)]
        env = dict(line.removeprefix("export ").split("=", 1) for line in exports if "=" in line)
        check(env.get("CENSUS_API_TOKEN") == TOKEN, "the sandbox printed", exports)
        story(Sandbox(env["CENSUS_BASE_URL"]))
        process.send_signal(signal.SIGTERM)
        check(process.wait(timeout=60) == 0, "SIGTERM ended it with", process.returncode)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    print("story.py: all went as it should")


if __name__ == "__main__":
    main()
