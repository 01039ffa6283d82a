// Turns the addresses of GraphQL endpoints into what the audit of GraphQL over HTTP (package graphql-http) says of each.
//
//   node audit.mjs URL...
//
// An audit whose name begins with MUST or SHOULD has to pass; a MAY that does not is only told.
import { serverAudits } from 'graphql-http';

let failed = 0;
for (const url of process.argv.slice(2)) {
  let passed = 0;
  const audits = serverAudits({ url, fetchFn: fetch });
  for (const audit of audits) {
    const result = await audit.fn();
    if (result.status === 'ok') {
      passed += 1;
      continue;
    }
    const required = /^(MUST|SHOULD)/.test(audit.name);
    const body = await result.response.clone().text().catch(() => '(read already)');
    console.error(`${required ? 'FAIL' : 'note'} ${audit.id} ${audit.name}: ${result.reason} (${result.response.status}) ${body.slice(0, 300)}`);
    if (required) failed += 1;
  }
  console.log(`${url}: ${passed} of ${audits.length} audits passed`);
  if (audits.length < 50) {
    console.error(`FAIL only ${audits.length} audits: did the package change?`);
    failed += 1;
  }
}
if (process.argv.length < 3) {
  console.error('usage: node audit.mjs URL...');
  failed += 1;
}
process.exitCode = failed > 0 ? 1 : 0;
