# SPDX-License-Identifier: Apache-2.0
"""Secrets of policy: a placeholder inside, the value toward its own hosts only, in its place only, over TLS only."""
import base64
import json
import os
import re
import subprocess

from stage import Stage, git_route
from yard import check, need, test

API, OTHER = "api.stage.test", "www.stage.test"
VALUE = "ghs_R3alValue0fTheT0ken47"
ENV = {"API_TOKEN": VALUE}


def secret(**more):
    return {"API_TOKEN": dict({"from": "env:API_TOKEN", "hosts": [API], "header": "Authorization"}, **more)}


def policy(stage, allow=None, **more):
    return stage.policy(allow or [{"host": API}, {"host": OTHER, "tls": "inspect"}], secrets=secret(**more))


def seen(stage, name="Authorization"):
    """The field as the server got it, of the last request."""
    return stage.requests[-1]["headers"].get(name, "")


@test
def the_value_is_nowhere_inside(yard):
    with Stage(yard, API) as stage:
        line = "echo $API_TOKEN; cat /proc/*/environ /proc/*/cmdline 2>/dev/null | tr '\\0' '\\n'; grep -rs ghs_ /run /tmp /etc ~ . ; true"
        r = yard.run(line, "-p", policy(stage), env=ENV)
        given = r.out.split("\n")[0]
        check(VALUE not in r.out + r.err, "the value is inside", r)
        check(len(given) == len(VALUE) and given.startswith("ghs_"), "the placeholder has another shape", r)
        again = yard.run("echo $API_TOKEN", "-p", policy(stage), env=ENV).out.strip()
        check(again != given, "the placeholder is the same in every run: it could be kept")
        kept = subprocess.run(["grep", "-rl", VALUE, yard.state], capture_output=True, text=True).stdout
        check(not kept, "the value is in the state directory: " + kept)


@test
def the_value_goes_to_its_host_only_and_in_its_field_only(yard):
    need("curl")
    with Stage(yard, API, OTHER) as stage:
        p = policy(stage)
        r = yard.run("curl -sS -H \"Authorization: Bearer $API_TOKEN\" https://%s/x" % API, "-p", p, env=ENV)
        check(seen(stage) == "Bearer " + VALUE, "its host did not get the value but %r" % seen(stage), r)
        for line in ("curl -sS -H \"Authorization: Bearer $API_TOKEN\" https://%s/x" % OTHER,
                     "curl -sS -H \"X-Other: $API_TOKEN\" https://%s/x" % API, "curl -sS https://%s/x?k=$API_TOKEN" % API,
                     "curl -sS -d \"k=$API_TOKEN\" https://%s/x" % API, "curl -sS -H \"Host: %s\" https://%s/x" % (API, OTHER)):
            stage.requests.clear()
            r = yard.run(line, "-p", p, env=ENV)
            check(not stage.arrived(VALUE), "the value left by: " + line, r)


@test
def answers_are_scrubbed(yard):
    need("curl")
    with Stage(yard, API) as stage:
        forms = lambda v: "%s %s %s" % (v, base64.b64encode(v.encode()).decode(), json.dumps({"token": v}))
        stage.routes["/mirror"] = lambda h: h.reply(200, forms(h.headers["Authorization"].split()[-1]), X_Token=h.headers["Authorization"])
        line = "curl -sSi --compressed -H \"Authorization: Bearer $API_TOKEN\" https://%s/mirror; echo; echo $API_TOKEN" % API
        r = yard.run(line, "-p", policy(stage), env=ENV)
        mine = r.out.strip().split("\n")[-1]
        check(seen(stage) == "Bearer " + VALUE, "the value was not put in", r)
        check(VALUE not in r.out and base64.b64encode(VALUE.encode()).decode() not in r.out, "the value came back", r)
        # Where the last digits of Base64 hold bits of what follows, they are not changed.
        check(r.out.count(mine) >= 4 and base64.b64encode(mine.encode()).decode()[:-4] in r.out, "the placeholder is not in its place", r)


@test
def cleartext_is_refused_unless_the_rule_says_so(yard):
    need("curl")
    with Stage(yard, API) as stage:
        line = "curl -sS -w '%%{http_code}' -H \"Authorization: Bearer $API_TOKEN\" http://%s/x" % API
        r = yard.run(line, "-p", policy(stage), env=ENV)
        check(r.out.endswith("403") and not stage.requests, "a secret went over cleartext, or its placeholder without a word", r)
        check(any("API_TOKEN" in json.dumps(d["detail"]) for d in stage.records("denied")), "the record does not name the secret")
        r = yard.run(line, "-p", policy(stage, cleartext=True), env=ENV)
        check(seen(stage) == "Bearer " + VALUE, "cleartext: true does not let it", r)


@test
def a_missing_secret_starts_nothing(yard):
    with Stage(yard, API) as stage:
        r = yard.run("true", "-p", policy(stage))
        check(r.rc == 125 and "API_TOKEN" in r.err and "export" in r.err, "a run without its secret", r)


