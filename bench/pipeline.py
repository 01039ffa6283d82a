#!/usr/bin/env python3
"""Rows in, through models, and out as changes: see pipeline.sh, which starts what is measured here."""
import argparse
import os
import pathlib
import re
import subprocess
import time

from flow import Memory, Product, count_changes, write_rows

HERE = pathlib.Path(__file__).parent
COLUMNS = 'id, sensor, at, value, price, note'
# what the contract asks of the output, for dbt and for the bare statements
REQUIRED = {'sensors': ['sensor', 'readings'], 'readings': ['id', 'sensor', 'at', 'value', 'is_dear']}
KEYS = {'sensors': 'sensor', 'readings': 'id'}
ORDER = ['clean_readings', 'sensors', 'readings']

parser = argparse.ArgumentParser(description=__doc__)
for name in ('base', 'token', 'work', 'psql'):
    parser.add_argument(f'--{name}', required=True)
for name in ('process', 'postmaster', 'rows'):
    parser.add_argument(f'--{name}', required=True, type=int)
parser.add_argument('--dbt')
options = parser.parse_args()
work, rows = pathlib.Path(options.work), options.rows
product = Product(options.base, options.token)
memory = Memory(options.process, options.postmaster)


def psql(*commands):
    arguments = [options.psql, '-qAtX', '-v', 'ON_ERROR_STOP=1']
    for command in commands:
        arguments += ['-c', command]
    return subprocess.run(arguments, check=True, capture_output=True, text=True).stdout.strip()


def measure(what, count, job):
    """Run a job, and print how long it took for `count` rows, and the memory meanwhile."""
    memory.take()
    start = time.perf_counter()
    result = job()
    took = result if isinstance(result, float) else time.perf_counter() - start
    ours, theirs = memory.take()
    print(f'{rows:>9} rows  {what:42} {took:8.2f} s {count / took:10.0f} rows/s   memory: terrane {ours:5.0f} MB, Postgres '
          f'{theirs:5.0f} MB', flush=True)
    return result


def model(name):
    """The SELECT of a model, without its header."""
    file = next((HERE / 'flow' / 'models').glob(f'*/{name}.sql'))
    return ''.join(line for line in file.read_text().splitlines(True) if not line.startswith('--')).strip()


def bare(checked):
    """The models as plain statements in one session; with the contract's keys and checks, or without."""
    commands = ['DROP SCHEMA IF EXISTS bare CASCADE', 'CREATE SCHEMA bare']
    for name in ORDER:
        select = re.sub(r'\b(abstraction|output)\.', 'bare.', model(name))
        commands.append(f'CREATE TABLE bare.{name} AS {select}')
    if checked:
        for name, key in KEYS.items():
            commands.append(f'ALTER TABLE bare.{name} ADD PRIMARY KEY ({key})')
            nulls = ' OR '.join(f'{column} IS NULL' for column in REQUIRED[name])
            commands.append(f'SELECT count(*) FROM bare.{name} WHERE {nulls}')
        commands.append('ALTER TABLE bare.readings ADD FOREIGN KEY (sensor) REFERENCES bare.sensors')
        commands += [f'ANALYZE bare.{name}' for name in ORDER]
    psql(*commands)


