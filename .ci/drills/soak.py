"""Reads, writes, sign-ups and slow clients on two servers whose database falls ill again and again."""
import asyncio, os, random, signal, time

import clients, servers

WRITERS, SLUGS = 4, 12


def run(program, minutes, report):
    with servers.Folder() as folder:
        database = servers.Postgres(folder, "data")
        database.make()
        key = servers.make_site(database, program)
        sendmail = os.path.join(folder.path, "sendmail")
        with open(sendmail, "w") as file:
            file.write("#!/bin/sh\nexec cat >/dev/null\n")
        os.chmod(sendmail, 0o755)
        environment = {
            "COLOPHON_CACHE_MB": "8", "COLOPHON_MAIL_FROM": "drill@example.com",
            "COLOPHON_SENDMAIL": sendmail, "COLOPHON_PUBLIC_URL": "https://api.example.com"}
        replicas = [
            servers.Colophon(folder, program, name, database.conninfo("colophon_runtime"), environment)
            for name in ("first", "second")]
        for replica in replicas:
            replica.start()
        return asyncio.run(Soak(database, replicas, key, minutes, report).run())


class Soak:
    def __init__(self, database, replicas, key, minutes, report):
        self.database, self.replicas, self.key = database, replicas, key
        self.minutes, self.report = minutes, report
        self.book, self.mirror = clients.Book(), clients.Mirror()
        self.samples, self.faults = [], []

    async def run(self):
        book, key, tasks = self.book, self.key, []
        addresses = [("127.0.0.1", replica.port) for replica in self.replicas]
        names = [f"w{number}" for number in range(WRITERS)]
        slugs = {name: [f"{name}-{number}" for number in range(SLUGS)] for name in names}
        everything = [slug for list in slugs.values() for slug in list]
        for number, name in enumerate(names):
            tasks.append(clients.writer(book, addresses, key, name, slugs[name], 0.25))
        for number in range(4):
            order = addresses[number % 2:] + addresses[:number % 2]
            for kind in ("cached", "uncached", "conditional"):
                tasks.append(clients.reader(book, order, key, kind, everything, 0.08))
        tasks.append(clients.lister(book, addresses, names, 0.5))
        tasks.append(self.mirror.follow(book, addresses, 0.3))
        tasks += [clients.subscriber(book, addresses, 0.5) for _ in range(2)]
        tasks += [clients.slow(book, addresses, key, kind) for kind in ("head", "content", "reader")
                  for _ in range(3)]
        start = time.monotonic()
        running = [asyncio.create_task(task) for task in tasks]
        running += [asyncio.create_task(self.sample(start)), asyncio.create_task(self.torment(start))]
        while time.monotonic() - start < self.minutes * 60 and not book.wrong[20:]:
            for task in running:
                if task.done() and task.exception():
                    book.fail(f"a client ended: {task.exception()!r}")
                    book.wrong += [""] * 20
            await asyncio.sleep(1)
        book.is_over = True
        _, left = await asyncio.wait(running, timeout=45)
        for task in left:
            task.cancel()
        await asyncio.sleep(2)
        book.wrong = [text for text in book.wrong if text]
        await self.compare(addresses, everything)
        self.judge(time.monotonic() - start)
        return not book.wrong

    async def torment(self, start):
        """A fault of the database every 40 seconds, in an order of chance; the last minute has none."""
        kinds = [self.restart, self.crash, self.freeze, self.freeze_long, self.terminate, self.lock,
                 self.fill]
        order = []
        while True:
            await asyncio.sleep(25 + random.uniform(0, 10))
            if self.book.is_over or time.monotonic() - start > (self.minutes - 0.75) * 60:
                return
            order = order or random.sample(kinds, len(kinds))
            fault = order.pop()
            mark = self.book.trouble()
            await fault()
            back = time.monotonic()
            while not all([await asyncio.to_thread(replica.is_ready) for replica in self.replicas]):
                await asyncio.sleep(0.05)
            healed = time.monotonic() - back
            self.book.end(mark)
            self.faults.append((fault.__name__, healed))
            if healed > 5:
                self.book.fail(f"{fault.__name__}: well again after {healed:.1f} s")

    async def restart(self):
        await asyncio.to_thread(self.database.stop, "fast")
        await asyncio.sleep(random.uniform(0, 3))
        await asyncio.to_thread(self.database.start)

    async def crash(self):
        await asyncio.to_thread(self.database.stop, "immediate")
        await asyncio.to_thread(self.database.start)

    async def freeze(self, seconds=3):
        self.database.signal_all(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        self.database.signal_all(signal.SIGCONT)

    async def freeze_long(self):
        await self.freeze(12)

    async def terminate(self):
        for _ in range(3):
            await asyncio.to_thread(
                self.database.sql, "select count(pg_terminate_backend(pid)) from pg_stat_activity "
                "where usename = 'colophon_runtime'")
            await asyncio.sleep(0.3)

    async def lock(self):
        """A stranger locks the posts for longer than anybody waits."""
        await asyncio.to_thread(
            self.database.sql,
            "begin; lock table colophon.posts in access exclusive mode; select pg_sleep(8)", "colophon")

    async def fill(self):
        """Strangers take every connection that there is, when all sessions have been ended."""
        await asyncio.to_thread(
            self.database.sql, "alter role colophon_runtime connection limit 1; select "
            "count(pg_terminate_backend(pid)) from pg_stat_activity where usename = 'colophon_runtime'")
        await asyncio.sleep(5)
        await asyncio.to_thread(self.database.sql, "alter role colophon_runtime connection limit -1")

    async def sample(self, start):
        minute = 0
        while not self.book.is_over:
            sizes = [(replica.resident(), replica.descriptors()) for replica in self.replicas]
            self.samples.append((time.monotonic() - start, sizes))
            if time.monotonic() - start >= minute * 60:
                shown = "  ".join(f"{size:6.1f} MiB {count:4} fd" for size, count in sizes)
                self.report(f"minute {minute:3}: {shown}  {sum(self.book.kinds.values()):7} requests, "
                            f"{len(self.faults):3} faults, {len(self.book.wrong)} wrong")
                minute += 1
            await asyncio.sleep(5)

    async def compare(self, addresses, slugs):
        """What the database, the mirror and the books have is the same."""
        stored = dict(line.rsplit("|", 1) for line in self.database.sql(
            "select slug, version from colophon.posts where trashed_at is null", "colophon").split())
        told = {slug: str(self.book.floor(slug, time.monotonic())) for slug in slugs
                if self.book.acknowledged[slug]}
        if stored != told:
            self.book.fail(f"the database has {stored}, acknowledged was {told}")
        self.book.is_over = False
        line = clients.Line(addresses)
        for _ in range(200):
            await self.mirror.step(self.book, line)
            if self.mirror.is_at_end:
                break
        line.close()
        if {slug: str(number) for slug, number in self.mirror.posts.items()} != told:
            self.book.fail(f"the mirror has {self.mirror.posts}, acknowledged was {told}")
        try:
            await asyncio.to_thread(servers.wait, "all mails have left", lambda: all(
                replica.metric("mails_waiting") == 0 for replica in self.replicas), 60, 0.5)
        except RuntimeError as error:
            self.book.fail(str(error))
        if dead := self.replicas[0].metric("mails_dead"):
            self.book.fail(f"{dead} mails are dead")

    def judge(self, took):
        book, report = self.book, self.report
        early = [sizes for at, sizes in self.samples if 285 <= at <= 315] or [self.samples[0][1]]
        late = [sizes for _, sizes in self.samples[-6:]]
        for number, replica in enumerate(self.replicas):
            then = max(sizes[number][0] for sizes in early)
            now = max(sizes[number][0] for sizes in late)
            count = replica.descriptors()
            report(f"server {number + 1}: {then:.1f} MiB at minute 5, {now:.1f} at the end; at most "
                   f"{max(sizes[number][1] for _, sizes in self.samples)} descriptors, {count} when "
                   "all clients had gone")
            if self.minutes >= 10 and now > then * 1.15 + 2:
                book.fail(f"server {number + 1} grew from {then:.1f} to {now:.1f} MiB")
            if count > self.samples[0][1][number][1] + 12:
                book.fail(f"server {number + 1} has {count} descriptors, and had "
                          f"{self.samples[0][1][number][1]}")
            status = replica.end()
            if status != 0:
                book.fail(f"server {number + 1} ended with {status}")
            errors = [line for line in open(replica.errors) if '"level":"error"' in line]
            if errors:
                book.fail(f"server {number + 1} has logged {errors[0]}")
        report(f"{took / 60:.1f} minutes, statuses {dict(sorted(book.statuses.items()))}")
        for kind in sorted(book.kinds):
            times = sorted(book.times[kind])
            if times:
                half, most = times[len(times) // 2] * 1e3, times[len(times) * 99 // 100] * 1e3
                report(f"{kind:>13}: {book.kinds[kind]:7}, half within {half:7.1f} ms, "
                       f"99 of 100 within {most:8.1f} ms, all within {times[-1]:5.1f} s")
        by_name = {}
        for name, healed in self.faults:
            by_name.setdefault(name, []).append(healed)
        for name, healed in sorted(by_name.items()):
            report(f"{name:>13}: {len(healed)} times, well again after at most {max(healed):.2f} s")
        for text in book.wrong[:20]:
            report("WRONG " + text)
