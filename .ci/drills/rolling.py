"""Two servers behind nginx, restarted one after the other under load: no request fails."""
import asyncio, json, os, re, shutil, subprocess, sys, time

import clients, servers

CONFIGURATION = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.err;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  upstream colophon {{
    server 127.0.0.1:{first} max_fails=0; server 127.0.0.1:{second} max_fails=0;
    {keepalive}
  }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://colophon;
      {upstream}
      proxy_set_header Host $host;
      proxy_next_upstream error timeout;
      proxy_connect_timeout 2s;
    }}
  }}
}}
"""
KEPT = 'proxy_http_version 1.1; proxy_set_header Connection "";'


def run(program, rounds, report):
    for name in ("nginx", "wrk"):
        if not shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin"):
            prefix = [] if os.geteuid() == 0 else ["sudo"]
            subprocess.run(prefix + ["apt-get", "install", "-qy", "--no-install-recommends", name],
                           check=True, stdout=sys.stderr)
    with servers.Folder() as folder:
        database = servers.Postgres(folder, "data")
        database.make()
        key = servers.make_site(database, program)
        runtime = database.conninfo("colophon_runtime")
        replicas = [servers.Colophon(folder, program, name, runtime) for name in ("first", "second")]
        for replica in replicas:
            replica.start()
        results = [asyncio.run(roll(folder, replicas, key, rounds, report, keeps))
                   for keeps in (True, False)]
        return all(results)


class Nginx:
    def __init__(self, folder, replicas, keeps):
        self.port = servers.free_port()
        path = os.path.join(folder.path, f"nginx-{keeps}.conf")
        with open(path, "w") as file:
            file.write(CONFIGURATION.format(
                folder=folder.path, first=replicas[0].port, second=replicas[1].port, port=self.port,
                keepalive="keepalive 32; keepalive_timeout 4s;" if keeps else "",
                upstream=KEPT if keeps else ""))
        self.errors = os.path.join(folder.path, "nginx.err")
        nginx = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
        user = ["-g", "user root;"] if os.geteuid() == 0 else []
        self.process = subprocess.Popen([nginx, "-c", path, *user], stderr=subprocess.DEVNULL)
        folder.things.append(self)

    def kill(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()


async def roll(folder, replicas, key, rounds, report, keeps):
    nginx = Nginx(folder, replicas, keeps)
    addresses = [("127.0.0.1", nginx.port)]
    book = clients.Book()
    prefix = "k" if keeps else "n"
    names = [f"{prefix}{number}" for number in range(6)]
    slugs = {name: [f"{name}-{number}" for number in range(5)] for name in names}
    everything = [slug for list in slugs.values() for slug in list]
    line = clients.Line(addresses)
    await line.open()
    line.close()
    tasks = [clients.writer(book, addresses, key, name, slugs[name], 0.02) for name in names]
    tasks += [clients.reader(book, addresses, key, kind, everything, 0.02)
              for kind in ("cached", "uncached", "conditional") for _ in range(2)]
    running = [asyncio.create_task(task) for task in [*tasks, post(book, addresses, key, prefix)]]
    out = open(os.path.join(folder.path, "wrk.out"), "w+")
    wrk = subprocess.Popen(
        ["wrk", "-t1", "-c16", f"-d{rounds * 60}s", f"http://127.0.0.1:{nginx.port}/v1/posts?limit=3"],
        stdout=out, stderr=subprocess.STDOUT)
    await asyncio.sleep(2)
    start = time.monotonic()
    took = []
    for _ in range(rounds):
        for replica in replicas:
            begun = time.monotonic()
            if await asyncio.to_thread(replica.end) != 0:
                book.fail("a server did not end in order")
            took.append(time.monotonic() - begun)
            await asyncio.to_thread(replica.start)
            await asyncio.sleep(1)
    # wrk tells its figures when it is interrupted.
    wrk.send_signal(2)
    await asyncio.to_thread(wrk.wait)
    book.is_over = True
    await asyncio.wait(running, timeout=60)
    nginx.kill()
    said = open(out.name).read()
    requests = int(re.search(r"(\d+) requests in", said)[1])
    errors = re.findall(r"(Non-2xx.*|Socket errors.*)", said)
    if errors:
        book.fail(f"wrk: {errors}")
    report(f"nginx {'keeps connections' if keeps else 'connects for each request'}: "
           f"{2 * rounds} restarts in {time.monotonic() - start:.0f} s, at most {max(took):.1f} s to "
           f"end; {requests} requests by wrk, {sum(book.kinds.values())} others "
           f"{dict(sorted(book.statuses.items()))}, {len(book.wrong)} failed")
    for text in book.wrong[:10]:
        report("WRONG " + text)
    if book.wrong:
        report("nginx: " + open(nginx.errors).read()[-1500:])
    return not book.wrong


async def post(book, addresses, key, prefix):
    """Writes that may not be sent twice, without a key: a proxy cannot repeat them."""
    line = clients.Line(addresses)
    fields = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    number = 0
    while not book.is_over:
        number += 1
        start = time.monotonic()
        content = json.dumps({"title": f"{prefix} posted {number}", "body": "."}).encode()
        try:
            answer = await line.ask("POST", "/v1/posts", fields, content)
            book.note("post", answer, start, {201})
        except clients.Cut as cut:
            book.fail(f"post: {cut}")
        await asyncio.sleep(0.01)
    line.close()
