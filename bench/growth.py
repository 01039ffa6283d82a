#!/usr/bin/env python3
"""Shows how the processor time of the data port grows with list length, depth and representations.

    bench/growth.py URL SERVER_PID POSTMASTER_PID

URL is the /graphql of `terrane product bench/world`. Requests go one after the other over one connection; the time is
that of the server's process and of Postgres's processes, read from /proc before and after.
"""
import http.client
import json
import os
import sys
import time
import urllib.parse

url, server, postmaster = urllib.parse.urlparse(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
connection = http.client.HTTPConnection(url.hostname, url.port)
TICK = 1_000_000 / os.sysconf('SC_CLK_TCK')


def processor_time():
    """Microseconds of (server, Postgres with its children)."""
    times = [0, 0]
    for entry in os.listdir('/proc'):
        if not entry.isdigit():
            continue
        try:
            fields = open(f'/proc/{entry}/stat').read().rsplit(') ', 1)[1].split()
        except OSError:
            continue
        used = (int(fields[11]) + int(fields[12])) * TICK
        if int(entry) == server:
            times[0] += used
        elif int(entry) == postmaster or int(fields[1]) == postmaster:
            times[1] += used
    return times


def ask(body):
    connection.request('POST', url.path, body, {'content-type': 'application/json'})
    answer = connection.getresponse().read()
    if b'"errors"' in answer:
        raise SystemExit(answer[:500].decode())
    return len(answer)


def measure(label, query, variables=None):
    body = json.dumps({'query': query, 'variables': variables or {}})
    end = time.time() + 0.5
    while time.time() < end:
        size = ask(body)
    before, count, end = processor_time(), 0, time.time() + 3
    while time.time() < end:
        ask(body)
        count += 1
    after = processor_time()
    ours, theirs = ((b - a) / count for a, b in zip(before, after))
    print(f'{label:24} {size:9} bytes   server {ours:9.1f} µs   Postgres {theirs:9.1f} µs', flush=True)


for rows in (10, 100, 1000):
    measure(f'list of {rows}', f'{{ cities(first: {rows}) {{ nodes {{ id name population latitude longitude }} }} }}')
for depth in (1, 2, 3, 4):
    nested = {1: 'countries(first: 250) { nodes { code name } }',
              2: 'countries(first: 250) { nodes { code name cities(first: 3) { nodes { id name } } } }',
              3: 'countries(first: 250) { nodes { code name cities(first: 3) { nodes { id name country { code } } } } }',
              4: 'countries(first: 250) { nodes { code name cities(first: 3) { nodes { id name country { code '
                 'continent { code } } } } } }'}
    measure(f'depth {depth}', f'{{ {nested[depth]} }}')
for count in (10, 100, 1000, 10000):
    ids = [{'__typename': 'City', 'id': 1 + (i * 7919) % 135000} for i in range(count)]
    measure(f'{count} representations', 'query E($r: [_Any!]!) { _entities(representations: $r) { ... on City { id name } } }',
            {'r': ids})
