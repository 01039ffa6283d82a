// Turns one pinned package into the product's events: the CloudEvents that the product replays.
//
//     npm install --prefix /tmp/quakes vega-datasets@3.2.1
//     node build.mjs /tmp/quakes/node_modules/vega-datasets
//
// One event for each earthquake of the feed, in the order in which they happened. Values are the source's: milliseconds are
// written as times, and a place's coordinates by their names.

import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const PINNED = '3.2.1';
const SOURCE = 'https://earthquake.usgs.gov/earthquakes/feed/v1.0/summary/all_week.geojson';

const folder = resolve(process.argv[2] ?? 'node_modules/vega-datasets');
const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
if (version !== PINNED) throw new Error(`vega-datasets is ${version}, the file is made from ${PINNED}`);
const { features } = JSON.parse(readFileSync(join(folder, 'data/earthquakes.json'), 'utf8'));

const time = (milliseconds) => new Date(milliseconds).toISOString();
features.sort((a, b) => a.properties.time - b.properties.time || (a.id < b.id ? -1 : 1));
const lines = features.map(({ id, properties: p, geometry }) => {
  const [longitude, latitude, depth_km] = geometry.coordinates;
  const data = {
    quake_id: id,
    magnitude: p.mag,
    magnitude_type: p.magType,
    place: p.place,
    latitude,
    longitude,
    depth_km,
    kind: p.type,
    status: p.status,
    felt_reports: p.felt,
    tsunami: p.tsunami === 1,
    updated_at: time(p.updated),
  };
  const event = { specversion: '1.0', id: `${id}@${p.updated}`, source: SOURCE, type: 'gov.usgs.earthquake', time: time(p.time), data };
  return JSON.stringify(event);
});
writeFileSync(join(dirname(fileURLToPath(import.meta.url)), 'earthquakes.ndjson.gz'), gzipSync(`${lines.join('\n')}\n`, { level: 9 }));
console.log(`${lines.length} events`);
