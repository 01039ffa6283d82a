#!/usr/bin/env python3
"""Runs a gateway under a mixed load and shows that its memory, open files and threads don't grow.

    bench/soak.py TERRANE MINUTES [--rate 150] [--only subscription,cold]

Two small subgraphs are in this process. The load has equal and different queries, operations that nobody asked before,
errors of requests and of subgraphs, and subscriptions that come and go; the second subgraph dies every 15 seconds for two,
and the settings are read again every 5. Each answer is checked. RATE bounds the requests of a second, so that
the load leaves a core for others.

Every five seconds it prints what /proc says of the gateway. It ends with status 1 when an answer was wrong, or when the
median of the second half is above that of the first, after the first 30 % have been left out as warm-up, by more than
2 % + 256 kB of its own memory, 5 open files or 5 threads: for runs of ten minutes or more. Needs nothing but Python 3.9.
"""
import argparse
import asyncio
import collections
import itertools
import json
import os
import re
import signal
import statistics
import subprocess
import tempfile
import time

arguments = argparse.ArgumentParser()
arguments.add_argument('terrane')
arguments.add_argument('minutes', type=float)
arguments.add_argument('--rate', type=float, default=150)
arguments.add_argument('--only', type=lambda text: text.split(','), help='kinds of requests, to find out which one grows')
arguments = arguments.parse_args()

WORKERS = 10
LINK = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key"]) '
SHOP = LINK + ('type Query { things: [Thing!]! thing(id: ID!): Thing } type Subscription { changed: Thing } '
               'type Thing @key(fields: "id") { id: ID! name: String }')
SCORES = LINK + 'type Query { broken: Int } type Thing @key(fields: "id") { id: ID! score: Int }'
counts: collections.Counter = collections.Counter()
wrong: list[str] = []


async def read_message(reader):
    """The head and body of a message with a length or in chunks; None where the connection has ended."""
    try:
        head = (await reader.readuntil(b'\r\n\r\n')).decode().lower()
        length = re.search(r'content-length: (\d+)', head)
        if length:
            return head, await reader.readexactly(int(length[1]))
        body = b''
        while 'transfer-encoding: chunked' in head:
            size = int(await reader.readuntil(b'\r\n'), 16)
            chunk = await reader.readexactly(size + 2)
            if size == 0:
                break
            body += chunk[:-2]
        return head, body
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def json_response(value):
    body = json.dumps(value).encode()
    return b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s' % (len(body), body)


class Subgraph:
    """A server that can die, with all its connections, and come back at the same port."""

    def __init__(self, answer):
        self.answer, self.port, self.server, self.writers = answer, 0, None, set()

    async def start(self):
        self.server = await asyncio.start_server(self.serve, '127.0.0.1', self.port, backlog=1000)
        self.port = self.server.sockets[0].getsockname()[1]

    def die(self):
        self.server.close()
        for writer in self.writers:
            writer.transport.abort()

    async def serve(self, reader, writer):
        self.writers.add(writer)
        try:
            while message := await read_message(reader):
                request = json.loads(message[1])
                if request['query'].lstrip().startswith('subscription'):
                    await events(writer)
                    return
                writer.write(json_response(self.answer(request)))
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            self.writers.discard(writer)
            writer.close()


async def events(writer):
    """Events until the gateway has enough."""
    writer.write(b'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n')
    for number in itertools.count():
        event = json.dumps({'data': {'changed': thing(str(number % 20))}})
        writer.write(f'event: next\ndata: {event}\n\n'.encode())
        await writer.drain()
        await asyncio.sleep(0.05)


def thing(number):
    return {'__typename': 'Thing', 'id': number, 'name': f'thing {number}'}


def keys(query, field):
    """The response keys of a field."""
    return [key or field for key in re.findall(rf'(?:(\w+)\s*:\s*)?\b{field}\b(?=[\s({{}}]|$)', query)]


def shop(request):
    query, data = request['query'], {}
    for key in keys(query, 'things'):
        data[key] = [thing(str(number)) for number in range(20)]
    for key in keys(query, 'thing'):
        given = re.search(r'thing\(id:\s*"(\d+)"', query)
        data[key] = thing(given[1] if given else next(iter(request['variables'].values())))
    return {'data': data}


