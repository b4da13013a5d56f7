# SPDX-License-Identifier: Apache-2.0
"""Resolvers behind the guard: a name that policy lists resolves and leads to its server, any other does not exist, said at
once and by nobody outside. Each resolver is asked through the programs that have it."""
import socket
import struct
import threading

from stage import ADDRESS, Stage
from yard import check, need, skip, test

NAME, REFUSED = "served.stage.test", "refused.stage.test"


class NameServer:
    """The machine's own, on its loopback: it answers for both names, and keeps what it was asked."""

    def __init__(self):
        self.asked = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 53))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            query, client = self.socket.recvfrom(4096)
            if not query:
                return
            name, at = [], 12
            while query[at]:
                name.append(query[at + 1:at + 1 + query[at]].decode().lower())
                at += 1 + query[at]
            name, a = ".".join(name), struct.unpack(">H", query[at + 1:at + 3])[0] == 1
            self.asked.append(name)
            known = name in (NAME, REFUSED)
            head = query[:2] + struct.pack(">HHHHH", 0x8180 if known else 0x8183, 1, int(known and a), 0, 0)
            answer = struct.pack(">HHHIH", 0xc00c, 1, 1, 1, 4) + socket.inet_aton(ADDRESS) if known and a else b""
            self.socket.sendto(head + query[12:at + 5] + answer, client)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"", ("127.0.0.1", 53))


def behind(yard, said, *lines, options=()):
    """What each line prints must have all that is in `said`, where a page of the server shows that it was reached."""
    with Stage(yard, "www.stage.test") as stage, NameServer() as upstream:
        for line in lines:
            upstream.asked.clear()
            r = yard.run(line, "-p", stage.policy([{"host": NAME}]), *options, timeout=60)
            missing = [s for s in said if s not in r.out]
            check(r.rc == 0 and not missing, "it does not say %s" % missing, r)
            check(NAME in upstream.asked, "positive control: the machine's name server was not asked for %s" % NAME, r)
            check(set(upstream.asked) == {NAME}, "what no rule lists was asked for outside: %s" % upstream.asked, r)
            records = [l["detail"] for l in stage.records("dns")]
            seen = {d["host"] for d in records}
            check(all(d["client"].rpartition(":")[0] for d in records), "who asked is not on record: %s" % records)
            check(seen == {REFUSED}, "the guard was asked for %s" % seen, r)  # so for no name with a domain put behind it


# --- libc ---------------------------------------------------------------------------------------------------------

LIBC = r"""
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void fetch(const struct addrinfo *a, const char *name)
{
    char text[600], host[256] = "nobody";
    int fd = socket(a->ai_family, SOCK_STREAM, 0);
    ssize_t n = 0, r;

    getnameinfo(a->ai_addr, a->ai_addrlen, host, sizeof host, NULL, 0, NI_NAMEREQD);
    if (fd < 0 || connect(fd, a->ai_addr, a->ai_addrlen) < 0) {
        perror("connect");
        return;
    }
    dprintf(fd, "GET /client HTTP/1.0\r\nHost: %s\r\n\r\n", name);
    while ((r = read(fd, text + n, sizeof text - 1 - (size_t)n)) > 0)
        n += r;
    text[n] = '\0';
    printf("IPv%d of %s: %s\n", a->ai_family == AF_INET6 ? 6 : 4, host, strstr(text, "GET /client") ? "served" : text);
    close(fd);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *all = NULL;
        int e = getaddrinfo(argv[i], "80", &hints, &all);

        if (e)
            printf("%s: %s\n", argv[i], e == EAI_NONAME ? "does not exist" : gai_strerror(e));
        for (const struct addrinfo *a = all; a; a = a->ai_next)
            fetch(a, argv[i]);
    }
    return 0;
}
"""
LIBC_SAYS = ["IPv4 of %s: served" % NAME, "IPv6 of %s: served" % NAME, "%s: does not exist" % REFUSED]


def libc(yard, compiler, *options):
    need(*compiler[:1])
    yard.write("resolve.c", LIBC)
    r = yard.call([*compiler, "-o", yard.path("resolve"), yard.path("resolve.c")], timeout=60)
    check(r.rc == 0, "the compiler", r)
    behind(yard, LIBC_SAYS, "./resolve %s %s" % (NAME, REFUSED), options=options)


@test
def glibc_resolves(yard):
    libc(yard, ["gcc", "-D_GNU_SOURCE"])


@test
def glibc_resolves_over_tcp(yard):
    libc(yard, ["gcc", "-D_GNU_SOURCE"], "--env", "RES_OPTIONS=use-vc")


@test
def musl_resolves(yard):
    libc(yard, ["musl-gcc", "-D_GNU_SOURCE", "-static"])


