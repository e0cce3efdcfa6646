"""PostgreSQL servers and Colophon's for the drills, each in a folder of its own, all on 127.0.0.1."""
import glob, os, pwd, re, shutil, signal, socket, subprocess, sys, tempfile, time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WIDE = "burst=1000000000/1s,sustained=1000000000/1s"
CLASSES = ("address", "key", "credential", "signup", "mailbox", "signups")
LIMITS = ";".join(f"{name}:{WIDE}" for name in CLASSES)


def build():
    subprocess.run(["swift", "build", "-c", "release", "--product", "colophon"], check=True,
                   cwd=ROOT, stdout=sys.stderr)
    return os.path.join(ROOT, ".build/release/colophon")


def programs():
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda p: int(p.split("/")[4]))
    if found:
        return found[-1]
    return subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True,
                          check=True).stdout.strip()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait(what, condition, seconds=60, pause=0.02):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(pause)
    raise RuntimeError(f"not within {seconds} s: {what}")


def descendants(pid):
    found = []
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        try:
            found += [int(child) for child in open(path).read().split()]
        except OSError:
            pass
    return found


class Folder:
    """A temporary folder that the server's user may pass through, and what is to be ended in it."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="colophon-faults-", dir="/tmp")
        os.chmod(self.path, 0o711)
        self.things = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for thing in reversed(self.things):
            thing.kill()
        shutil.rmtree(self.path, ignore_errors=True)


class Postgres:
    """A server; PostgreSQL refuses root, so under root it runs as `postgres`."""

    def __init__(self, folder, name):
        self.bin = programs()
        self.folder = folder
        self.data = os.path.join(folder.path, name)
        self.port = free_port()
        self.process = None
        self.user = "postgres" if os.geteuid() == 0 else None
        os.mkdir(self.data, 0o700)
        if self.user:
            account = pwd.getpwnam(self.user)
            os.chown(self.data, account.pw_uid, account.pw_gid)
        folder.things.append(self)

    def start_program(self, name, *arguments, **options):
        if self.user:
            options.update(user=self.user, group=pwd.getpwnam(self.user).pw_gid, extra_groups=[])
        return subprocess.Popen([os.path.join(self.bin, name), *arguments], cwd="/", **options)

    def run(self, name, *arguments):
        process = self.start_program(name, *arguments, stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT, text=True)
        said, _ = process.communicate()
        if process.returncode:
            raise RuntimeError(f"{name}: {said}")

    def make(self):
        self.run("initdb", "-D", self.data, "-U", "admin", "--auth=trust", "-E", "UTF8",
                 "--locale=C.UTF-8", "--no-sync")
        self.start()

    def copy(self, primary, name):
        """Becomes a hot standby of `primary`, which knows it by this name."""
        self.run("pg_basebackup", "-D", self.data, "-R", "-X", "stream", "-c", "fast", "-d",
                 f"host=127.0.0.1 port={primary.port} user=admin application_name={name}")
        self.start()

    def start(self):
        log = open(self.data + ".log", "ab")
        settings = dict(
            listen_addresses="127.0.0.1", unix_socket_directories="", port=self.port, fsync="off",
            max_connections=100, shared_buffers="64MB", max_wal_senders=4, wal_keep_size="256MB",
            wal_receiver_timeout="5s", wal_retrieve_retry_interval="500ms")
        arguments = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        deadline = time.monotonic() + 60
        while True:
            self.process = self.start_program("postgres", "-D", self.data, *arguments,
                                              stdout=log, stderr=log)
            while time.monotonic() < deadline:
                if self.accepts():
                    return
                if self.process.poll() is not None:
                    # Backends of the one that was killed may be about to end.
                    break
                time.sleep(0.05)
            else:
                said = open(self.data + ".log").read()[-2000:]
                raise RuntimeError("PostgreSQL did not start:\n" + said)
            time.sleep(0.2)

    def accepts(self):
        return subprocess.run(
            [os.path.join(self.bin, "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        ).returncode == 0

    def sql(self, text, database="postgres"):
        return subprocess.run(
            [os.path.join(self.bin, "psql"), "-qAtX", "-v", "ON_ERROR_STOP=1",
             self.conninfo("admin", database), "-c", text],
            check=True, capture_output=True, text=True).stdout.strip()

    def conninfo(self, user, database="colophon"):
        return f"host=127.0.0.1 port={self.port} user={user} dbname={database}"

    def stop(self, how):
        self.process.send_signal({"fast": signal.SIGINT, "immediate": signal.SIGQUIT}[how])
        self.process.wait(60)

    def everything(self):
        return [self.process.pid] + descendants(self.process.pid)

    def signal_all(self, number):
        for pid in self.everything():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def kill(self):
        if self.process and self.process.poll() is None:
            self.signal_all(signal.SIGKILL)
            self.process.wait()


class Colophon:
    """`colophon serve`, as the runtime role."""

    def __init__(self, folder, program, name, url, environment={}, port=None):
        self.program, self.url, self.environment = program, url, environment
        self.port, self.health = port or free_port(), free_port()
        self.errors = os.path.join(folder.path, name + ".err")
        self.process = None
        folder.things.append(self)

    def start(self):
        self.process = subprocess.Popen(
            [self.program, "serve"], stdout=subprocess.DEVNULL, stderr=open(self.errors, "ab"),
            env=dict(
                os.environ, DATABASE_URL=self.url, COLOPHON_LISTEN=f"127.0.0.1:{self.port}",
                COLOPHON_PRIVATE_LISTEN=f"127.0.0.1:{self.health}",
                **{"COLOPHON_RATE_LIMITS": LIMITS, **self.environment}))
        wait(f"{self.program} is ready", self.is_ready)

    def is_ready(self):
        if self.process.poll() is not None:
            raise RuntimeError("colophon ended:\n" + open(self.errors).read()[-2000:])
        return self.ask("/readyz").startswith("HTTP/1.1 200")

    def ask(self, path):
        try:
            with socket.create_connection(("127.0.0.1", self.health), 5) as connection:
                connection.sendall(
                    f"GET {path} HTTP/1.1\r\nHost: drill\r\nConnection: close\r\n\r\n".encode())
                said = b""
                while part := connection.recv(65536):
                    said += part
                return said.decode()
        except OSError:
            return ""

    def metric(self, name):
        found = re.search(rf"^colophon_{name} (\d+)", self.ask("/metrics"), re.M)
        return int(found[1]) if found else None

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def resident(self):
        """Mebibytes."""
        status = open(f"/proc/{self.process.pid}/status").read()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


def make_site(server, program):
    """Roles, the database and its schema as README tells; a key that may do everything."""
    for role in ("colophon_owner", "colophon_runtime"):
        server.sql(f"create role {role} login")
    server.sql("create database colophon owner colophon_owner")
    owner = server.conninfo("colophon_owner")
    migrate(program, owner)
    return make_key(program, owner)


def migrate(program, url):
    subprocess.run([program, "migrate"], check=True, env=dict(os.environ, DATABASE_URL=url),
                   stdout=subprocess.DEVNULL)


def make_key(program, url):
    return subprocess.run(
        [program, "key", "create", "drill", "--scope",
         "posts:write,posts:read_drafts,profile:write,subscribers:read"],
        check=True, env=dict(os.environ, DATABASE_URL=url), capture_output=True, text=True
    ).stdout.strip()
