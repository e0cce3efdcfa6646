"""Clients that check what they are answered, and the book of what must be there."""
import asyncio, collections, hashlib, json, random, re, time

FILLER = "It is a truth universally acknowledged. " * 40
DOCUMENTED = {200, 201, 202, 204, 304, 404, 408, 409, 429, 503}


class Answer:
    def __init__(self, status, fields, body):
        self.status, self.fields, self.body = status, fields, body

    @property
    def json(self):
        return json.loads(self.body)

    def __str__(self):
        return f"{self.status} {self.body[:300]!r}"


class Cut(Exception):
    """The request was sent, and the connection ended without a whole answer."""


class Line:
    """A kept connection to one of some addresses; the next one when it has ended."""

    def __init__(self, addresses, turn=0):
        self.addresses, self.turn = addresses, turn
        self.reader = self.writer = None

    def close(self):
        if self.writer:
            self.writer.close()
        self.reader = self.writer = None

    async def open(self):
        for _ in range(200):
            host, port = self.addresses[self.turn % len(self.addresses)]
            try:
                self.reader, self.writer = await asyncio.open_connection(host, port)
                return
            except OSError:
                self.turn += 1
                await asyncio.sleep(0.05)
        raise Cut("refused by all")

    async def ask(self, method, target, fields={}, body=b"", patience=20):
        """The answer. A connection that had ended before the request was sent is replaced."""
        if self.reader is None or self.reader.at_eof():
            self.close()
            await self.open()
        lines = [f"{method} {target} HTTP/1.1", "Host: drill"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        if body or method in ("POST", "PUT", "PATCH"):
            lines.append(f"Content-Length: {len(body)}")
        try:
            self.writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
            return await asyncio.wait_for(self.read(method), patience)
        except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError) as error:
            self.close()
            raise Cut(f"{method} {target}: {type(error).__name__} {error}")

    async def read(self, method):
        while True:
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            status = int(head[0].split()[1])
            if status >= 200:
                break
        fields = {}
        for line in head[1:]:
            if line:
                name, _, value = line.partition(":")
                fields[name.lower()] = value.strip()
        length = 0 if method == "HEAD" or status in (204, 304) else int(fields["content-length"])
        body = await self.reader.readexactly(length) if length else b""
        if fields.get("connection", "").lower() == "close":
            self.close()
        return Answer(status, fields, body)


class Book:
    """What was written and acknowledged, and whatever was not as it must be."""

    def __init__(self):
        self.sent = {}
        self.acknowledged = collections.defaultdict(list)
        self.statuses = collections.Counter()
        self.kinds = collections.Counter()
        self.wrong = []
        self.tags = {}
        self.times = collections.defaultdict(list)
        self.troubles = []
        self.is_over = False

    def fail(self, text):
        self.wrong.append(f"{time.strftime('%H:%M:%S')} {text}")

    def trouble(self):
        """Marks that from now on 503 is in order, until the returned mark is ended."""
        mark = [time.monotonic(), None]
        self.troubles.append(mark)
        return mark

    def end(self, mark, healing=6):
        mark[1] = time.monotonic() + healing

    def in_trouble(self, start, end):
        return any(begun <= end and (over is None or start <= over)
                   for begun, over in self.troubles)

    def note(self, kind, answer, start, expected):
        """Whether the answer is one to look into; what it may not be is noted."""
        now = time.monotonic()
        self.kinds[kind] += 1
        self.statuses[answer.status] += 1
        self.times[kind].append(now - start)
        if answer.status not in DOCUMENTED:
            self.fail(f"{kind}: undocumented {answer}")
        elif answer.status == 503:
            if "retry-after" not in answer.fields or answer.fields.get("cache-control") != "no-store" \
                    or answer.fields.get("content-type") != "application/problem+json":
                self.fail(f"{kind}: 503 without its fields: {answer.fields}")
            if not self.in_trouble(start, now):
                self.fail(f"{kind}: 503 while nothing was wrong: {answer}")
        elif answer.status not in expected:
            self.fail(f"{kind}: {answer}")
        else:
            return True
        return False

    def floor(self, slug, at):
        """The newest number of a post that was acknowledged by then, 0 for none."""
        return max((number for when, number in self.acknowledged[slug] if when <= at), default=0)

    def check_post(self, kind, slug, post, start, age):
        """A post as it was shown: no older than what was acknowledged, no newer than what was sent."""
        number = number_in(post.get("body", ""), slug)
        lowest = self.floor(slug, start - age)
        if number is None or not lowest <= number <= self.sent.get(slug, 0):
            self.fail(f"{kind}: {slug} shows {number}, acknowledged {lowest}, "
                      f"sent {self.sent.get(slug)}, age {age}")
        elif post["version"] != number:
            self.fail(f"{kind}: {slug} has version {post['version']} at write {number}")
        return number


def text_of(slug, number):
    return f"{slug} {number}\n{FILLER}"