# --- c-ares -------------------------------------------------------------------------------------------------------

NODE = """
const dns = require("dns").promises, http = require("http"), [name, refused] = process.argv.slice(1);
const no = (what, p) => p.then(a => console.log(what, "resolves", a), e => console.log(what, e.code));
const get = (address, family) => new Promise(done => http.get({host: address, path: "/client", headers: {host: name}},
    r => r.on("data", d => console.log("IPv" + family, String(d))).on("end", done)).on("error", e => { console.log(e.message); done(); }));
(async () => {
    const a = await dns.resolve4(name), b = await dns.resolve6(name);
    await get(a[0], 4); await get(b[0], 6);
    console.log("PTR", await dns.reverse(a[0]), await dns.reverse(b[0]));
    await no("SRV", dns.resolveSrv(name)); await no("TXT", dns.resolveTxt(name));
    for (const f of ["resolve4", "resolve6", "resolveSrv"]) await no(f, dns[f](refused));
    await no("lookup", dns.lookup(refused));
})();
"""


@test
def c_ares_in_node_resolves(yard):
    need("node")
    behind(yard, ["IPv4 GET /client", "IPv6 GET /client", "PTR [ '%s' ] [ '%s' ]" % (NAME, NAME), "SRV ENODATA", "TXT ENODATA",
                  "resolve4 ENOTFOUND", "resolve6 ENOTFOUND", "resolveSrv ENOTFOUND", "lookup ENOTFOUND"],
           "node -e '%s' %s %s" % (NODE, NAME, REFUSED))


PYCARES = """
import pycares, select, socket, sys
name, refused, tcp = sys.argv[1], sys.argv[2], sys.argv[3] == "tcp"
c = pycares.Channel(flags=pycares.ARES_FLAG_USEVC if tcp else 0)
def ask(host, family):
    got = []
    c.gethostbyname(host, family, lambda result, error: got.append(result.addresses if result else pycares.errno.errorcode[error]))
    while not got:
        r, w = c.getsock()
        r, w, _ = select.select(r, w, [], c.timeout())
        for fd in r or (() if w else (pycares.ARES_SOCKET_BAD,)): c.process_fd(fd, pycares.ARES_SOCKET_BAD)
        for fd in w: c.process_fd(pycares.ARES_SOCKET_BAD, fd)
    return got[0]
for family in (socket.AF_INET, socket.AF_INET6):
    with socket.create_connection((ask(name, family)[0], 80), 10) as s:
        s.sendall(b"GET /client HTTP/1.0\\r\\nHost: %s\\r\\n\\r\\n" % name.encode())
        print("served" if b"GET /client" in s.makefile("rb").read() else "not served")
    print(ask(refused, family))
"""


@test
def c_ares_resolves(yard):
    if yard.outside("python3 -c 'import pycares'").rc:
        skip("needs Python's module pycares, which is not installed")
    yard.write("ask.py", PYCARES)
    line = "python3 ask.py %s %s " % (NAME, REFUSED)
    behind(yard, ["served\nARES_ENOTFOUND\nserved\nARES_ENOTFOUND\n"], line + "udp", line + "tcp")


# --- resolvers of languages ---------------------------------------------------------------------------------------

GO = """package main
import ("context"; "errors"; "fmt"; "io"; "net"; "net/http"; "os")
func main() {
	ctx, name, refused := context.Background(), os.Args[1], os.Args[2]
	r := &net.Resolver{PreferGo: true}
	if os.Args[3] == "tcp" {
		r.Dial = func(ctx context.Context, _, address string) (net.Conn, error) { return (&net.Dialer{}).DialContext(ctx, "tcp", address) }
	}
	no := func(what string, err error) {
		var e *net.DNSError
		fmt.Println(what, errors.As(err, &e) && e.IsNotFound && !e.IsTimeout, err)
	}
	net.DefaultResolver = r
	addresses, err := r.LookupHost(ctx, name)
	fmt.Println(len(addresses), "addresses", err)
	for _, a := range addresses { names, err := r.LookupAddr(ctx, a); fmt.Println("PTR", names, err) }
	_, err = r.LookupHost(ctx, refused); no("host", err)
	_, _, err = r.LookupSRV(ctx, "", "", name); no("SRV", err)
	_, err = r.LookupMX(ctx, refused); no("MX", err)
	if a, err := http.Get("http://" + name + "/client"); err != nil { fmt.Println(err) } else { b, _ := io.ReadAll(a.Body); fmt.Print(string(b)) }
}
"""


