#!/usr/bin/env python3
"""Shows what a gateway's bound of operations at once (`traffic.in_flight`) does for those that it takes, under more load than it can bear.

    bench/overload.py TERRANE [--seconds 6] [--bound 16]

The gateway is held on one core. One subgraph, in a process of its own, answers a list of 4,000 objects whenever it is asked; each
operation is one that was never asked in these words, by closed loops on 4, 32 and 256 connections. A client that is refused
asks again after 50 ms. For each number of connections, with and without the bound: answers in a second, their median and 99th
percentile in milliseconds, and the refusals. Each answer's length is compared. Needs nothing but Python 3.9, and `taskset`.
"""
import argparse
import json
import multiprocessing
import os
import selectors
import socket
import statistics
import subprocess
import tempfile
import time

THINGS = 4000
WARM_UP = 1.5  # seconds, of which nothing counts
SDL = ('extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key"]) '
       'type Query { things: [Thing!]! } type Thing @key(fields: "id") { id: ID! name: String size: Int }')


class Connection:
    """One end of a connection over which whole messages with a length go."""

    def __init__(self, given):
        self.socket, self.received, self.whole = given, bytearray(), None
        given.setblocking(True)

    def read(self):
        """The message's start line and body once it is whole; None until then. False at the end."""
        try:
            chunk = self.socket.recv(1 << 20)
        except ConnectionError:
            chunk = b''
        if not chunk:
            return False
        self.received += chunk
        if self.whole is None:
            end = self.received.find(b'\r\n\r\n')
            if end < 0:
                return None
            head = bytes(self.received[:end]).lower()
            self.whole = (end + 4, end + 4 + int(head.split(b'content-length:')[1].split(b'\r\n')[0]))
        start, end = self.whole
        if len(self.received) < end:
            return None
        message = bytes(self.received[:12]), bytes(self.received[start:end])
        self.received, self.whole = self.received[end:], None
        return message


def subgraph(listener):
    """Serve for ever."""
    things = [{'__typename': 'Thing', 'id': str(n), 'name': f'thing {n}', 'size': n} for n in range(THINGS)]
    body = json.dumps({'data': {'things': things}}).encode()
    answer = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n' % len(body) + body
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                connection = Connection(listener.accept()[0])
                selector.register(connection.socket, selectors.EVENT_READ, connection)
                continue
            message = key.data.read()
            if message is False:
                selector.unregister(key.fileobj)
            elif message:
                key.fileobj.sendall(answer)


def load(port, connections, seconds, names):
    """Milliseconds of each answer, and how many requests were refused."""
    selector, times, refused, sizes = selectors.DefaultSelector(), [], 0, set()
    waiting = []  # (when to ask again, connection)

    def ask(connection):
        body = json.dumps({'query': f'query Q{next(names)} {{ things {{ id name size }} }}'}).encode()
        connection.asked = time.monotonic()
        connection.socket.sendall(b'POST /graphql HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s'
                                  % (len(body), body))

    for _ in range(connections):
        connection = Connection(socket.create_connection(('127.0.0.1', port)))
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        ask(connection)
    begin = time.monotonic()
    while (now := time.monotonic()) < begin + WARM_UP + seconds:
        while waiting and waiting[0][0] <= now:
            ask(waiting.pop(0)[1])
        for key, _ in selector.select(timeout=0.005):
            message = key.data.read()
            if message is None:
                continue
            if message is False:
                raise SystemExit('the gateway closed a connection')
            start, body = message
            if start.endswith(b'200'):
                sizes.add(len(body))
                if key.data.asked > begin + WARM_UP:
                    times.append((time.monotonic() - key.data.asked) * 1000)
                ask(key.data)
            elif start.endswith(b'503'):
                refused += key.data.asked > begin + WARM_UP
                waiting.append((time.monotonic() + 0.05, key.data))
            else:
                raise SystemExit(f'{start!r}: {body[:300]!r}')
    if len(sizes) != 1 or min(sizes) < THINGS * 20:
        raise SystemExit(f'answers of {sizes} bytes, {refused} refused')
    for key in list(selector.get_map().values()):
        key.fileobj.close()
    return times, refused


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument('terrane')
    arguments.add_argument('--seconds', type=float, default=6)
    arguments.add_argument('--bound', type=int, default=16)
    arguments = arguments.parse_args()
    listener = socket.create_server(('127.0.0.1', 0), backlog=1000)
    multiprocessing.Process(target=subgraph, args=(listener,), daemon=True).start()
    names = iter(range(10**9))
    with tempfile.TemporaryDirectory() as folder:
        for bound in (0, arguments.bound):
            with open(f'{folder}/gateway.yaml', 'w') as config:
                json.dump({'subgraphs': [{'name': 'things', 'url': f'http://127.0.0.1:{listener.getsockname()[1]}/',
                                          'sdl': SDL}],
                           'traffic': {'in_flight': bound}}, config)
            free = socket.create_server(('127.0.0.1', 0))
            port = free.getsockname()[1]
            free.close()
            gateway = subprocess.Popen(['taskset', '-c', '1', arguments.terrane, 'gateway', '--listen', f'127.0.0.1:{port}', '--config',
                                        f'{folder}/gateway.yaml'], env={**os.environ, 'TERRANE_LOG': 'error'}, stdout=subprocess.DEVNULL)
            try:
                while True:
                    try:
                        socket.create_connection(('127.0.0.1', port)).close()
                        break
                    except ConnectionRefusedError:
                        if gateway.poll() is not None:
                            raise SystemExit('the gateway does not start')
                        time.sleep(0.05)
                load(port, 4, 1, names)
                for connections in (4, 32, 256):
                    times, refused = load(port, connections, arguments.seconds, names)
                    times.sort()
                    print(f'bound {bound or "none":>4}  {connections:>3} connections  {len(times) / arguments.seconds:6.0f} answers/s'
                          f'  median {statistics.median(times):7.1f} ms  p99 {times[int(len(times) * 0.99)]:7.1f} ms'
                          f'  refused {refused:>6}', flush=True)
            finally:
                gateway.terminate()
                gateway.wait()


if __name__ == '__main__':
    main()
