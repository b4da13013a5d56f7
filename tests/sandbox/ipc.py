# SPDX-License-Identifier: Apache-2.0
"""No memory, queue, socket, key or descriptor of the host is reached from inside."""
import ctypes
import os
import socket
import subprocess

from probe import SEE_ALL, Service, compile_c, escapes, outside_dir, python, PRELUDE
from yard import check, skip, test

KEY = 0x42570000 | (os.getpid() & 0xffff)
SECRET = b"IPCSECRET"
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p


@test
def system_v_shared_memory_of_the_host_is_not_attached(yard):
    shm = libc.shmget(KEY, 4096, 0o1666)
    try:
        ctypes.memmove(libc.shmat(shm, None, 0), SECRET, len(SECRET))
        escapes(yard, python("libc.shmat.restype = ctypes.c_void_p\ni = libc.shmget({K}, 0, 0)\nif i >= 0: "
                             "print(ctypes.string_at(libc.shmat(i, None, 0), 9))", K=KEY),
                lambda r: "IPCSECRET" in r.out, (), SEE_ALL)
        escapes(yard, python("libc.shmat.restype = ctypes.c_void_p\nprint(ctypes.string_at(libc.shmat({I}, None, 0), "
                             "9))", I=shm), lambda r: "IPCSECRET" in r.out)
        escapes(yard, "cat /proc/sysvipc/shm; ipcs -m", lambda r: str(KEY) in r.out or "%08x" % KEY in r.out)
    finally:
        libc.shmctl(shm, 0, None)


@test
def system_v_queues_and_semaphores_of_the_host_are_not_used(yard):
    queue, sem = libc.msgget(KEY, 0o1666), libc.semget(KEY, 1, 0o1666)
    try:
        escapes(yard, python("print('FOUND' if libc.msgget({K}, 0) >= 0 else '')", K=KEY), lambda r: "FOUND" in r.out)
        escapes(yard, python("print('FOUND' if libc.semget({K}, 0, 0) >= 0 else '')", K=KEY),
                lambda r: "FOUND" in r.out)
        yard.run(python("libc.msgctl({Q}, 0, None); libc.semctl({S}, 0, 0)", Q=queue, S=sem))
        check(libc.msgget(KEY, 0) == queue and libc.semget(KEY, 0, 0) == sem,
              "a queue or semaphore of the host was removed")
    finally:
        libc.msgctl(queue, 0, None)
        libc.semctl(sem, 0, 0)


@test
def system_v_objects_made_inside_are_not_on_the_host(yard):
    line = python("print('MADE' if libc.shmget({K}, 4096, 0o1666) >= 0 else '')", K=KEY + 1)

    def landed(_):
        i = libc.shmget(KEY + 1, 0, 0)
        if i >= 0:
            libc.shmctl(i, 0, None)
        return i >= 0

    escapes(yard, line, landed)
    check("MADE" in yard.run(line).out, "shared memory does not work inside")


@test
def message_queues_of_the_host_are_not_opened(yard):
    name = b"/bawn-test-%d" % os.getpid()
    try:
        mq = ctypes.CDLL("librt.so.1", use_errno=True)
    except OSError:
        mq = libc
    q = mq.mq_open(name, os.O_CREAT | os.O_RDWR, 0o600, None)
    if q < 0:
        skip("no POSIX message queues here")
    try:
        escapes(yard, python("m = ctypes.CDLL('librt.so.1')\nprint('OPENED' if m.mq_open(b'{N}', 2) >= 0 else '')",
                             N=name.decode()), lambda r: "OPENED" in r.out)
    finally:
        os.close(q)
        mq.mq_unlink(name)


def sockets(path):
    return ((socket.SOCK_STREAM, "stream"), (socket.SOCK_DGRAM, "dgram"), (socket.SOCK_SEQPACKET, "seqpacket"))