@test(timeout=180)
def go_resolves(yard):
    """Its own resolver (PreferGo), over UDP and over TCP."""
    need("go")
    yard.write("resolve.go", GO)
    r = yard.outside("go build -o resolve resolve.go", timeout=120, env={"GOFLAGS": "-mod=mod", "GOPROXY": "off"})
    check(r.rc == 0, "go build", r)
    line = "./resolve %s %s " % (NAME, REFUSED)
    behind(yard, ["2 addresses <nil>", "PTR [%s.] <nil>\nPTR [%s.] <nil>" % (NAME, NAME), "host true", "SRV true", "MX true", "GET /client"],
           line + "udp", line + "tcp")


JAVA = """
import java.net.*; import java.util.*; import javax.naming.*; import javax.naming.directory.*;
public class Resolve {
    static void ask(DirContext dns, String name, String... types) {
        try { Attributes a = dns.getAttributes(name, types);
              for (String t : types) System.out.println("JNDI " + t + " " + (a.get(t) != null)); }
        catch (NameNotFoundException e) { System.out.println("JNDI " + name + " does not exist"); }
        catch (NamingException e) { System.out.println("JNDI " + name + " " + e); }
    }
    public static void main(String[] a) throws Exception {
        for (InetAddress i : InetAddress.getAllByName(a[0]))
            System.out.println((i instanceof Inet6Address ? "IPv6 of " : "IPv4 of ") + InetAddress.getByAddress(i.getAddress()).getHostName());
        try { InetAddress.getByName(a[1]); System.out.println("it exists"); }
        catch (UnknownHostException e) { System.out.println(e.getMessage()); }
        Hashtable<String, String> env = new Hashtable<>();
        env.put(Context.INITIAL_CONTEXT_FACTORY, "com.sun.jndi.dns.DnsContextFactory");
        DirContext dns = new InitialDirContext(env);
        ask(dns, a[0], "A", "AAAA", "SRV"); ask(dns, a[1], "A");
        System.out.println(new String(URI.create("http://" + a[0] + "/client").toURL().openStream().readAllBytes()));
    }
}
"""


@test(timeout=180)
def java_resolves(yard):
    need("java", "javac")
    yard.write("Resolve.java", JAVA)
    r = yard.outside("javac Resolve.java", timeout=90)
    check(r.rc == 0, "javac", r)
    behind(yard, ["IPv4 of " + NAME, "IPv6 of " + NAME, "%s: Name or service not known" % REFUSED, "JNDI A true", "JNDI AAAA true",
                  "JNDI SRV false", "JNDI %s does not exist" % REFUSED, "GET /client"], "java -cp . Resolve %s %s" % (NAME, REFUSED))


# --- what else may be asked ---------------------------------------------------------------------------------------

RAW = """
import socket, struct, sys
name, refused = sys.argv[1], sys.argv[2]
TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33, "NAPTR": 35, "SVCB": 64, "HTTPS": 65, "CAA": 257}
def query(host, type): return struct.pack(">HHHHHH", 7, 0x120, 1, 0, 0, 1) + b"".join(bytes([len(l)]) + l.encode() for l in host.split(".")) + \\
    b"\\0" + struct.pack(">HH", type, 1) + b"\\0" + struct.pack(">HHIH", 41, 4096, 0, 0)
def udp(q):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s: s.settimeout(10); s.sendto(q, ("192.0.2.1", 53)); return s.recv(4096)
def tcp(q):
    with socket.create_connection(("192.0.2.1", 53), 10) as s: s.sendall(struct.pack(">H", len(q)) + q); f = s.makefile("rb"); return f.read(struct.unpack(">H", f.read(2))[0])
for how in (udp, tcp):
    for host in (name, "_http._tcp." + name, refused):
        for word, type in TYPES.items():
            flags, _, answers, authorities = struct.unpack(">HHHH", how(query(host, type))[2:10])
            print(how.__name__, host, word, flags & 15, bool(flags & 0x200), answers, authorities)
import urllib.request
print(urllib.request.urlopen("http://%s/client" % name).read())
"""


@test
def every_type_of_query_has_its_answer(yard):
    """An address, or that there is none of that type, or that there is no such name; never nothing, never cut."""
    yard.write("raw.py", RAW)
    want = ["GET /client"]
    for how in ("udp", "tcp"):
        for word in ("A", "AAAA"):
            want.append("%s %s %s 0 False 1 0\n" % (how, NAME, word))
        for word in ("NS", "CNAME", "SOA", "MX", "TXT", "SRV", "NAPTR", "SVCB", "HTTPS", "CAA"):
            want.append("%s %s %s 0 False 0 1\n" % (how, NAME, word))
            want.append("%s _http._tcp.%s %s 3 False 0 1\n" % (how, NAME, word))
            want.append("%s %s %s 3 False 0 1\n" % (how, REFUSED, word))
    behind(yard, want, "python3 raw.py %s %s" % (NAME, REFUSED))
