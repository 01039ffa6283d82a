#!/usr/bin/env python3
"""How long an event takes until a subscriber has it: see latency.sh, which starts what is measured here.

Posts are sent at a fixed rate, whatever the answers do; an event's time begins when it was due. Sender and subscriber are
one process, which shares the machine with what is measured.
"""
import argparse
import asyncio
import pathlib
import re
import time
import urllib.parse

from flow import Memory, Product, count_changes, write_rows

KEY = re.compile(rb'"key":\{"id":"([^"]+)"')
CONNECTIONS = 64
LONGEST = 60

parser = argparse.ArgumentParser(description=__doc__)
for name in ('base', 'token', 'work'):
    parser.add_argument(f'--{name}', required=True)
for name in ('process', 'postmaster', 'rows', 'seconds'):
    parser.add_argument(f'--{name}', required=True, type=int)
parser.add_argument('rates', nargs='+', type=int)
options = parser.parse_args()
product = Product(options.base, options.token)
address = urllib.parse.urlparse(options.base)


def event(name, number):
    sensor = hash((name, number)) % max(options.rows // 100, 1)
    return f'{{"id":"{name}-{number}","sensor":"Sensor-{sensor}","at":"2026-11-26T00:00:00Z","value":{number},"price":1}}\n'


class Sender:
    """Connections over which posts go, each used by one post at a time."""

    async def open(self, count):
        self.free = asyncio.Queue()
        for _ in range(count):
            self.free.put_nowait(await asyncio.open_connection(address.hostname, address.port))
        return self

    async def post(self, body):
        reader, writer = await self.free.get()
        head = (f'POST /input/readings/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {options.token}\r\n'
                f'content-type: application/x-ndjson\r\ncontent-length: {len(body)}\r\n\r\n')
        writer.write(head.encode() + body.encode())
        answer = await reader.readuntil(b'\r\n\r\n')
        length = int(re.search(rb'content-length: (\d+)', answer, re.I).group(1))
        text = await reader.readexactly(length)
        if b' 200 ' not in answer[:20]:
            raise SystemExit((answer + text).decode())
        self.free.put_nowait((reader, writer))


class Follower:
    """A subscriber: when each key came."""

    async def open(self):
        feed = product.changes('readings')
        feed.setblocking(False)
        self.reader, self.writer = await asyncio.open_connection(sock=feed, limit=1 << 26)
        await self.reader.readuntil(b'event: position')
        self.came, self.task = {}, asyncio.create_task(self.follow())
        return self

    async def follow(self):
        text = b''
        while piece := await self.reader.read(1 << 18):
            now, text = time.perf_counter(), text + piece
            whole, _, text = text.rpartition(b'\n\n')
            for key in KEY.findall(whole):
                self.came.setdefault(key.decode(), now)

    async def close(self):
        self.task.cancel()
        self.writer.close()


def shown(times):
    times = sorted(times)
    at = lambda share: times[min(int(len(times) * share), len(times) - 1)] * 1000
    return f'p50 {at(0.5):7.1f} ms, p99 {at(0.99):7.1f} ms, most {times[-1] * 1000:7.1f} ms'


async def at_rate(rate):
    name, due, acknowledged = f'at{rate}', {}, []
    sender, follower = await Sender().open(CONNECTIONS), await Follower().open()

    async def one(number, start):
        await sender.post(event(name, number))
        acknowledged.append(time.perf_counter() - start)

    begin, posts = time.perf_counter() + 0.2, []
    for number in range(rate * options.seconds):
        start = begin + number / rate
        if (wait := start - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        due[f'{name}-{number}'] = start
        posts.append(asyncio.create_task(one(number, start)))
    await asyncio.gather(*posts)
    last = time.perf_counter()
    while len(follower.came) < len(due):
        if time.perf_counter() - last > LONGEST:
            raise SystemExit(f'{len(follower.came)} of {len(due)} events were told after {LONGEST} s')
        await asyncio.sleep(0.01)
    told = [follower.came[key] - start for key, start in due.items()]
    await follower.close()
    print(f'{options.rows:>9} rows  {rate:>5} events/s   acknowledged: {shown(acknowledged)};   told: {shown(told)}', flush=True)


async def most():
    """As many as there can be, in posts of 100 over 4 connections."""
    sender, follower = await Sender().open(4), await Follower().open()
    begin, sent, busy = time.perf_counter(), 0, []

    async def go_on(lane):
        nonlocal sent
        post = 0
        while time.perf_counter() - begin < options.seconds:
            await sender.post(''.join(event(f'most{lane}', n) for n in range(post * 100, post * 100 + 100)))
            post += 1
            sent += 100

    await asyncio.gather(*(go_on(lane) for lane in range(4)))
    stored = time.perf_counter() - begin
    while len(follower.came) < sent:
        if time.perf_counter() - begin > options.seconds + LONGEST:
            raise SystemExit(f'{len(follower.came)} of {sent} events were told')
        await asyncio.sleep(0.01)
    took = max(follower.came.values()) - begin
    await follower.close()
    print(f'{options.rows:>9} rows  at the most: {sent / stored:.0f} events/s stored, {sent / took:.0f} changes/s told', flush=True)


file = pathlib.Path(options.work) / 'rows.csv'
write_rows(file, 0, options.rows, options.rows)
product.post_rows(file)
file.unlink()
product.run()
memory = Memory(options.process, options.postmaster)
for each in options.rates:
    asyncio.run(at_rate(each))
asyncio.run(most())
ours, theirs = memory.take()
print(f'{options.rows:>9} rows  memory at the most: terrane {ours:.0f} MB, Postgres {theirs:.0f} MB', flush=True)