CONNECT = "s = socket.socket(socket.AF_UNIX, {T}); s.connect({A}); s.sendall(b'TAG'); time.sleep(0.1)"
SENDTO = "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.sendto(b'TAG', {A})"
SENDMSG = "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.sendmsg([b'TAG'], [], 0, {A})"
PAIR = "a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM); a.sendto(b'TAG', {A})"


def reach(yard, address, kind, codes, policies):
    with Service(socket.AF_UNIX, kind, address) as s:
        for code in codes:
            line = python(code, A=repr(address), T=int(kind))
            escapes(yard, line, lambda r: s.reached(), *policies, setup=s.forget)


@test
def abstract_sockets_of_the_host_are_not_reached(yard):
    for kind, name in sockets(None):
        codes = [CONNECT] + ([SENDTO, SENDMSG, PAIR] if kind == socket.SOCK_DGRAM else [])
        reach(yard, "\0bawn-test-%s-%d" % (name, os.getpid()), kind, codes, [(), SEE_ALL, ("--set",
            "network.mode=open")])


@test
def sockets_outside_are_not_reached(yard):
    out = outside_dir(yard)
    for kind, name in sockets(None):
        codes = [CONNECT] + ([SENDTO, SENDMSG, PAIR] if kind == socket.SOCK_DGRAM else [])
        reach(yard, "%s/%s.sock" % (out, name), kind, codes, [(), SEE_ALL, ("--read", out)])


@test
def sockets_in_the_workspace_of_the_host_are_not_reached(yard):
    for kind, name in sockets(None):
        codes = [CONNECT] + ([SENDTO, SENDMSG, PAIR] if kind == socket.SOCK_DGRAM else [])
        reach(yard, "%s/%s.sock" % (yard.workspace, name), kind, codes, [(), SEE_ALL])


@test
def sockets_in_shared_places_are_not_reached(yard):
    for d in ("/tmp", "/var/tmp", "/dev/shm", "/run/user/%d" % os.geteuid()):
        if os.access(d, os.W_OK):
            reach(yard, "%s/bawn-test-%d.sock" % (d, os.getpid()), socket.SOCK_STREAM, [CONNECT], [(), SEE_ALL])


@test
def sockets_of_well_known_services_are_not_there(yard):
    r = yard.run("for s in /run/docker.sock /var/run/docker.sock /run/containerd/containerd.sock "
                 "/run/podman/podman.sock /run/dbus/system_bus_socket /run/systemd/private "
                 "/run/systemd/journal/socket /run/systemd/notify /run/user/$(id -u)/bus /run/user/$(id "
                 "-u)/systemd/private /run/user/$(id -u)/wayland-0 /tmp/.X11-unix/X0 /run/snapd.socket "
                 "/run/udev/control /run/nscd/socket /run/cups/cups.sock /run/acpid.socket /dev/log; do test -e $s && "
                 "echo SEEN $s; done; find /run -type s 2>/dev/null; true", *SEE_ALL)
    check(r.rc == 0 and r.out == "", "sockets of services of the host are seen", r)


@test
def a_socket_is_not_reached_under_another_name(yard):
    path = yard.workspace + "/s.sock"
    with Service(socket.AF_UNIX, socket.SOCK_STREAM, path) as s:
        for line in ("ln s.sock h; ", "ln -s s.sock h; ", "mv s.sock h; ", "cd /proc/self/cwd; ln s.sock h; "):
            def setup():
                yard.call(["sh", "-c", "test -e h && ! test -e s.sock && mv h s.sock; rm -f h"])
                s.forget()
            escapes(yard, line + python(CONNECT, A="'h'", T=1), lambda r: s.reached(), setup=setup)


