"""Many clients want the same in the same moment, again and again: each is answered, all alike.

The tests ask a debug build. An optimized one may let other tasks of a loop run at other points, so
whoever looks and then waits has to be shown in one of those too.
"""
import random, socket, time, zlib

import servers

CLIENTS, PATIENCE = 12, 5
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def run(program, seconds, report):
    with servers.Folder() as folder:
        database = servers.Postgres(folder, "data")
        database.make()
        key = servers.make_site(database, program)
        server = servers.Colophon(folder, program, "server", database.conninfo("colophon_runtime"))
        server.start()
        kinds = [
            ("reads", lambda n: get(f"/v1/posts?tag=t{n}"), {200}),
            ("writes with one key", lambda n: put(n, key), {200, 201}),
            ("look-ups of an API key", lambda n: get("/v1/posts", bad_key()), {401})]
        answered, lost, wrong = {name: 0 for name, _, _ in kinds}, 0, []
        lines = [open_line(server) for _ in range(CLIENTS)]
        end, number = time.monotonic() + seconds, 0
        while time.monotonic() < end and not lost and not wrong:
            name, make, expected = kinds[number % len(kinds)]
            number += 1
            request, bodies = make(number), set()
            for line in lines:
                line.sendall(request)
                moment = time.perf_counter() + random.uniform(0, 2e-4)
                while time.perf_counter() < moment:
                    pass
            for line in lines:
                try:
                    status, body = read(line)
                except TimeoutError:
                    lost += 1
                    continue
                answered[name] += 1
                if status not in expected:
                    wrong.append(f"{name}: {status} {body[:200]!r}")
                elif status != 401:
                    bodies.add(body)
            if len(bodies) > 1:
                wrong.append(f"{name}: {len(bodies)} different answers to the same")
        for name, count in answered.items():
            report(f"{count} {name}")
        if lost:
            report(f"WRONG {lost} of {CLIENTS} had no answer in {PATIENCE} s")
        for text in wrong[:20]:
            report("WRONG " + text)
        return not lost and not wrong and server.end() == 0


def open_line(server):
    line = socket.create_connection(("127.0.0.1", server.port))
    line.settimeout(PATIENCE)
    return line


def get(target, key=None):
    authorization = f"Authorization: Bearer {key}\r\n" if key else ""
    return f"GET {target} HTTP/1.1\r\nHost: drill\r\n{authorization}\r\n".encode()


def put(number, key):
    content = f'{{"title":"{number}","body":"{number}","status":"published"}}'
    return (
        f"PUT /v1/posts/p HTTP/1.1\r\nHost: drill\r\nAuthorization: Bearer {key}\r\n"
        f'Idempotency-Key: "n-{number}"\r\nContent-Type: application/json\r\n'
        f"Content-Length: {len(content)}\r\n\r\n{content}").encode()


def bad_key():
    """One that can be a key and is none."""
    def word(length):
        return "".join(random.choices(ALPHABET, k=length))
    body = f"colophon_{word(16)}_{word(32)}"
    checksum = zlib.crc32(body.encode())
    return body + "".join(ALPHABET[checksum >> 5 * place & 31] for place in reversed(range(7)))


def read(line):
    received = b""
    while b"\r\n\r\n" not in received:
        received += line.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    fields = dict(field.split(": ", 1) for field in head.decode("latin-1").lower().split("\r\n")[1:])
    while len(body) < int(fields["content-length"]):
        body += line.recv(65536)
    return int(head.split()[1]), body
