# SPDX-License-Identifier: Apache-2.0
"""network off (the default) means none: no family, no address of the machine itself, no resolver."""
import os
import socket

from probe import ROOT, SEE_ALL, Service, escapes, python
from yard import check, need, skip, test

POLICIES = ((), SEE_ALL, ("--set", "nested=true"))


def addresses():
    """This machine's own, loopback first."""
    found = [(socket.AF_INET, "127.0.0.1")]
    if os.path.exists("/proc/net/if_inet6"):
        found.append((socket.AF_INET6, "::1"))
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        s.connect(("198.51.100.1", 9))
        found.append((socket.AF_INET, s.getsockname()[0]))
    except OSError:
        pass  # no route: a machine without network
    s.close()
    return found


@test
def servers_of_the_host_are_not_reached_by_tcp(yard):
    line = "s = socket.create_connection(({H!r}, {P}), 2); s.sendall(b'TAG'); time.sleep(0.1)"
    for family, address in addresses():
        with Service(family, socket.SOCK_STREAM, (address, 0)) as s:
            escapes(yard, python(line.replace("{H!r}", repr(address)), P=s.address[1]), lambda r: s.reached(),
                    *POLICIES, setup=s.forget)


@test
def servers_of_the_host_are_not_reached_by_udp(yard):
    for family, address in addresses():
        with Service(family, socket.SOCK_DGRAM, (address, 0)) as s:
            for code in ("socket.socket({F}, 2).sendto(b'TAG', ({H}, {P}))",
                         "s = socket.socket({F}, 2); s.connect(({H}, {P})); s.send(b'TAG')",
                         "socket.socket({F}, 2).sendmsg([b'TAG'], [], 0, ({H}, {P}))"):
                escapes(yard, python(code, F=int(family), H=repr(address), P=s.address[1]), lambda r: s.reached(),
                        *POLICIES, setup=s.forget)


@test
def other_spellings_of_the_loopback_do_not_lead_to_it(yard):
    with Service(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)) as s:
        for host in ("localhost", "127.1", "0", "0.0.0.0", "2130706433", "::ffff:127.0.0.1"):
            escapes(yard, python("s = socket.create_connection(({H}, {P}), 2); s.sendall(b'TAG'); time.sleep(0.1)",
                                 H=repr(host), P=s.address[1]),
                    lambda r: s.reached(), setup=s.forget)


@test
def shells_and_clients_do_not_reach_the_host(yard):
    with Service(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0), b"HTTP/1.0 200 OK\r\n\r\nHELLO\n") as s:
        port = s.address[1]
        escapes(yard, "bash -c 'exec 3<>/dev/tcp/127.0.0.1/%d; echo TAG >&3; cat <&3'" % port, lambda r: s.reached(),
                *POLICIES, setup=s.forget)
        need("curl")
        escapes(yard, "curl -s -m 2 http://127.0.0.1:%d/TAG" % port, lambda r: s.reached(), *POLICIES, setup=s.forget)
        escapes(yard, "env HTTP_PROXY=http://127.0.0.1:%d http_proxy=http://127.0.0.1:%d curl -s -m 2 "
                "http://example.org/TAG" % (port, port), lambda r: s.reached(), setup=s.forget)


@test
def names_are_not_resolved_by_the_hosts_resolver(yard):
    """No query leaves: there is nowhere to send it to. The control is a resolver of the host's loopback."""
    query = python("""
q = b'\\x12\\x34\\x01\\0\\0\\1\\0\\0\\0\\0\\0\\0\\3tag\\7example\\3org\\0\\0\\1\\0\\1'
s = socket.socket(2, 2); s.settimeout(1); s.sendto(q, ('127.0.0.1', {P}))
""")
    with Service(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)) as s:
        escapes(yard, query.replace("{P}", str(s.address[1])), lambda r: s.reached(), *POLICIES, setup=s.forget)
    r = yard.run("getent hosts example.org; getent ahosts tag.example.org; echo $?")
    check(r.out.strip() == "2", "a name was resolved inside", r)


@test
def only_the_loopback_interface_is_there(yard):
    r = yard.run("ls /sys/class/net; grep -o '^ *[a-z0-9]*:' /proc/net/dev; cat /proc/net/route | tail -n +2; cat "
                 "/proc/net/arp | tail -n +2", *SEE_ALL)
    check(r.rc == 0 and set(w.strip(":") for w in r.out.split()) == {"lo"},
          "interfaces, routes or neighbours of the host are seen", r)


@test
def connections_of_the_host_are_not_listed(yard):
    with Service(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)) as s, Service(socket.AF_UNIX, socket.SOCK_STREAM,
            "\0bawn-list-%d" % os.getpid()):
        mark = "%04X" % s.address[1]
        escapes(yard, "cat /proc/net/tcp /proc/net/unix; cat /proc/self/net/tcp", lambda r: ":" + mark in r.out
                or "bawn-list" in r.out, *POLICIES)