@test
def a_32_bit_call_does_not_connect(yard):
    if os.uname().machine != "x86_64":
        skip("x86 only")
    program = compile_c(yard, "i80", r"""
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
static long old(long n, long a, long b, long c)
{
    long r;
    __asm__ volatile("int $0x80" : "=a"(r) : "a"(n), "b"(a), "c"(b), "d"(c) : "memory", "r8", "r9", "r10", "r11");
    return (int)r;
}
int main(int argc, char **argv)
{
    char *m = mmap(0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    struct sockaddr_un *u = (void *)m;
    long fd = old(359, AF_UNIX, SOCK_STREAM, 0);
    u->sun_family = AF_UNIX;
    strcpy(u->sun_path, argv[1]);
    printf("%ld %ld %ld\n", fd, old(362, fd, (long)u, sizeof *u), old(20, 0, 0, 0));
    return 0;
}
""")
    path = yard.workspace + "/s.sock"
    with Service(socket.AF_UNIX, socket.SOCK_STREAM, path) as s:
        escapes(yard, program + " " + path, lambda r: s.reached(), setup=s.forget,
                optional="this kernel has no 32-bit calls")


@test
def datagram_pairs_are_refused_and_stream_pairs_work(yard):
    line = python("for t in (1, 2, 3, 5):\n try: socket.socketpair(socket.AF_UNIX, t); print(t)\n except OSError: pass")
    check(yard.outside(line).out.split() == ["1", "2", "3", "5"], "positive control")
    r = yard.run(line)
    check(r.out.split() == ["1", "5"], "AF_UNIX pairs inside: stream and seqpacket only", r)


def with_inherited(yard, fds, line, *options):
    """Runs with these descriptors at 7, 8, …, as a careless launcher leaves them open."""
    launcher = ("import os, sys\nfor i, f in enumerate(map(int, sys.argv[1].split(','))): os.dup2(f, 40 + i)\nfor i in "
                "range(len(sys.argv[1].split(','))): os.dup2(40 + i, 7 + i); os.close(40 + i)\nos.execvp(sys.argv[2], "
                "sys.argv[2:])")
    base = ["python3", "-c", launcher, ",".join(map(str, fds))]
    outside = yard.call(base + ["sh", "-c", line], pass_fds=fds)
    inside = yard.call(base + [yard.binary, "run", *options, "--", "sh", "-c", line], pass_fds=fds)
    check(inside.rc != 125, "bawn did not start", inside)
    return outside, inside


@test
def inherited_files_are_closed(yard):
    out = outside_dir(yard)
    fds = [os.open(out + "/canary", os.O_RDWR | os.O_APPEND), os.open("/dev/null", os.O_RDWR)]
    outside, inside = with_inherited(yard, fds, "cat <&7; echo PWN >&7")
    check("OUTSIDE" in outside.out, "positive control", outside)
    with open(out + "/canary") as f:
        check("OUTSIDE" not in inside.out and f.read().count("PWN") == 1, "an inherited descriptor was used", inside)
    for fd in fds:
        os.close(fd)


@test
def inherited_directories_are_closed(yard):
    out = outside_dir(yard)
    for options in ((), SEE_ALL):
        fds = [os.open(out, os.O_RDONLY), os.open("/", os.O_PATH)]
        outside_dir(yard)
        fds = [os.open(out, os.O_RDONLY), os.open("/", os.O_PATH)]
        line = python("try: os.open('pwn', os.O_CREAT | os.O_WRONLY, dir_fd=7); print('MADE')\nexcept OSError: "
                      "pass\ntry: os.fchdir(8); print('THERE')\nexcept OSError: pass")
        outside, inside = with_inherited(yard, fds, line, *options)
        check("MADE\nTHERE" in outside.out, "positive control", outside)
        check("MADE" not in inside.out and "THERE" not in inside.out, "an inherited directory was used", inside)
        for fd in fds:
            os.close(fd)


@test
def inherited_sockets_are_closed(yard):
    ours, theirs = socket.socketpair()
    listener = socket.create_server(("127.0.0.1", 0))
    outside, inside = with_inherited(yard, [theirs.fileno(), listener.fileno()], "printf TAG >&7 && echo SENT")
    check("SENT" in outside.out and "SENT" not in inside.out, "an inherited socket was used", inside)
    check(ours.recv(99) == b"TAG", "more than the control's bytes came out")
    ours.close()
    theirs.close()
    listener.close()


