// Compares our composition with another implementation's: turns cases into a list of differences.
//
//   node compose.mjs --command 'terrane compose --subgraphs {file}' [--suites FOLDER] PATH...
//
// Run it in a folder where `@apollo/composition` and `graphql` are installed. A PATH is a JSON list of subgraphs
// ({name, url, sdl}), a case of `tests/compose` (`#>> NAME` before each subgraph), or a folder of such files. With
// `--suites`, or the environment variable TERRANE_INTEROP_SUITES, each folder in FOLDER is a case as well, and each
// `NAME.graphql` in it a subgraph; so is each `*.subgraph.ts` that holds its name and SDL as the public federation audit
// does, whose `src/test-suites` may be given as it is.
//
// Supergraphs are compared by meaning (order, layout and defaults don't count) together with the codes of the hints, and
// failures by their set of codes. Differences that are meant are listed in `compose.known` beside this file: a case and
// why; they are printed, too. Exit code 1 when there are others, or fewer failures alike than `LEAST_ALIKE`.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';

const require = createRequire(path.join(process.cwd(), 'package.json'));
const { composeServices } = require('@apollo/composition');
const { parse, print } = require('graphql');

const args = process.argv.slice(2);
const command = args[args.indexOf('--command') + 1].split(' ');
const paths = args.filter((arg, index) => !arg.startsWith('--') && !['--command', '--suites'].includes(args[index - 1]));
const suites = args.includes('--suites') ? args[args.indexOf('--suites') + 1] : process.env.TERRANE_INTEROP_SUITES;
const verbose = args.includes('--verbose');

const known = new Map();
const knownFile = path.join(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), 'compose.known');
for (const line of fs.existsSync(knownFile) ? fs.readFileSync(knownFile, 'utf8').split('\n') : []) {
  const [name, ...why] = line.split(' ');
  if (name && !name.startsWith('#')) known.set(name, why.join(' '));
}

function* files(target) {
  if (!fs.statSync(target).isDirectory()) return yield target;
  for (const entry of fs.readdirSync(target).sort()) {
    const inner = path.join(target, entry);
    if (fs.statSync(inner).isDirectory() || /\.(graphql|json)$/.test(entry)) yield* files(inner);
  }
}

function read(file) {
  const text = fs.readFileSync(file, 'utf8');
  if (file.endsWith('.json')) return JSON.parse(text);
  return text.split('#>> ').slice(1).map((section) => {
    const [name, ...lines] = section.split('\n');
    return { name: name.trim(), url: `http://${name.trim()}`, sdl: lines.join('\n') };
  });
}

