"""What benchmarks of bench/flow share: rows, requests, the change feed, and the memory of processes."""
import http.client
import json
import os
import random
import socket
import threading
import time
import urllib.parse

HEADER = 'id,sensor,at,value,price,note\n'


def row(number, rows):
    """One reading; there are a hundred for each sensor, so that a sensor's work is the same however many rows there are."""
    sensor = number % max(rows // 100, 1)
    at = f'2026-{number % 12 + 1:02}-{number % 28 + 1:02}T{number % 24:02}:{number % 60:02}:{number % 59:02}Z'
    value = round(random.gauss(20, 5), 4)
    return f'r{number},Sensor-{sensor},{at},{value},{random.randrange(10**8) / 100:.2f},{"" if number % 4 else "a note"}\n'


def write_rows(path, start, count, rows):
    """A CSV file with the readings from `start` on."""
    random.seed(start)
    with open(path, 'w') as file:
        file.write(HEADER)
        for first in range(start, start + count, 10_000):
            file.write(''.join(row(n, rows) for n in range(first, min(first + 10_000, start + count))))


class Product:
    """A running product."""

    def __init__(self, base, token):
        self.address = urllib.parse.urlparse(base)
        self.token = token

    def _ask(self, path, body, kind):
        connection = http.client.HTTPConnection(self.address.hostname, self.address.port, blocksize=1 << 20)
        connection.request('POST', path, body, {'content-type': kind, 'authorization': f'Bearer {self.token}'})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise SystemExit(f'{path}: {answer.status} {text[:1000].decode()}')
        return json.loads(text)

    def post_rows(self, path):
        with open(path, 'rb') as file:
            return self._ask('/input/readings?mode=append', file, 'text/csv')

    def post_events(self, lines):
        return self._ask('/input/readings/events', lines, 'application/x-ndjson')

    def run(self):
        """Run the pipeline; its steps with their milliseconds."""
        query = ('mutation { runPipeline(pull: false) { state error milliseconds version '
                 'steps { kind name milliseconds rows bytes } } }')
        answer = self._ask('/graphql', json.dumps({'query': query}), 'application/json')
        run = (answer.get('data') or {}).get('runPipeline')
        if not run or run['state'] != 'succeeded':
            raise SystemExit(json.dumps(answer)[:2000])
        return run

    def changes(self, dataset, after=None):
        """A socket on which the plain change feed comes, without chunks."""
        feed = socket.create_connection((self.address.hostname, self.address.port))
        feed.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        query = '' if after is None else f'?after={after}'
        feed.sendall(f'GET /output/{dataset}/changes{query} HTTP/1.0\r\nauthorization: Bearer {self.token}\r\n\r\n'.encode())
        return feed

    def position(self, dataset):
        """The last position of the change feed."""
        feed, text = self.changes(dataset), b''
        while b'event: position' not in text:
            text += feed.recv(65536)
        feed.close()
        return int(text.split(b'event: position')[0].rsplit(b'id: ', 1)[1])


def count_changes(feed, wanted):
    """Read the feed until `wanted` changes have come; seconds from the first byte of changes to the last."""
    mark, seen, tail, start = b'event: change\n', 0, b'', None
    while seen < wanted:
        piece = feed.recv(1 << 20)
        if not piece:
            raise SystemExit(f'the feed has ended after {seen} changes')
        text = tail + piece
        seen += text.count(mark)
        start = start or (time.perf_counter() if seen else None)
        tail = text[-(len(mark) - 1):] if not text.endswith(mark) else b''
    return time.perf_counter() - start


class Memory:
    """The most memory that the product's process and Postgres's processes have at a time, in MB: of Postgres's pages, each
    counts once however many processes share it."""

    def __init__(self, process, postmaster):
        self.process, self.postmaster = process, postmaster
        self.most = [0, 0]
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self):
        while True:
            now = self._now()
            self.most = [max(pair) for pair in zip(self.most, now)]
            time.sleep(0.25)

    def _now(self):
        sizes = [0, 0]
        for entry in os.listdir('/proc'):
            if not entry.isdigit():
                continue
            try:
                parent = int(open(f'/proc/{entry}/stat').read().rsplit(') ', 1)[1].split()[1])
                mine, theirs = int(entry) == self.process, self.postmaster in (int(entry), parent)
                if mine or theirs:
                    rollup = open(f'/proc/{entry}/smaps_rollup').read()
                    pages = next(line for line in rollup.splitlines() if line.startswith('Pss:'))
                    sizes[0 if mine else 1] += int(pages.split()[1]) / 1024
            except (OSError, StopIteration):
                continue
        return sizes

    def take(self):
        """What was the most since the last time."""
        most, self.most = [max(pair) for pair in zip(self.most, self._now())], [0, 0]
        return most