@test
def no_descriptor_but_the_three_is_open_inside(yard):
    r0, w0 = os.pipe()
    fds = [r0, w0, os.open("/", os.O_PATH), os.open("/proc/self/ns/net", os.O_RDONLY), os.open("/dev/null", os.O_RDWR),
           os.memfd_create("m")]
    outside, inside = with_inherited(yard, fds, "ls /proc/self/fd; ls /proc/$$/fd", *SEE_ALL)
    check("9" in outside.out.split(), "positive control", outside)
    check(set(inside.out.split()) <= {"0", "1", "2", "3"}, "descriptors inside", inside)
    for fd in fds:
        os.close(fd)


@test
def the_descriptor_of_events_is_not_inside(yard):
    r, w = os.pipe()
    p = subprocess.run([yard.binary, "run", "--json=%d" % w, "--", "sh", "-c",
                        "ls -l /proc/$$/fd; echo for''ged >&%d" % w], cwd=yard.workspace, env=yard.env,
                       pass_fds=[w], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30)
    os.close(w)
    with os.fdopen(r) as f:
        events = f.read()
    check("run.started" in events and "forged" not in events, "the events' descriptor is open inside\n%s\n%s" % (events,
        p.stderr.decode()))


ADD_KEY = """
x86 = os.uname().machine == 'x86_64'
add, request, ctl = (248, 249, 250) if x86 else (217, 218, 219)
"""


@test
def keys_of_the_session_and_the_user_are_not_read(yard):
    put = PRELUDE + ADD_KEY + """
ring = int(sys.argv[1])
if ring == -3: call(ctl, 1, b'bawn-test', 0, 0, 0)
k = call(add, b'user', b'bawn-key', b'KEYSECRET', 9, ring)
if k < 0: print('NOKEYS'); sys.exit(0)
os.execvp(sys.argv[2], sys.argv[2:])
"""
    get = python(ADD_KEY + """
b = ctypes.create_string_buffer(99)
for ring in (-3, -4, -5):
    k = call(ctl, 10, ring, b'user', b'bawn-key', 0)
    if k < 0: k = call(request, b'user', b'bawn-key', None, 0)
    if k > 0: call(ctl, 11, k, b, 99); print(b.value)
""")
    try:
        for ring in ("-3", "-4", "-5"):
            start = ["python3", "-c", put, ring]
            outside = yard.call(start + ["sh", "-c", get])
            if "NOKEYS" in outside.out:
                skip("no keyrings here")
            check("KEYSECRET" in outside.out, "positive control, ring %s" % ring, outside)
            for options in ((), SEE_ALL, ("--set", "nested=true")):
                inside = yard.call(start + [yard.binary, "run", *options, "--", "sh", "-c", get])
                check(inside.rc != 125 and "KEYSECRET" not in inside.out, "a key of ring %s was read" % ring, inside)
    finally:
        yard.outside(python(ADD_KEY + "for ring in (-4, -5):\n k = call(ctl, 10, ring, b'user', b'bawn-key', 0)\n if k "
                            "> 0: call(ctl, 9, k, ring)"))


@test
def the_environment_names_no_agent(yard):
    env = {"SSH_AUTH_SOCK": "/tmp/x/agent", "DBUS_SESSION_BUS_ADDRESS": "unix:path=/run/x", "DISPLAY": ":0",
           "WAYLAND_DISPLAY": "wayland-0", "XAUTHORITY": "/x",
           "GPG_AGENT_INFO": "x", "AWS_SECRET_ACCESS_KEY": "x", "TMUX": "/tmp/t,1,0", "DOCKER_HOST": "unix:///x",
               "GITHUB_TOKEN": "x", "LD_PRELOAD": "", "BASH_ENV": "/x"}
    check(all(n in yard.outside("env", env=env).out for n in env), "positive control")
    r = yard.run("env", env=env)
    check(r.rc == 0 and not [n for n in env if n + "=" in r.out], "names of agents and secrets are passed in", r)