def number_in(body, slug):
    head, _, rest = body.partition("\n")
    words = head.split()
    return int(words[1]) if len(words) == 2 and words[0] == slug and rest == FILLER else None


async def writer(book, addresses, key, name, slugs, pause, may_cut=False):
    """Writes under keys, each until it is decided, and sends decided ones again."""
    line = Line(addresses, turn=hash(name) % 7)
    fields = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    decided = collections.deque(maxlen=50)
    numbers = collections.Counter()
    while not book.is_over:
        slug = random.choice(slugs)
        numbers[slug] += 1
        number = numbers[slug]
        content = json.dumps(dict(title=f"{slug} {number}", body=text_of(slug, number),
                                  status="published", tags=["drill", name])).encode()
        named = dict(fields, **{"Idempotency-Key": f"{name}-{slug}-{number}"})
        request = ("PUT", f"/v1/posts/{slug}", named, content)
        book.sent[slug] = number
        answer = await settle(book, line, request, may_cut)
        if answer is None:
            return
        if answer.status != (201 if number == 1 else 200):
            book.fail(f"write {slug} {number}: {answer}")
            return
        book.acknowledged[slug].append((time.monotonic(), number))
        book.check_post("write", slug, answer.json, time.monotonic(), 0)
        decided.append((request, answer))
        if random.random() < 0.1:
            request, first = random.choice(decided)
            again = await settle(book, line, request, may_cut)
            if again is None:
                return
            if (again.status, again.body, again.fields.get("idempotent-replayed")) != (
                    first.status, first.body, "true"):
                book.fail(f"replay of {request[2]['Idempotency-Key']}: {again}, not {first}")
        await asyncio.sleep(pause * random.uniform(0.5, 1.5))
    line.close()


