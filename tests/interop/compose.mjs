// Compares our composition with another implementation's: turns cases into a list of differences.
//
//   node compose.mjs --command 'terrane compose --subgraphs {file}' PATH...
//
// Run it in a folder where `@apollo/composition` and `graphql` are installed. A PATH is a JSON list of subgraphs
// ({name, url, sdl}), a case of `tests/compose` (`#>> NAME` before each subgraph), or a folder of such files. Supergraphs
// are compared by meaning (order, layout and defaults don't count), failures by their set of codes. Differences that are
// meant are listed in `compose.known` beside this file: a case and why. Exit code 1 when there are others.

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';

const require = createRequire(path.join(process.cwd(), 'package.json'));
const { composeServices } = require('@apollo/composition');
const { parse, print } = require('graphql');

const args = process.argv.slice(2);
const command = args[args.indexOf('--command') + 1].split(' ');
const paths = args.filter((arg, index) => !arg.startsWith('--') && args[index - 1] !== '--command');
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
    if (!result.errors) return { supergraph: result.supergraphSdl };
    return { codes: result.errors.map((error) => error.extensions?.code), messages: result.errors.map((error) => error.message) };
  } catch (error) {
    return { codes: [error.extensions?.code ?? 'INVALID_GRAPHQL'], messages: [String(error)] };
  }
}

function ours(subgraphs) {
  const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'interop-')), 'subgraphs.json');
  fs.writeFileSync(file, JSON.stringify(subgraphs));
  const [program, ...rest] = command.map((word) => word.replace('{file}', file));
  try {
    return { supergraph: execFileSync(program, rest, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 1e9 }) };
  } catch (failed) {
    const text = String(failed.stderr);
    return { codes: [...text.matchAll(/^error\[(\w+)\]/gm)].map((match) => match[1]), messages: [text] };
  } finally {
    fs.rmSync(path.dirname(file), { recursive: true });
  }
}

function difference(a, b) {
  if (a.codes && b.codes) {
    const set = (codes) => [...new Set(codes)].sort().join(' ');
    return set(a.codes) === set(b.codes) ? [] : [`theirs ${set(a.codes)}`, `ours   ${set(b.codes)}`, ...a.messages];
  }
  if (a.codes) return [`theirs ${a.codes.join(' ')}`, 'ours   composes', ...a.messages];
  if (b.codes) return ['theirs composes', `ours   ${b.codes.join(' ')}`, ...b.messages];
  const [left, right] = [facts(a.supergraph), facts(b.supergraph)];
  const only = (some, others, mark) => [...some].filter((fact) => !others.has(fact)).map((fact) => `${mark} ${fact}`);
  return [...only(left, right, 'theirs'), ...only(right, left, 'ours  ')];
}

let [same, differ, meant] = [0, 0, 0];
for (const file of paths.flatMap((target) => [...files(target)])) {
  const name = file.split(path.sep).slice(-2).join('/').replace(/\.\w+$/, '');
  const subgraphs = read(file);
  const found = difference(theirs(subgraphs), ours(subgraphs));
  if (found.length === 0) same += 1;
  else if (known.has(name)) meant += 1;
  else {
    differ += 1;
    console.log(`${name}\n  ${found.join('\n').replaceAll('\n', '\n  ')}`);
  }
  if (verbose && found.length === 0) console.log(`${name} same`);
  if (found.length === 0 && known.has(name)) console.log(`${name} is listed in compose.known, but is the same now`);
}
console.log(`${same} same, ${differ} different, ${meant} different as listed`);
process.exit(differ === 0 ? 0 : 1);