def scores(request):
    lists = [value for value in request.get('variables', {}).values() if isinstance(value, list)]
    if lists:
        return {'data': {'_entities': [{'__typename': 'Thing', 'score': int(one['id']) * 10} for one in lists[0]]}}
    return {'data': {'broken': None}, 'errors': [{'message': 'it is broken', 'path': ['broken']}]}


def codes(answer):
    return {error['extensions']['code'] for error in answer.get('errors', [])}


def is_whole(found, number):
    """The first subgraph's fields are right; the second's, too, or it is dead and they are null."""
    return found['id'] == number and found['name'] == f'thing {number}' and found['score'] in (None, int(number) * 10)


DEAD = {'SUBGRAPH_UNREACHABLE', 'SUBGRAPH_HTTP_ERROR'}


def check(kind, expected, answer):
    if not expected(answer):
        wrong.append(f'{kind}: {json.dumps(answer)[:400]}')
    counts[kind] += 1
    counts['while the second subgraph was dead'] += bool(codes(answer) & DEAD)


def operations(worker):
    """What one worker asks, for ever: kind, request, whether an answer is right."""
    for number in itertools.count():
        some, alias = str(number % 1000), f'w{worker}n{number}'
        yield ('equal', {'query': '{ things { id name score } }'},
               lambda a: codes(a) <= DEAD and all(is_whole(t, str(i)) for i, t in enumerate(a['data']['things'])))
        yield ('different', {'query': 'query T($id: ID!) { thing(id: $id) { id name score } }', 'variables': {'id': some}},
               lambda a: codes(a) <= DEAD and is_whole(a['data']['thing'], some))
        yield ('cold', {'query': f'{{ {alias}: thing(id: "{some}") {{ id name score }} }}'},
               lambda a: codes(a) <= DEAD and is_whole(a['data'][alias], some))
        yield 'invalid', {'query': f'{{ {alias} }}'}, lambda a: codes(a) == {'GRAPHQL_VALIDATION_FAILED'}
        yield 'unreadable', {'query': f'{{ {alias}'}, lambda a: codes(a) == {'GRAPHQL_PARSE_FAILED'}
        yield 'broken', {'query': '{ broken }'}, lambda a: len(a['errors']) == 1 and a['data'] == {'broken': None}
        yield 'subscription', {'query': 'subscription { changed { id name score } }'}, None


def http_request(request, accept):
    body = json.dumps(request).encode()
    head = f'POST /graphql HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\naccept: {accept}\r\n'
    return head.encode() + b'content-length: %d\r\n\r\n' % len(body) + body


async def subscribe(port, request):
    """Take three events, and go."""
    reader, writer = await asyncio.open_connection('127.0.0.1', port)
    writer.write(http_request(request, 'text/event-stream'))
    for _ in range(3):
        line = b''
        while not line.startswith(b'data: {'):
            line = await reader.readline()
            if not line:
                wrong.append('subscription: the stream has ended')
                return
        check('event', lambda a: codes(a) <= DEAD and is_whole(a['data']['changed'], a['data']['changed']['id']),
              json.loads(line[6:]))
    writer.transport.abort()
    counts['subscription'] += 1


async def work(worker, port, end):
    reader, writer = await asyncio.open_connection('127.0.0.1', port)
    pause = WORKERS / arguments.rate
    for kind, request, expected in operations(worker):
        if time.monotonic() > end:
            return
        if arguments.only and kind not in arguments.only:
            continue
        began = time.monotonic()
        if kind == 'subscription':
            await subscribe(port, request)
        else:
            writer.write(http_request(request, 'application/json'))
            message = await read_message(reader)
            if message is None:
                wrong.append(f'{kind}: the connection has ended')
                reader, writer = await asyncio.open_connection('127.0.0.1', port)
                continue
            check(kind, expected, json.loads(message[1]))
        await asyncio.sleep(max(0.0, began + pause - time.monotonic()))


async def kill_and_revive(subgraph):
    while True:
        await asyncio.sleep(15)
        subgraph.die()
        await asyncio.sleep(2)
        await subgraph.start()
        counts['deaths of the second subgraph'] += 1


async def change_settings(path, settings, pid):
    for number in itertools.count(1):
        await asyncio.sleep(5)
        if number % 2:
            with open(path + '.new', 'w') as file:
                json.dump({**settings, 'batching': {'enabled': number % 4 == 1}}, file)
            os.replace(path + '.new', path)
        else:
            os.kill(pid, signal.SIGHUP)