async def settle(book, line, request, may_cut):
    """The answer that decides a write; the same bytes are sent until it comes."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        start = time.monotonic()
        try:
            answer = await line.ask(*request)
        except Cut as cut:
            if not may_cut:
                book.fail(f"write: {cut}")
            line.turn += 1
            await asyncio.sleep(0.05)
            continue
        if answer.status == 409 and b"idempotency-in-progress" in answer.body:
            await asyncio.sleep(0.2)
        elif book.note("write", answer, start, {200, 201}):
            return answer
        elif answer.status == 503:
            await asyncio.sleep(0.2)
        else:
            return None
    book.fail(f"{request[0]} {request[1]} was not decided in two minutes")
    return None


async def reader(book, addresses, key, kind, slugs, pause, may_cut=False):
    """Reads posts, some as they are kept, some from the database, some by condition."""
    line = Line(addresses, turn=hash(kind) % 7)
    known = {}
    while not book.is_over:
        slug = random.choice(slugs)
        fields = {}
        if kind == "uncached":
            fields["Authorization"] = f"Bearer {key}"
        if kind == "conditional" and slug in known:
            fields["If-None-Match"] = known[slug][0]
        start = time.monotonic()
        try:
            answer = await line.ask("GET", f"/v1/posts/{slug}", fields)
        except Cut as cut:
            if not may_cut:
                book.fail(f"{kind}: {cut}")
            line.turn += 1
            await asyncio.sleep(0.05)
            continue
        age = int(answer.fields["age"]) if "age" in answer.fields else 0
        allowed = 0 if kind == "uncached" else 1.0 + age
        if book.note(kind, answer, start, {200, 304, 404}):
            if answer.status == 404:
                if book.floor(slug, start - allowed):
                    book.fail(f"{kind}: 404 for {slug}, which is there")
            elif answer.status == 304:
                number = known[slug][1] if fields.get("If-None-Match") else None
                if number is None or number < book.floor(slug, start - allowed):
                    book.fail(f"{kind}: 304 for {slug} {number}")
            else:
                number = book.check_post(kind, slug, answer.json, start, allowed)
                tag = answer.fields["etag"]
                digest = hashlib.sha256(answer.body).digest()
                if book.tags.setdefault((slug, tag), digest) != digest:
                    book.fail(f"{kind}: {slug} has two bodies with the tag {tag}")
                known[slug] = (tag, number)
        await asyncio.sleep(pause * random.uniform(0.5, 1.5))
    line.close()


async def lister(book, addresses, names, pause):
    """Lists: each post once, none older than it may be, and a total that was true."""
    line = Line(addresses)
    while not book.is_over:
        name = random.choice(names)
        start = time.monotonic()
        made_before = lambda age: sum(
            1 for slug in book.sent if slug.startswith(name + "-") and book.floor(slug, start - age))
        try:
            answer = await line.ask("GET", f"/v1/posts?tag={name}&limit=100")
        except Cut as cut:
            book.fail(f"list: {cut}")
            continue
        if book.note("list", answer, start, {200}):
            allowed = 1.0 + int(answer.fields.get("age", 0))
            page = answer.json
            slugs = [post["slug"] for post in page["data"]]
            least = made_before(allowed)
            most = sum(1 for slug in book.sent if slug.startswith(name + "-"))
            if len(set(slugs)) != len(slugs) or len(slugs) != page["meta"]["total"] \
                    or not least <= len(slugs) <= most:
                book.fail(f"list: {len(slugs)} posts, total {page['meta']['total']}, "
                          f"of {least} to {most}")
        start = time.monotonic()
        try:
            answer = await line.ask("GET", f"/v1/posts?q={name}+acknowledged&limit=5")
            if book.note("search", answer, start, {200}) and \
                    any(name not in post["tags"] for post in answer.json["data"]):
                book.fail(f"search: {answer}")
        except Cut as cut:
            book.fail(f"search: {cut}")
        await asyncio.sleep(pause)
    line.close()


class Mirror:
    """Follows the feed of changes; in the end it has what is there."""

    def __init__(self):
        self.posts, self.cursor, self.is_at_end = {}, None, False

    async def follow(self, book, addresses, pause):
        line = Line(addresses)
        while not book.is_over:
            await self.step(book, line)
            await asyncio.sleep(pause)
        line.close()

    async def step(self, book, line):
        start = time.monotonic()
        try:
            answer = await line.ask(
                "GET", "/v1/changes?limit=100" + (f"&since={self.cursor}" if self.cursor else ""))
        except Cut as cut:
            book.fail(f"changes: {cut}")
            return
        if not book.note("changes", answer, start, {200}):
            return
        page = answer.json
        for entry in page["data"]:
            if entry["type"] != "post":
                continue
            if entry["change"] != "upserted":
                book.fail(f"changes: {entry['slug']} was deleted")
                continue
            slug = entry["slug"]
            number = number_in(entry["resource"]["body"], slug)
            if number is None or number < self.posts.get(slug, 0):
                book.fail(f"changes: {slug} went from {self.posts.get(slug)} to {number}")
            self.posts[slug] = number
        self.cursor = page["meta"]["next_cursor"]
        self.is_at_end = not page["data"]


async def subscriber(book, addresses, pause):
    """Signs up; the answer is the same for all."""
    line = Line(addresses)
    count, constant = 0, None
    while not book.is_over:
        count += 1
        start = time.monotonic()
        try:
            answer = await line.ask(
                "POST", "/v1/newsletter/subscriptions", {"Content-Type": "application/json"},
                json.dumps({"email": f"reader{random.randrange(count + 5)}@example.com"}).encode())
        except Cut as cut:
            book.fail(f"sign-up: {cut}")
            continue
        if book.note("sign-up", answer, start, {202}):
            constant = constant or answer.body
            if answer.body != constant:
                book.fail(f"sign-up: {answer}")
        await asyncio.sleep(pause * random.uniform(0.5, 1.5))
    line.close()


async def slow(book, addresses, key, kind):
    """A client that drips its head or content, or does not read; the server has to end it."""
    while not book.is_over:
        host, port = random.choice(addresses)
        start = time.monotonic()
        try:
            reader, writer = await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(0.5)
            continue
        book.kinds[f"slow {kind}"] += 1
        try:
            if kind == "head":
                await drip(writer, b"GET /v1/posts HTTP/1.1\r\nHost: drill\r\nX-Slow: " + b"a" * 100)
            elif kind == "content":
                await drip(writer, (
                    f"PUT /v1/posts/slow HTTP/1.1\r\nHost: drill\r\nAuthorization: Bearer {key}\r\n"
                    "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n").encode(),
                    whole=True)
                await drip(writer, b'{"title":"' + b"a" * 100)
            else:
                await do_not_read(reader, writer)
                book.fail("slow reader: got everything after a minute")
        except (OSError, EOFError):
            pass
        took = time.monotonic() - start
        book.times[f"slow {kind}"].append(took)
        if took > 75 and not book.is_over:
            book.fail(f"slow {kind}: cut after {took:.0f} s")
        writer.transport.abort()
        await asyncio.sleep(1)


async def drip(writer, data, whole=False):
    """A byte a second, until the other side has closed."""
    if whole:
        writer.write(data)
        return
    for byte in data:
        writer.write(bytes([byte]))
        await asyncio.sleep(1)
        if writer.transport.is_closing():
            raise EOFError


async def do_not_read(reader, writer):
    """Asks for more than the kernel takes in, and reads after a minute; raises when it was cut."""
    count = 400
    reader._transport.pause_reading()
    for _ in range(count):
        writer.write(b"GET /openapi.yaml HTTP/1.1\r\nHost: drill\r\n\r\n")
    await asyncio.sleep(60)
    reader._transport.resume_reading()
    for _ in range(count):
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        length = re.search(rb"content-length: (\d+)", head, re.I)
        await asyncio.wait_for(reader.readexactly(int(length[1])), 10)