def write_dbt_project(folder):
    """The same models and checks as a dbt project."""
    (folder / 'models').mkdir(parents=True, exist_ok=True)
    (folder / 'dbt_project.yml').write_text(
        "name: flow\nversion: '1.0'\nprofile: flow\nmodels: {flow: {+materialized: table}}\n"
        'flags: {send_anonymous_usage_stats: false}\n')
    (folder / 'profiles.yml').write_text(
        "flow: {target: bench, outputs: {bench: {type: postgres, host: \"{{ env_var('PGHOST') }}\", port: 5432, user: postgres, "
        "password: \"{{ env_var('PGPASSWORD') }}\", dbname: \"{{ env_var('PGDATABASE') }}\", schema: dbt_flow, threads: 4}}}\n")
    for name in ORDER:
        select = re.sub(r'\b(?:abstraction|output)\.(\w+)', r"{{ ref('\1') }}", model(name))
        (folder / 'models' / f'{name}.sql').write_text(select + '\n')
    schema = 'models:\n'
    for name, required in REQUIRED.items():
        schema += f'  - name: {name}\n    columns:\n'
        for column in required:
            tests = ['not_null'] + (['unique'] if KEYS[name] == column else [])
            if (name, column) == ('readings', 'sensor'):
                tests.append("relationships: {to: ref('sensors'), field: sensor}")
            schema += f'      - name: {column}\n        data_tests:\n' + ''.join(f'          - {test}\n' for test in tests)
    (folder / 'models' / 'schema.yml').write_text(schema)


def dbt(folder, command):
    done = subprocess.run([options.dbt, '--quiet', command, '--project-dir', folder, '--profiles-dir', folder],
                          capture_output=True, text=True, env={**os.environ, 'DBT_SEND_ANONYMOUS_USAGE_STATS': 'false'})
    if done.returncode != 0:
        raise SystemExit(done.stdout[-3000:] + done.stderr[-3000:])


def steps(run):
    """The steps of a run, in seconds."""
    parts = [f'{s["kind"]} {s["name"]} {(s["milliseconds"] or 0) / 1000:.2f}' for s in run['steps']]
    print(f'{"":16}run of {run["milliseconds"] / 1000:.2f} s: {", ".join(parts)}', flush=True)


file, more = work / 'rows.csv', work / 'more.csv'
write_rows(file, 0, rows, rows)
write_rows(more, rows, rows // 100, rows)
psql(f'CREATE TABLE public.readings AS SELECT {COLUMNS} FROM input.readings', 'CHECKPOINT')
measure('\\copy into a table', rows,
        lambda: psql(f"\\copy public.readings ({COLUMNS}) FROM '{file}' WITH (FORMAT csv, HEADER)") and None)
psql('DROP TABLE public.readings', 'CHECKPOINT')
measure('POST /input/readings', rows, lambda: product.post_rows(file))
psql('VACUUM ANALYZE input.readings', 'CHECKPOINT')
measure('the bare statements', rows, lambda: bare(False))
psql('CHECKPOINT')
measure('the bare statements, keys and checks', rows, lambda: bare(True))
psql('DROP SCHEMA bare CASCADE', 'CHECKPOINT')
if options.dbt:
    write_dbt_project(work / 'dbt')
    dbt(work / 'dbt', 'parse')
    measure('dbt run', rows, lambda: dbt(work / 'dbt', 'run'))
    psql('CHECKPOINT')
    measure('dbt build (with the checks)', rows, lambda: dbt(work / 'dbt', 'build'))
    psql('DROP SCHEMA dbt_flow CASCADE', 'CHECKPOINT')
before = product.position('readings')
steps(measure('run: models, checks, changes, publish', rows, product.run))
feed = product.changes('readings', before)
measure('changes to a subscriber', rows, lambda: count_changes(feed, rows))
feed.close()
psql('CHECKPOINT')
product.post_rows(more)
steps(measure('run after 1 % more rows', rows // 100, product.run))
feed = product.changes('readings', product.position('readings'))
lines = [f'{{"id":"e{n}","sensor":"Sensor-{n}","at":"2026-11-26T00:00:00Z","value":{n},"price":{n}}}\n' for n in range(10_000)]
together = [''.join(lines[n:n + 1000]) for n in range(0, len(lines), 1000)]
measure('10,000 events, ten posts: until subscribed', len(lines),
        lambda: [product.post_events(post) for post in together] and count_changes(feed, len(lines)) and None)
print(f'{"":16}database {int(psql("SELECT pg_database_size(current_database())")) / 1e6:.0f} MB, outbox '
      f'{int(psql("SELECT pg_total_relation_size($$control.outbox$$)")) / 1e6:.0f} MB', flush=True)