// The subgraphs of a suite: a file for each.
function readSuite(folder) {
  const subgraphs = [];
  for (const entry of fs.readdirSync(folder).sort()) {
    const text = () => fs.readFileSync(path.join(folder, entry), 'utf8');
    let [name, sdl] = [path.basename(entry, '.graphql'), undefined];
    if (entry.endsWith('.graphql')) sdl = text();
    if (entry.endsWith('.subgraph.ts')) {
      const found = text().match(/createSubgraph\(\s*["']([^"']+)["'][^`]*typeDefs:[^`]*`([^`]*)`/);
      if (!found) throw new Error(`${folder}/${entry} holds no name with its SDL`);
      [, name, sdl] = found;
    }
    if (sdl !== undefined) subgraphs.push({ name, url: `http://${name}`, sdl });
  }
  return subgraphs;
}

// A schema as a set of facts.
function facts(sdl) {
  const all = new Set();
  const tidy = (text) => text.replace(/\\n/g, ' ').replace(/([{}():])/g, ' $1 ').replace(/,/g, ' ').replace(/\s+/g, ' ');
  const own = (name) => /^(join__|link__)/.test(name) && name !== 'join__Graph';
  const applied = (on, directives) => {
    for (const directive of directives ?? []) {
      const given = (directive.arguments ?? []).map(print).filter((arg) => arg !== 'resolvable: true');
      all.add(`${on} @${directive.name.value}(${tidy(given.sort().join(', '))})`);
    }
  };
  const described = (on, node) => node.description && all.add(`${on} described ${node.description.value.trim()}`);
  const input = (on, node) => {
    all.add(`${on}: ${print(node.type)}${node.defaultValue ? ` = ${print(node.defaultValue)}` : ''}`);
    described(on, node);
    applied(on, node.directives);
  };
  for (const definition of parse(sdl).definitions) {
    const name = definition.name?.value ?? 'schema';
    if (definition.kind === 'DirectiveDefinition') {
      if (own(name) || name === 'link') continue;
      const locations = definition.locations.map(print).sort().join(' | ');
      all.add(`directive @${name} repeatable=${definition.repeatable} on ${locations}`);
      for (const arg of definition.arguments ?? []) input(`@${name}(${arg.name.value})`, arg);
      continue;
    }
    if (own(name)) continue;
    all.add(`${definition.kind} ${name}`);
    described(name, definition);
    applied(name, definition.directives);
    for (const root of definition.operationTypes ?? []) all.add(`root ${print(root)}`);
    for (const one of definition.interfaces ?? []) all.add(`${name} implements ${print(one)}`);
    for (const one of definition.types ?? []) all.add(`${name} may be ${print(one)}`);
    for (const one of definition.values ?? []) {
      all.add(`${name}.${one.name.value}`);
      described(`${name}.${one.name.value}`, one);
      applied(`${name}.${one.name.value}`, one.directives);
    }
    for (const field of definition.fields ?? []) {
      input(`${name}.${field.name.value}`, field);
      for (const arg of field.arguments ?? []) input(`${name}.${field.name.value}(${arg.name.value})`, arg);
    }
  }
  return all;
}

function theirs(subgraphs) {
  try {
    const result = composeServices(subgraphs.map(({ name, url, sdl }) => ({ name, url, typeDefs: parse(sdl) })));
    if (!result.errors) {
      return { supergraph: result.supergraphSdl, hints: result.hints.map((hint) => hint.definition.code) };
    }
    return { codes: result.errors.map((error) => error.extensions?.code), messages: result.errors.map((error) => error.message) };
  } catch (error) {
    return { codes: [error.extensions?.code ?? 'INVALID_GRAPHQL'], messages: [String(error)] };
  }
}

function ours(subgraphs) {
  const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'interop-')), 'subgraphs.json');
  fs.writeFileSync(file, JSON.stringify(subgraphs));
  const [program, ...rest] = command.map((word) => word.replace('{file}', file));
  const { error, status, stdout, stderr } = spawnSync(program, rest, { encoding: 'utf8', maxBuffer: 1e9 });
  fs.rmSync(path.dirname(file), { recursive: true });
  if (error) throw error;
  const codes = (severity) => [...stderr.matchAll(new RegExp(`^${severity}\\[(\\w+)\\]`, 'gm'))].map((match) => match[1]);
  if (status === 0) return { supergraph: stdout, hints: codes('warning') };
  return { codes: codes('error'), messages: [stderr] };
}

const set = (codes) => [...new Set(codes)].sort().join(' ');

function difference(a, b) {
  if (a.codes && b.codes) {
    return set(a.codes) === set(b.codes) ? [] : [`theirs ${set(a.codes)}`, `ours   ${set(b.codes)}`, ...a.messages];
  }
  if (a.codes) return [`theirs ${a.codes.join(' ')}`, 'ours   composes', ...a.messages];
  if (b.codes) return ['theirs composes', `ours   ${b.codes.join(' ')}`, ...b.messages];
  const [left, right] = [facts(a.supergraph), facts(b.supergraph)];
  const only = (some, others, mark) => [...some].filter((fact) => !others.has(fact)).map((fact) => `${mark} ${fact}`);
  const found = [...only(left, right, 'theirs'), ...only(right, left, 'ours  ')];
  if (set(a.hints) !== set(b.hints)) found.push(`theirs hints ${set(a.hints)}`, `ours   hints ${set(b.hints)}`);
  return found;
}

// At least so many failures must be alike; without cases of failures, the comparison of codes would mean nothing.
const LEAST_ALIKE = 120;

function* cases() {
  for (const file of paths.flatMap((target) => [...files(target)])) {
    yield [file.split(path.sep).slice(-2).join('/').replace(/\.\w+$/, ''), () => read(file)];
  }
  for (const suite of suites ? fs.readdirSync(suites).sort() : []) {
    const folder = path.join(suites, suite);
    if (fs.statSync(folder).isDirectory()) yield [`suite/${suite}`, () => readSuite(folder)];
  }
}

let [same, alike, differ, meant] = [0, 0, 0, 0];
for (const [name, load] of cases()) {
  const subgraphs = load();
  const [their, our] = [theirs(subgraphs), ours(subgraphs)];
  const found = difference(their, our);
  if (found.length === 0) same += 1;
  else if (known.has(name)) {
    meant += 1;
    console.log(`${name} differs as listed: ${known.get(name)}`);
  } else {
    differ += 1;
    console.log(`${name}\n  ${found.join('\n').replaceAll('\n', '\n  ')}`);
  }
  if (found.length === 0 && their.codes) alike += 1;
  if (verbose && found.length === 0) console.log(`${name} same`);
  if (found.length === 0 && known.has(name)) console.log(`${name} is listed in compose.known, but is the same now`);
}
console.log(`${same} same (${alike} failures with the same codes), ${differ} different, ${meant} different as listed`);
process.exit(differ === 0 && alike >= LEAST_ALIKE ? 0 : 1);