# --- the forms in which clients send it -----------------------------------------------------------------------------


@test
def curl_basic_authorization(yard):
    need("curl")
    with Stage(yard, API) as stage:
        r = yard.run("curl -sS -u me:$API_TOKEN https://%s/x" % API, "-p", policy(stage), env=ENV)
        check(seen(stage) == "Basic " + base64.b64encode(("me:" + VALUE).encode()).decode(), "got %r" % seen(stage), r)


@test(timeout=120)
def git_clones_with_a_token_in_its_address(yard):
    need("git")
    with Stage(yard, API) as stage:
        inner = git_route(stage)

        def route(h):
            want = "Basic " + base64.b64encode(("x-access-token:" + VALUE).encode()).decode()
            return inner(h) if h.headers.get("Authorization") == want else h.reply(401, "", WWW_Authenticate='Basic realm="git"')

        stage.routes["/git/"] = route
        yard.git("init", "-q", "first")
        yard.git("-C", "first", "commit", "-q", "--allow-empty", "-m", "first")
        yard.git("clone", "-q", "--bare", "first", stage.dir + "/git/repo.git")
        r = yard.run("git clone -q https://x-access-token:$API_TOKEN@%s/git/repo.git c && git -C c log --format=%%s" % API, "-p", policy(stage),
                     env=dict(ENV, GIT_TERMINAL_PROMPT="0"), timeout=60)
        check(r.rc == 0 and "first" in r.out, "git with a token", r)


@test(timeout=120)
def npm_sends_its_token_and_its_basic_form(yard):
    need("npm")
    with Stage(yard, API) as stage:
        stage.routes["/npm/"] = lambda h: h.reply(404, "{}", "application/json")
        for line, want in (("//%s/npm/:_authToken=${API_TOKEN}" % API, "Bearer " + VALUE),
                           ("//%s/npm/:_auth=$(printf me:$API_TOKEN | base64 -w0)" % API,
                            "Basic " + base64.b64encode(("me:" + VALUE).encode()).decode())):
            stage.requests.clear()
            r = yard.run("echo \"%s\" > .npmrc; npm view --registry https://%s/npm/ nothing 2>&1 | tail -3" % (line, API), "-p", policy(stage),
                         env=ENV, timeout=60)
            check(stage.requests and seen(stage) == want, "npm with %s" % line, r)


@test(timeout=120)
def pip_sends_the_token_of_its_index_address(yard):
    if yard.outside("python3 -m pip --version").rc:
        from yard import skip
        skip("needs pip, which is not installed")
    with Stage(yard, API) as stage:
        stage.routes["/simple/"] = lambda h: (h.reply(404) if "Authorization" in h.headers
                                              else h.reply(401, "", WWW_Authenticate='Basic realm="pip"'))
        r = yard.run("python3 -m pip download -q --no-cache-dir --index-url https://me:$API_TOKEN@%s/simple/ nothing 2>&1 | tail -3" % API, "-p",
                     policy(stage), env=ENV, timeout=60)
        want = base64.b64encode(("me:" + VALUE).encode()).decode()
        check(stage.arrived("Basic " + want), "pip with a token: %s" % [q["headers"] for q in stage.requests], r)


@test
def query_and_body_by_rule(yard):
    need("curl")
    with Stage(yard, API) as stage:
        r = yard.run("curl -sS \"https://%s/x?key=$API_TOKEN&other=$API_TOKEN\"" % API, "-p", policy(stage, query="key"), env=ENV)
        path = stage.requests[-1]["path"]
        check("key=" + VALUE in path and path.count(VALUE) == 1, "query: " + path, r)
        r = yard.run("curl -sS -d \"{\\\"token\\\": \\\"$API_TOKEN\\\", \\\"comment\\\": \\\"$API_TOKEN\\\"}\" -H 'Content-Type: application/json' https://%s/x"
                     % API, "-p", policy(stage, body="token"), env=ENV)
        body = json.loads(stage.requests[-1]["body"])
        check(body["token"] == VALUE and body["comment"] != VALUE, "body: %s" % body, r)


@test
def a_variable_that_a_secret_comes_from_does_not_come_in_by_its_own_name(yard):
    """However wide env.pass is, and also without a network to put the value into."""
    for mode in ("guarded", "off"):
        p = yard.root + "/policy.json"
        with open(p, "w") as f:
            json.dump({"version": 1, "network": {"mode": mode}, "env": {"pass": ["*"]},
                       "secrets": {"OTHER_NAME": {"from": "env:API_TOKEN", "hosts": [API], "header": "Authorization"}}}, f)
        r = yard.run("env; echo $PLAIN", "-p", p, env=dict(ENV, PLAIN="p-value"))
        check(VALUE not in r.out and "p-value" in r.out, "network.mode %s: the value is inside" % mode, r)
