// Turns main.jsx and its npm packages into graphiql.js, graphiql.css and the licences of what is in them.
//
//   node build.mjs OUTPUT_DIRECTORY      (called by scripts/build-graphiql.sh, after npm ci)
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const ALLOWED = new Set(['MIT', 'ISC', 'BSD-2-Clause', 'BSD-3-Clause', 'Apache-2.0', '0BSD', 'Python-2.0']);
// These packages come without a licence file; they are parts of a repository whose licence another package carries.
const SAME_REPOSITORY = [[/^(@graphiql\/|graphql-language-service$|codemirror-graphql$)/, 'graphiql']];
const MAX_BYTES = 2 * 1024 * 1024;

const target = process.argv[2];
if (!target) throw new Error('usage: node build.mjs OUTPUT_DIRECTORY');

/** The page uses system fonts, so the fonts that GraphiQL carries as base64 are left out: two thirds of its CSS. */
const withoutFonts = {
  name: 'without-fonts',
  setup(setup) {
    setup.onLoad({ filter: /\.css$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replace(/@font-face\s*\{[^}]*\}/g, ''),
      loader: 'css',
    }));
  },
};

/** `node_modules/a/node_modules/@b/c/x.js` → the folder of `@b/c`; nothing for our own files. */
function packageFolder(input) {
  return input.match(/^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//)?.[1];
}

function licenceText(folder) {
  const file = readdirSync(folder).find((name) => /^(licen[cs]e|copying)(\.(md|txt))?$/i.test(name));
  return file && readFileSync(join(folder, file), 'utf8').trim();
}

/** The terms of the MIT licence without a copyright line, for packages that name it but don't carry its text. */
function mitTerms() {
  const text = licenceText(join('node_modules', 'graphiql'));
  return text.slice(text.indexOf('Permission is hereby granted'));
}

function describe(folder) {
  const { name, version, license, author } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  if (!ALLOWED.has(license)) throw new Error(`${name} ${version}: licence ${license} is not on the list of allowed ones`);
  const holder = author?.name ?? author ?? `the authors of ${name}`;
  const sibling = SAME_REPOSITORY.find(([pattern]) => pattern.test(name))?.[1];
  const text = licenceText(folder) ?? (sibling && licenceText(join('node_modules', sibling)));
  if (!text && license !== 'MIT') throw new Error(`${name} ${version}: no licence text for ${license}`);
  return { name, version, license, text: text || `MIT License, as its package.json says\n\nCopyright (c) ${holder}\n\n${mitTerms()}` };
}

/** One section per licence text, with every package that it covers. */
function renderLicences(packages) {
  const sections = new Map();
  for (const { name, version, license, text } of packages) {
    const section = sections.get(text) ?? [];
    section.push(`${name} ${version} (${license})`);
    sections.set(text, section);
  }
  const rule = '-'.repeat(100);
  const body = [...sections].map(([text, names]) => `${rule}\n${names.join('\n')}\n\n${text}\n`);
  return `graphiql.js and graphiql.css are bundled from these packages.\n\n${body.join('\n')}`.replace(/[ \t\r]+$/gm, '');
}

const result = await build({
  entryPoints: { graphiql: 'main.jsx' },
  outdir: target,
  bundle: true,
  minify: true,
  legalComments: 'none', // LICENSES.txt has the whole texts
  format: 'iife',
  target: ['chrome110', 'firefox115', 'safari16'],
  jsx: 'automatic',
  define: { 'process.env.NODE_ENV': '"production"', 'process.env.USE_IMPORT': '"true"' },
  alias: { 'react-style-singleton': './no-inline-styles.js' },
  plugins: [withoutFonts],
  metafile: true,
  logLevel: 'warning',
});

const folders = new Set(Object.keys(result.metafile.inputs).map(packageFolder).filter(Boolean));
const packages = [...folders].filter((folder) => existsSync(join(folder, 'package.json'))).map(describe);
packages.sort((a, b) => (a.name < b.name ? -1 : 1));
writeFileSync(join(target, 'LICENSES.txt'), renderLicences(packages));

const sizes = ['graphiql.js', 'graphiql.css'].map((name) => [name, statSync(join(target, name)).size]);
for (const [name, size] of sizes) console.log(`${name}: ${size} bytes`);
console.log(`${packages.length} packages`);
const total = sizes.reduce((sum, [, size]) => sum + size, 0);
if (total > MAX_BYTES) throw new Error(`the bundle has ${total} bytes, more than the ${MAX_BYTES} that it may have`);