def sample(pid):
    """Kilobytes of memory, of which of its own, open files, threads, seconds on a processor."""
    status = dict(line.split(':', 1) for line in open(f'/proc/{pid}/status'))
    own, all_of_it = (int(status[name].split()[0]) for name in ('RssAnon', 'VmRSS'))
    fields = open(f'/proc/{pid}/stat').read().rsplit(') ', 1)[1].split()
    used = (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')
    return all_of_it, own, len(os.listdir(f'/proc/{pid}/fd')), int(status['Threads']), used


async def watch(pid, end):
    samples, began = [], time.monotonic()
    print(f'{"s":>5} {"RSS, MB":>8} {"own, MB":>8} {"files":>6} {"threads":>8} {"CPU, s":>7} {"answers":>8}')
    while time.monotonic() + 5 < end:
        await asyncio.sleep(5)
        rss, own, files, threads, used = found = sample(pid)
        samples.append(found)
        answers = sum(counts[kind] for kind in ('equal', 'different', 'cold', 'invalid', 'unreadable', 'broken', 'event'))
        print(f'{time.monotonic() - began:5.0f} {rss / 1024:8.1f} {own / 1024:8.1f} {files:6} {threads:8} {used:7.1f} '
              f'{answers:8}', flush=True)
    return samples


def verdict(samples):
    warm = samples[len(samples) * 3 // 10:]
    half, grown = len(warm) // 2, []
    first, second = warm[:half], warm[half:]
    for name, at, bound in (('memory of its own, kB', 1, lambda m: m * 1.02 + 256), ('open files', 2, lambda m: m + 5),
                            ('threads', 3, lambda m: m + 5)):
        before, after = (statistics.median(found[at] for found in part) for part in (first, second))
        print(f'{name}: median {before:.0f} in the first half, {after:.0f} in the second (bound {bound(before):.0f})')
        if after > bound(before):
            grown.append(name)
    return grown


async def await_ready(port, process):
    while True:
        if process.poll() is not None:
            raise SystemExit('the gateway has ended before it was ready')
        try:
            reader, writer = await asyncio.open_connection('127.0.0.1', port)
            writer.write(b'GET /health/ready HTTP/1.1\r\nhost: a\r\n\r\n')
            head, _ = await read_message(reader)
            writer.close()
            if ' 200 ' in head.split('\r\n')[0]:
                return
        except OSError:
            pass
        await asyncio.sleep(0.1)


async def main():
    first, second = Subgraph(shop), Subgraph(scores)
    await first.start()
    await second.start()
    reserved = await asyncio.start_server(lambda reader, writer: None, '127.0.0.1', 0)
    port = reserved.sockets[0].getsockname()[1]
    reserved.close()
    subgraph = '{}://127.0.0.1:{}/graphql'.format
    settings = {
        'listen': f'127.0.0.1:{port}',
        'subgraphs': [{'name': 'shop', 'url': subgraph('http', first.port), 'sdl': SHOP, 'subscriptions': {'protocol': 'sse'}},
                      {'name': 'scores', 'url': subgraph('http', second.port), 'sdl': SCORES}],
        # so small that it is full long before the first half is over
        'limits': {'plan_cache_bytes': 2_000_000},
    }
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'gateway.yaml')
        with open(path, 'w') as file:
            json.dump(settings, file)
        log = open(os.path.join(folder, 'gateway.log'), 'w')
        process = subprocess.Popen([arguments.terrane, 'gateway', '--config', path], stdout=log, stderr=log)
        try:
            await await_ready(port, process)
            end = time.monotonic() + arguments.minutes * 60
            others = [asyncio.ensure_future(kill_and_revive(second)),
                      asyncio.ensure_future(change_settings(path, settings, process.pid))]
            workers = asyncio.gather(*(work(worker, port, end) for worker in range(WORKERS)))
            samples = await watch(process.pid, end)
            await workers
            for other in others:
                other.cancel()
        finally:
            process.terminate()
            process.wait()
            first.die()
            second.die()
            await asyncio.sleep(0.1)
        log.close()
        counts['settings read again'] = open(log.name).read().count('the settings were read again')
    print(', '.join(f'{kind}: {count}' for kind, count in counts.items()))
    grown = verdict(samples)
    for one in wrong[:10]:
        print('wrong:', one)
    print(f'wrong answers: {len(wrong)}; grown: {", ".join(grown) or "nothing"}')
    return 1 if wrong or grown else 0


raise SystemExit(asyncio.run(main()))
