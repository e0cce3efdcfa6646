"""A primary and a hot standby; the primary is killed under load, and the standby takes its place."""
import asyncio, time

import clients, servers


def run(program, rounds, report):
    with servers.Folder() as folder:
        primary = servers.Postgres(folder, "server-0")
        primary.make()
        key = servers.make_site(primary, program)
        standby = make_standby(folder, primary, 1)
        return asyncio.run(Failover(folder, program, primary, standby, key, rounds, report).run())


def make_standby(folder, primary, number):
    standby = servers.Postgres(folder, f"server-{number}")
    name = f"standby{number}"
    standby.copy(primary, name)
    primary.sql(f"alter system set synchronous_standby_names = '{name}'")
    primary.sql("select pg_reload_conf()")
    servers.wait("the standby is in step", lambda: primary.sql(
        f"select sync_state from pg_stat_replication where application_name = '{name}'") == "sync")
    return standby


class Failover:
    def __init__(self, folder, program, primary, standby, key, rounds, report):
        self.folder, self.program, self.key = folder, program, key
        self.primary, self.standby = primary, standby
        self.rounds, self.report = rounds, report
        self.book = clients.Book()

    async def run(self):
        for round in range(self.rounds):
            await self.fail_over(round)
            if self.book.wrong:
                break
            if round + 1 < self.rounds:
                self.standby = await asyncio.to_thread(
                    make_standby, self.folder, self.primary, round + 2)
        for text in self.book.wrong[:20]:
            self.report("WRONG " + text)
        return not self.book.wrong

    async def fail_over(self, round):
        book = clients.Book()
        book.tags = self.book.tags
        hosts = [self.primary, self.standby]
        url = "postgresql://colophon_runtime@" + ",".join(
            f"127.0.0.1:{host.port}" for host in hosts) + "/colophon?target_session_attrs=read-write"
        replicas = [
            servers.Colophon(self.folder, self.program, f"replica-{round}-{number}", url,
                             {"COLOPHON_READ_DATABASE_URL": self.standby.conninfo("colophon_runtime")})
            for number in range(2)]
        for replica in replicas:
            await asyncio.to_thread(replica.start)
        addresses = [("127.0.0.1", replica.port) for replica in replicas]
        names = [f"r{round}w{number}" for number in range(6)]
        slugs = {name: [f"{name}-{number}" for number in range(8)] for name in names}
        everything = [slug for list in slugs.values() for slug in list]
        tasks = [clients.writer(book, addresses, self.key, name, slugs[name], 0.02) for name in names]
        tasks += [clients.reader(book, addresses, self.key, kind, everything, 0.05)
                  for kind in ("cached", "conditional", "uncached") for _ in range(2)]
        running = [asyncio.create_task(task) for task in tasks]
        fresh = asyncio.create_task(self.read_what_is_not_kept(book, addresses, everything))
        await asyncio.sleep(4)

        mark = book.trouble()
        killed = time.monotonic()
        self.primary.kill()
        # Whoever watches over the servers needs a moment too.
        await asyncio.sleep(3)
        promoted = time.monotonic()
        await asyncio.to_thread(self.standby.sql, "select pg_promote()")
        before = {slug: len(list) for slug, list in book.acknowledged.items()}
        resumed = None
        while resumed is None and time.monotonic() - promoted < 60:
            times = [list[before.get(slug, 0)][0] for slug, list in book.acknowledged.items()
                     if len(list) > before.get(slug, 0)]
            resumed = min(times, default=None)
            await asyncio.sleep(0.02)
        book.end(mark)
        await asyncio.sleep(8)
        book.is_over = True
        await asyncio.wait(running + [fresh], timeout=60)
        if resumed is None or resumed - killed > 10:
            book.fail(f"writes were possible again {resumed and resumed - killed} s after the kill")
        stored = dict(line.rsplit("|", 1) for line in self.standby.sql(
            "select slug, version from colophon.posts", "colophon").split())
        lost = {slug: (stored.get(slug), list[-1][1]) for slug, list in book.acknowledged.items()
                if list and stored.get(slug) != str(list[-1][1])}
        if lost:
            book.fail(f"the new primary has, and acknowledged was: {lost}")
        meanwhile, aged, refused = fresh.result()
        for replica in replicas:
            if await asyncio.to_thread(replica.end) != 0:
                book.fail("a server did not end in order")
        self.report(
            f"round {round + 1}: writes again {resumed - killed:.2f} s after the kill, "
            f"{resumed - promoted:.2f} s after the order to promote; meanwhile {meanwhile} reads of "
            f"what was not in memory answered, {aged} with Age, {refused} refused; "
            f"{sum(map(len, book.acknowledged.values()))} writes acknowledged, {len(lost)} lost; "
            f"statuses {dict(sorted(book.statuses.items()))}")
        if not aged:
            book.fail("nothing was read from the standby")
        self.book.wrong += book.wrong
        self.primary = self.standby

    async def read_what_is_not_kept(self, book, addresses, slugs):
        """Each read has another address, so that only a database can answer it."""
        line = clients.Line(addresses)
        answered = aged = refused = count = 0
        while not book.is_over:
            slug = slugs[count % len(slugs)]
            count += 1
            start = time.monotonic()
            names = ["slug", "body", "version"]
            names += ["title", "tags", "type", "id", "excerpt"][:1 + count % 5]
            fields = ",".join(names[count % 3:] + names[:count % 3])
            try:
                answer = await line.ask("GET", f"/v1/posts/{slug}?fields={fields}")
            except clients.Cut as cut:
                book.fail(f"read: {cut}")
                continue
            if book.in_trouble(start, start):
                answered += answer.status == 200
                aged += answer.status == 200 and "age" in answer.fields
                refused += answer.status == 503
            age = int(answer.fields.get("age", 0))
            if book.note("fresh", answer, start, {200, 404}) and answer.status == 200:
                book.check_post("fresh", slug, answer.json, start, 1.0 + age)
            await asyncio.sleep(0.05)
        line.close()
        return answered, aged, refused