@test
def a_server_inside_is_not_on_the_host(yard):
    import threading
    line = python("s = socket.create_server(('', {P})); s.settimeout(1.5)\ntry: s.accept(); print('VISITED')\nexcept "
                  "OSError: print('ALONE')")
    probe = socket.create_server(("127.0.0.1", 0))
    port = probe.getsockname()[1]
    probe.close()

    def visit():
        import time
        for _ in range(20):
            time.sleep(0.05)
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                pass

    for outside in (True, False):
        t = threading.Thread(target=visit)
        t.start()
        r = (yard.outside if outside else yard.run)(line.replace("{P}", str(port)))
        t.join()
        check(("VISITED" if outside else "ALONE") in r.out,
              "positive control" if outside else "the host reached a server inside", r)


@test
def no_other_socket_family_opens(yard):
    allowed = {1, 2, 10, 16}  # UNIX, INET, INET6, NETLINK
    line = python("""
for family in range(1, 50):
    for kind in (1, 2, 3, 4, 5, 6, 10):
        for protocol in (0, 1, 3, 255):
            try: socket.socket(family, kind, protocol).close(); print(family)
            except OSError: pass
""")

    def others(r):
        return {int(n) for n in r.out.split()} - allowed

    escapes(yard, line, others, *POLICIES, optional="no other family opens outside either")


@test
def raw_ping_and_odd_protocols_do_not_open(yard):
    line = python("""
for family, kind, protocol in ((2, 3, 1), (2, 3, 255), (2, 3, 6), (10, 3, 58), (2, 10, 0), (17, 3, 768), (17, 2, 768),
                               (2, 2, 1), (10, 2, 58), (2, 2, 136), (2, 1, 262), (2, 1, 132), (2, 5, 132), (2, 6, 33),
                               (43, 1, 0)):
    try: socket.socket(family, kind, protocol).close(); print('OPEN', family, kind, protocol)
    except OSError: pass
""")
    escapes(yard, line, lambda r: "OPEN" in r.out, *POLICIES, optional="none of these opens outside either")


@test
def netlink_carries_routes_only(yard):
    line = python("""
for p in range(0, 23):
    try: socket.socket(16, 3, p).close(); print(p)
    except OSError: pass
""")
    check(len(yard.outside(line).out.split()) > 1, "positive control")
    r = yard.run(line)
    check(r.out.split() in ([], ["0"]), "netlink families inside", r)


@test
def interfaces_and_routes_cannot_be_made(yard):
    need("ip")
    r = yard.run("ip link add d0 type dummy && echo MADE; ip addr add 192.0.2.1/32 dev lo && echo MADE; ip route add "
                 "default dev lo && echo MADE; ip netns add x && echo MADE; ip link set lo down && echo MADE; true")
    check(r.rc == 0 and "MADE" not in r.out, "the network inside can be configured", r)


@test
def the_network_namespace_cannot_be_left(yard):
    r = yard.run("readlink /proc/self/ns/net; for p in /proc/[0-9]*; do nsenter --net=$p/ns/net readlink "
                 "/proc/self/ns/net 2>/dev/null; done; nsenter -t 1 -n true 2>/dev/null && echo LEFT; true")
    check(r.rc == 0 and "LEFT" not in r.out, "another network namespace was entered", r)
    check(os.readlink("/proc/self/ns/net") not in r.out, "the network namespace is the host's", r)


@test
def policies_cannot_be_had_that_this_build_does_not_hold(yard):
    """Guarded networking is refused, not ignored, until it is there; open says so."""
    r = yard.run("true", "--allow", "example.org")
    check(r.rc in (0, 125), "neither started nor refused", r)
    if r.rc == 125:
        check("not in this build" in r.err and len(r.err.splitlines()) == 1, "the refusal does not say why in one line",
              r)
    with Service(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)) as s:
        r = yard.run(python("s = socket.create_connection(('127.0.0.1', {P}), 2); s.sendall(b'TAG'); time.sleep(0.1)",
                            P=s.address[1]), "--set", "network.mode=open")
        check(r.rc == 0 and s.reached(), "network open does not reach the host's loopback", r)
        check("open" in r.err, "nothing warns of an open network", r)


@test
def metadata_services_are_not_reached(yard):
    if not ROOT:
        skip("needs root, to put the address on the loopback")
    yard.call(["ip", "addr", "add", "169.254.169.254/32", "dev", "lo"])
    try:
        with Service(socket.AF_INET, socket.SOCK_STREAM, ("169.254.169.254", 0)) as s:
            escapes(yard, python("s = socket.create_connection(('169.254.169.254', {P}), 2); s.sendall(b'TAG'); "
                                 "time.sleep(0.1)", P=s.address[1]), lambda r: s.reached(), setup=s.forget)
    finally:
        yard.call(["ip", "addr", "del", "169.254.169.254/32", "dev", "lo"])
