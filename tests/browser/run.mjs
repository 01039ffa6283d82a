// Turns a running gateway into a verdict on its pages, as a real browser sees them.
//
//   npm ci && BASE_URL=http://127.0.0.1:4000 node run.mjs
//
// BASE_URL     the gateway of `terrane`, with the shipped products ready
// CHROMIUM     the browser, default /usr/bin/chromium
// SCREENSHOTS  a directory for pictures of the pages, default none
// REQUESTER, APPROVER, AUDITOR   tokens: of a reader, of grace@example.org, of a steward (scripts/test-pages.sh makes them)
//
// Prints a line per check and "N passed, M failed"; leaves with 1 when one failed.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const base = new URL(process.env.BASE_URL ?? 'http://127.0.0.1:4000');
const shots = process.env.SCREENSHOTS;
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const PRODUCTS = ['Cities', 'Continents', 'Countries', 'Earthquakes', 'Geography'];
const LOOKS = [
  { colorScheme: 'light', viewport: { width: 1280, height: 900 } },
  { colorScheme: 'dark', viewport: { width: 1280, height: 900 } },
  { colorScheme: 'dark', viewport: { width: 375, height: 812 } },
  { colorScheme: 'light', viewport: { width: 375, height: 812 } },
];
const { REQUESTER, APPROVER, AUDITOR } = process.env;
assert.ok(REQUESTER && APPROVER && AUDITOR, 'REQUESTER, APPROVER and AUDITOR are tokens; see scripts/test-pages.sh');

const BROWSER = {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
};

const at = (path) => new URL(path, base).href;
const cardNames = (page) => page.locator('.cards h2').allTextContents();

/** From now on the page is opened as whoever has the token. */
const as = (page, token) => page.setExtraHTTPHeaders({ authorization: `Bearer ${token}` });

/** Opens the product's page by its card, as a visitor does, so that the test knows no address but the first. */
async function openProduct(page, name) {
  await page.goto(at('/'));
  await page.locator('.cards h2 a', { hasText: new RegExp(`^${name}$`) }).click();
  await page.waitForSelector('#datasets');
}

async function openExplorer(page, query) {
  await page.goto(at(`/graphiql?query=${encodeURIComponent(query)}`));
  await page.waitForSelector('.graphiql-execute-button');
}

async function runInExplorer(page) {
  // the page asks for the schema and for example operations as well, and may be answered later
  const own = /IntrospectionQuery|exampleOperations/;
  const answered = page.waitForResponse(
    (response) => response.request().method() === 'POST' && !own.test(response.request().postData() ?? ''),
  );
  await page.locator('.graphiql-execute-button').click();
  const answer = await (await answered).json();
  await page.waitForFunction(() => document.querySelector('.result-window .CodeMirror-code')?.textContent.includes('data'));
  return answer;
}

// GraphiQL 4 nests the close button in its tab, and CodeMirror scrolls by a text area that axe-core doesn't count as content.
const OF_GRAPHIQL = ['nested-interactive', 'scrollable-region-focusable'];

/** Findings that keep somebody from using the page, but for the rules `known`; each with the element that shows it. */
async function seriousFindings(page, known = []) {
  // Evaluated rather than added as a script, which the page's content security policy forbids.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run());
  return violations
    .filter(({ id, impact }) => ['serious', 'critical'].includes(impact) && !known.includes(id))
    .map(({ id, nodes }) => `${id}: ${nodes[0].html.slice(0, 120)} (${nodes.length})`);
}

async function overflow(page) {
  return page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
}

const checks = {
  async 'a page of another origin gets nothing, and the own pages do'(page) {
    const foreign = createServer((_, response) => response.setHeader('content-type', 'text/html').end('<title>foreign</title>'));
    await new Promise((listening) => foreign.listen(0, '127.0.0.1', listening));
    const query = at('/graphql?query=%7B__typename%7D');
    const statuses = [];
    page.on('response', (response) => response.url().startsWith(at('/graphql')) && statuses.push(response.status()));
    try {
      await page.goto(`http://127.0.0.1:${foreign.address().port}/`);
      await page.evaluate(async ([query, endpoint]) => {
        await fetch(query, { mode: 'no-cors' });
        await fetch(endpoint, { method: 'POST', mode: 'no-cors', body: '{"query":"{__typename}"}' });
      }, [query, at('/graphql')]);
      assert.deepEqual(statuses, [400, 400]);
      // for JSON, the browser asks first, and is not let
      const json = page.evaluate((endpoint) => {
        const headers = { 'content-type': 'application/json' };
        return fetch(endpoint, { method: 'POST', headers, body: '{"query":"{__typename}"}' });
      }, at('/graphql'));
      await assert.rejects(json, /Failed to fetch/);
    } finally {
      foreign.close();
    }
    await page.goto(at('/'));
    assert.equal(await page.evaluate((query) => fetch(query).then(({ status }) => status), query), 200);
  },

  async 'the marketplace lists the five shipped products'(page) {
    await page.goto(at('/'));
    const names = await cardNames(page);
    for (const name of PRODUCTS) assert.ok(names.includes(name), `${name} is not among ${names.join(', ')}`);
    assert.ok(await page.locator('.card', { hasText: 'Countries' }).first().locator('.facts').count());
  },

  async 'a search narrows the list'(page) {
    await page.goto(at('/'));
    const all = await cardNames(page);
    await page.getByRole('searchbox').fill('trusted');
    await page.getByRole('searchbox').press('Enter');
    await page.waitForURL(/[?&]q=trusted/);
    const found = await cardNames(page);
    assert.ok(found.includes('Countries'), `found ${found.join(', ') || 'nothing'}`);
    assert.ok(found.length < all.length, `${found.length} of ${all.length} are left`);
    assert.equal(await page.getByRole('searchbox').inputValue(), 'trusted');
  },

  async 'a search for what nobody has finds nothing, and says so'(page) {
    await page.goto(at('/?q=qqxzjvw'));
    assert.deepEqual(await cardNames(page), []);
    assert.ok(await page.getByRole('heading', { name: 'Nothing found' }).isVisible());
  },

  async 'a search is shown as text, never as markup'(page) {
    await page.goto(at(`/?q=${encodeURIComponent('"><img src=x onerror=document.title=1>')}`));
    assert.equal(await page.locator('img[src="x"]').count(), 0);
  },

  async 'a product shows its data dictionary'(page) {
    await openProduct(page, 'Countries');
    const code = page.locator('.dictionary tbody tr', { has: page.locator('th code', { hasText: /^code$/ }) });
    assert.match(await code.innerText(), /key[\s\S]*yes[\s\S]*public[\s\S]*readable/);
    const restricted = page.locator('.dictionary tbody tr', { has: page.locator('th code', { hasText: /^sourceRecordId$/ }) });
    if (await restricted.count()) assert.match(await restricted.innerText(), /closed/);
    assert.match(await page.locator('#consumers').innerText(), /in the last 30 days/);
  },

  async 'the sample operation opens in the explorer and is answered'(page) {
    await openProduct(page, 'Countries');
    const link = page.getByRole('link', { name: 'Open in explorer' }).first();
    await link.click();
    await page.waitForSelector('.graphiql-execute-button');
    const answer = await runInExplorer(page);
    assert.equal(answer.errors, undefined);
    assert.ok(answer.data);
  },

  async 'the explorer asks no other host and runs a query'(page) {
    const foreign = [];
    page.on('request', (request) => {
      const url = new URL(request.url());
      if (url.protocol.startsWith('http') && url.host !== base.host) foreign.push(request.url());
    });
    await openExplorer(page, '{ countries(first: 3) { nodes { code name } } }');
    const answer = await runInExplorer(page);
    assert.equal(answer.data.countries.nodes.length, 3);
    assert.deepEqual(foreign, []);
  },

  async 'the explorer refuses an endpoint on another host'(page) {
    const asked = [];
    page.on('request', (request) => asked.push(new URL(request.url())));
    await page.goto(at('/graphiql?endpoint=https://elsewhere.invalid/graphql'));
    await page.waitForSelector('.explorer-endpoint');
    assert.match(await page.locator('.explorer-endpoint').innerText(), /not on this host/);
    assert.ok(asked.every((url) => url.protocol === 'data:' || url.host === base.host));
  },

  async 'the explorer sends the token and keeps it nowhere'(page) {
    await openExplorer(page, '{ __typename }');
    const headers = JSON.stringify({ authorization: 'Bearer not-to-be-kept' });
    await page.evaluate((text) => {
      const editors = document.querySelectorAll('section[aria-label="Headers"] .CodeMirror');
      editors[editors.length - 1].CodeMirror.setValue(text);
    }, headers);
    await page.waitForTimeout(700); // GraphiQL takes over what was typed half a second later.
    const sent = page.waitForRequest((request) => request.headers().authorization === 'Bearer not-to-be-kept');
    await page.locator('.graphiql-execute-button').click();
    await sent;
    await page.waitForTimeout(700);
    const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]));
    assert.ok(!kept.includes('not-to-be-kept'), kept);
    await page.evaluate(() => localStorage.clear());
  },

  async 'the dialogs of the explorer open under the content security policy'(page) {
    await openExplorer(page, '{ __typename }');
    await page.getByRole('button', { name: 'Open settings dialog' }).click();
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
    await page.getByRole('combobox').first().waitFor();
  },

  async 'a mistyped word is found, with where it was found'(page) {
    await page.goto(at('/?q=contries'));
    assert.ok((await cardNames(page)).includes('Countries'));
    const reason = page.locator('.card', { hasText: 'Countries' }).first().locator('.reasons a').first();
    // the card is one target, and the reason within it another
    await reason.click();
    await page.waitForSelector('#datasets');
  },

  async 'filters narrow the list without script'(page) {
    await page.goto(at('/'));
    await page.getByLabel('Domain').selectOption('geography/hazards');
    await page.getByRole('button', { name: 'Apply' }).click();
    assert.deepEqual(await cardNames(page), ['Earthquakes']);
  },

  async 'the mesh is one picture, and a click leads to a product'(page) {
    await page.goto(at('/mesh'));
    assert.equal(await page.locator('.drawing .node').count(), PRODUCTS.length);
    await page.locator('.drawing a[href="/marketplace/geography"]').click();
    assert.ok(await page.getByRole('heading', { name: /^Geography/, level: 1 }).isVisible());
    for (const name of ['lineage', 'columns', 'model']) {
      const drawing = page.locator(`#diagram-${name} svg`);
      assert.ok((await drawing.locator('.node').count()) > 1, name);
      const boxes = await drawing.locator('.node rect').evaluateAll((all) =>
        all.map((box) => ['x', 'y', 'width', 'height'].map((of) => box[of].baseVal.value)),
      );
      boxes.forEach(([x, y, w, h], at) =>
        boxes.slice(at + 1).forEach(([x2, y2, w2, h2]) =>
          assert.ok(x + w <= x2 || x2 + w2 <= x || y + h <= y2 || y2 + h2 <= y, `boxes of ${name} overlap`),
        ),
      );
      const mermaid = await page.request.get(at(`/marketplace/geography/${name}.mmd`));
      assert.match(await mermaid.text(), /^flowchart LR/);
    }
  },

  async 'the explorer offers the examples of the products, and they are answered'(page) {
    await openExplorer(page, '{ __typename }');
    const examples = page.locator('#examples');
    await examples.locator('optgroup[label="Countries"] option').first().waitFor({ state: 'attached' });
    const [value] = await examples.locator('optgroup[label="Countries"] option').evaluateAll((all) => all.map((one) => one.value));
    await examples.selectOption(value);
    await page.waitForFunction(() => document.querySelector('.graphiql-query-editor .CodeMirror').CodeMirror.getValue().includes('countr'));
    await page.waitForTimeout(700); // GraphiQL takes over what was put in half a second later.
    assert.ok((await runInExplorer(page)).data);
  },

  async 'the explorer shows a plan to those who may see it, and a refusal to others'(page) {
    await openExplorer(page, '{ country(code: "NO") { name } }');
    await page.locator('#plan').click();
    await page.getByRole('dialog', { name: 'Plan' }).waitFor();
    assert.match(await page.locator('#plan-dialog pre').innerText(), /your roles do not show plans/);
    await page.getByRole('button', { name: 'Close' }).click();
    await as(page, AUDITOR);
    await page.locator('#plan').click();
    await page.waitForFunction(() => document.querySelector('#plan-dialog pre').textContent.includes('countries'));
  },

  async 'access is asked for, approved, recorded and ended by forms, without script'(page) {
    const browser = await chromium.launch(BROWSER);
    const plain = await browser.newContext({ javaScriptEnabled: false });
    const side = async (token) => {
      const opened = await plain.newPage();
      await as(opened, token);
      return opened;
    };
    try {
      const [requester, approver, auditor] = [await side(REQUESTER), await side(APPROVER), await side(AUDITOR)];
      await requester.goto(at('/marketplace/countries'));
      await requester.getByRole('link', { name: 'Ask for population' }).click();
      assert.ok(await requester.getByRole('checkbox', { name: /population/ }).isChecked());
      await requester.getByLabel('What for').fill('A study in <b>bold</b>');
      await requester.getByLabel('For how long').selectOption('7d');
      await requester.getByRole('button', { name: 'Ask' }).click();
      await requester.waitForURL(/\/access\?done=asked/);
      assert.match(await requester.locator('[role=status]').innerText(), /on its way/);
      assert.ok(await requester.getByText('A study in <b>bold</b>').first().isVisible());
      assert.equal(await requester.getByRole('button', { name: 'Approve' }).count(), 0);

      await approver.goto(at('/access'));
      await approver.getByLabel('Reason').first().fill('As agreed');
      await approver.getByRole('button', { name: 'Approve' }).first().click();
      await approver.waitForURL(/done=approved/);

      await requester.goto(at('/marketplace/countries'));
      const row = requester.locator('.dictionary tbody tr', { has: requester.locator('th code', { hasText: /^population$/ }) });
      assert.match(await row.innerText(), /readable/);

      await auditor.goto(at('/access'));
      assert.match(await auditor.locator('main').innerText(), /Access of others[\s\S]*eve: field countries\.population/);

      await requester.goto(at('/access'));
      await requester.locator('section', { has: requester.locator('#held') }).getByLabel('Reason').first().fill('Done');
      await requester.getByRole('button', { name: 'End it' }).first().click();
      await requester.waitForURL(/done=revoked/);
    } finally {
      await browser.close();
    }
  },

  async 'a run is started on a page, and its steps come in live'(page) {
    await as(page, AUDITOR);
    await page.goto(at('/admin/countries'));
    await page.getByRole('button', { name: 'Run without pulling' }).click();
    await page.waitForURL(/\/admin\/countries\/runs\/[0-9a-f-]+\?done=started/);
    assert.match(await page.locator('.banner[role=status]').innerText(), /in the queue/);
    // the document stays: what comes is put into it
    await page.evaluate(() => (document.body.dataset.same = 'yes'));
    const loaded = page.url();
    await page.locator('[data-state] .status.good', { hasText: 'succeeded' }).first().waitFor({ timeout: 60_000 });
    await page.locator('#steps th', { hasText: 'publish' }).waitFor();
    assert.equal(await page.evaluate(() => document.body.dataset.same), 'yes');
    assert.equal(page.url(), loaded);
    assert.ok((await page.locator('#steps tbody tr').count()) > 3);
    assert.ok((await page.locator('.log li').count()) > 2);
    const places = await page.locator('.log li').allInnerTexts();
    assert.equal(new Set(places).size, places.length, 'no line comes twice');
    assert.match(await page.locator('#live-said').textContent(), /succeeded.*steps done/);
    await page.getByRole('button', { name: 'Cancel this run' }).waitFor({ state: 'detached' });
  },

  async 'a model is checked and put in by the keyboard alone, and the folder\'s own comes back'(page) {
    await as(page, AUDITOR);
    await page.goto(at('/admin/continents/models'));
    await page.locator('table a', { hasText: 'continents' }).first().focus();
    await page.keyboard.press('Enter');
    const editor = page.getByLabel(/^SQL of/);
    const own = await editor.inputValue();
    await editor.focus();
    await page.keyboard.press('Control+A');
    await page.keyboard.type('SELECT code\n  FROM input.x )');
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Check');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#check');
    assert.match(await page.locator('#check').innerText(), /would be refused[\s\S]*line 2, column/);
    assert.match(await editor.inputValue(), /input\.x \)$/);
    await editor.fill(`-- looked at\n${own}`);
    await page.getByRole('button', { name: 'Check' }).click();
    assert.match(await page.locator('#check').innerText(), /can be put in[\s\S]*How Postgres would make it/);
    await page.getByRole('button', { name: 'Put in' }).click();
    await page.waitForURL(/done=model-put/);
    assert.match(await editor.inputValue(), /^-- looked at/);
    await page.getByRole('button', { name: "Back to the folder's own" }).click();
    await page.waitForURL(/done=model-back/);
  },

  async 'making a version current says what it means first'(page) {
    await as(page, AUDITOR);
    await page.goto(at('/admin/countries/versions'));
    const button = page.getByRole('button', { name: /^Make version/ });
    assert.equal(await button.count(), 0);
    const summary = page.locator('.confirm summary').first();
    assert.ok((await summary.count()) > 0, 'the run before has left a version');
    await summary.click();
    assert.ok(await page.getByText('everybody reads version').first().isVisible());
    await button.first().click();
    await page.waitForURL(/done=rolled-back/);
    // and forward again
    await page.locator('.confirm summary').first().click();
    await page.getByRole('button', { name: /^Make version/ }).first().click();
    await page.waitForURL(/done=rolled-back/);
  },

  async 'what a product says is changed by forms, and brought back, without script'(page) {
    const browser = await chromium.launch(BROWSER);
    const plain = await browser.newContext({ javaScriptEnabled: false });
    try {
      const steward = await plain.newPage();
      await as(steward, AUDITOR);
      await steward.goto(at('/admin'));
      await steward.getByRole('link', { name: 'Countries', exact: true }).click();
      await steward.getByRole('link', { name: 'About', exact: true }).click();
      await steward.getByLabel('Purpose').fill('A list of <b>bold</b> countries');
      await steward.getByRole('button', { name: 'Save description' }).click();
      await steward.waitForURL(/about\?done=said/);
      assert.match(await steward.locator('[role=status]').innerText(), /says it from now on/);
      await page.goto(at('/marketplace/countries'));
      assert.ok(await page.getByText('A list of <b>bold</b> countries').first().isVisible());
      const added = steward.getByRole('group', { name: 'New link' }).first();
      await added.getByLabel('Kind').fill('dataDictionary');
      await added.getByLabel('Address').fill('javascript:alert(1)');
      await steward.getByRole('button', { name: 'Save links' }).click();
      assert.match(await steward.locator('[role=alert]').innerText(), /no address of a link/);
      assert.equal(await steward.getByLabel('Address').evaluateAll((all) => all.filter((one) => one.value === 'javascript:alert(1)').length), 1);
      await steward.getByRole('link', { name: 'countries', exact: true }).click();
      await steward.getByLabel('Search fields of countries').fill('population');
      await steward.getByRole('button', { name: 'Search fields' }).click();
      await steward.locator('#element-countries-population summary').click();
      await steward.locator('#element-countries-population').getByLabel('Title').fill('Headcount');
      await steward.getByRole('button', { name: 'Save words of population' }).click();
      await steward.waitForURL(/about\?done=said/);
      await steward.locator('#element-countries-population summary').click();
      await steward.getByRole('button', { name: /own words of population/ }).click();
      await steward.getByRole('button', { name: 'Description: back to the folder' }).click();
      assert.match(await steward.locator('section', { has: steward.locator('#history') }).innerText(), /Headcount/);
      await page.goto(at('/marketplace/countries'));
      assert.equal(await page.getByText('A list of <b>bold</b> countries').count(), 0);
    } finally {
      await browser.close();
    }
  },

  async 'a source is pulled by a form'(page) {
    await as(page, AUDITOR);
    await page.goto(at('/admin/countries/sources'));
    await page.getByRole('button', { name: 'Pull now: countries-source' }).click();
    await page.waitForURL(/sources\?done=pulling/);
    assert.match(await page.locator('[role=status]').innerText(), /being pulled/);
  },

  async 'a form of a page of another origin changes nothing'(page) {
    const foreign = createServer((_, response) => {
      response.setHeader('content-type', 'text/html');
      response.end(`<form method="post" action="${at('/marketplace/countries/access')}"><input name="role" value="reader"><button>x</button></form>`);
    });
    await new Promise((listening) => foreign.listen(0, '127.0.0.1', listening));
    try {
      await page.goto(`http://127.0.0.1:${foreign.address().port}/`);
      const answered = page.waitForResponse((response) => response.request().method() === 'POST');
      await page.locator('button').click();
      assert.equal((await answered).status(), 403);
    } finally {
      foreign.close();
    }
  },

  async 'the keyboard reaches the content first'(page) {
    await page.goto(at('/'));
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.className), 'skip');
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'content');
  },

  async 'copying a snippet says that it did'(page) {
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await openProduct(page, 'Countries');
    const button = page.locator('button.copy').first();
    await button.click();
    await page.waitForFunction(() => document.querySelector('button.copy').textContent === 'Copied');
  },

  async 'an unknown page is a page, with status 404'(page) {
    const response = await page.goto(at('/marketplace/no-such-product'));
    assert.equal(response.status(), 404);
    assert.ok(await page.getByRole('heading', { name: 'No such page' }).isVisible());
  },
};

/** The pages that axe-core and the width are checked on, by how to get there. */
const PAGES = {
  marketplace: (page) => page.goto(at('/')),
  'search without result': (page) => page.goto(at('/?q=qqxzjvw')),
  'product Cities': (page) => openProduct(page, 'Cities'),
  'product Continents': (page) => openProduct(page, 'Continents'),
  'product Countries': (page) => openProduct(page, 'Countries'),
  'product Geography': (page) => openProduct(page, 'Geography'),
  'discovery of countries': (page) => page.goto(at('/products/countries/discovery')),
  explorer: (page) => openExplorer(page, '{ __typename }'),
  'search with reasons': (page) => page.goto(at('/?q=contries')),
  mesh: (page) => page.goto(at('/mesh')),
  'product Earthquakes': (page) => openProduct(page, 'Earthquakes'),
  'product for a steward': async (page) => {
    await as(page, AUDITOR);
    await page.goto(at('/marketplace/countries'));
    await page.evaluate(() => document.querySelectorAll('details').forEach((one) => (one.open = true)));
  },
  'asking for access': async (page) => {
    await as(page, REQUESTER);
    await page.goto(at('/marketplace/countries/access?field=countries.population'));
  },
  'asking as nobody': (page) => page.goto(at('/marketplace/countries/access')),
  'access of a requester': async (page) => {
    await as(page, REQUESTER);
    await page.goto(at('/access?done=asked'));
  },
  'access of an auditor': async (page) => {
    await as(page, AUDITOR);
    await page.goto(at('/access'));
    await page.evaluate(() => document.querySelectorAll('details').forEach((one) => (one.open = true)));
  },
  'about a product': async (page) => {
    await as(page, AUDITOR);
    await page.goto(at('/admin/countries/about?dataset=countries'));
    await page.evaluate(() => document.querySelectorAll('details').forEach((one) => (one.open = true)));
  },
  'about a product, fields searched': async (page) => {
    await as(page, AUDITOR);
    await page.goto(at('/admin/countries/about?dataset=countries&q=name'));
  },
  'sources of a product': async (page) => {
    await as(page, AUDITOR);
    await page.goto(at('/admin/countries/sources'));
  },
  'sources that are pushed': async (page) => {
    await as(page, AUDITOR);
    await page.goto(at('/admin/earthquakes/sources'));
  },
  'the policy of a product': async (page) => {
    await as(page, AUDITOR);
    await page.goto(at('/admin/countries/policy'));
    await page.evaluate(() => document.querySelectorAll('details').forEach((one) => (one.open = true)));
  },
  'the effect of a policy': async (page) => {
    await as(page, AUDITOR);
    await page.goto(at('/admin/countries/policy'));
    const lines = page.getByLabel('Lines', { exact: true });
    await lines.fill(`${await lines.inputValue()}\np, anonymous, countries.population, read, allow\np, reader, countries.name, read, deny`);
    await page.getByRole('button', { name: 'Show the effect' }).click();
    await page.getByRole('button', { name: 'Apply' }).waitFor();
  },
  'a policy that cannot be put in': async (page) => {
    await as(page, AUDITOR);
    await page.goto(at('/admin/countries/policy'));
    await page.getByLabel('Lines', { exact: true }).fill('nonsense');
    await page.getByRole('button', { name: 'Show the effect' }).click();
    await page.getByRole('alert').waitFor();
  },
  plan: async (page) => {
    await as(page, AUDITOR);
    await page.goto(at(`/plan?query=${encodeURIComponent('{ country(code: "NO") { name continent { name } } }')}`));
  },
  'plan refused': (page) => page.goto(at('/plan')),
  ...Object.fromEntries(
    ['', '/runs', '/versions', '/schedules', '/models', '/models/output/countries', '/quality'].map((path) => [
      `admin${path}`.replaceAll('/', ' '),
      async (page) => {
        await as(page, AUDITOR);
        await page.goto(at(`/admin/countries${path}`));
        await page.evaluate(() => document.querySelectorAll('details').forEach((one) => (one.open = true)));
      },
    ]),
  ),
  'admin of a run': async (page) => {
    await as(page, AUDITOR);
    await page.goto(at('/admin/countries/runs'));
    await page.locator('table a').first().click();
    await page.waitForSelector('#steps');
  },
  'admin of a rule': async (page) => {
    await as(page, AUDITOR);
    await page.goto(at('/admin/countries/quality'));
    await page.locator('table a').first().click();
    await page.waitForSelector('#rule');
  },
  'admin of a check that finds something': async (page) => {
    await as(page, AUDITOR);
    await page.goto(at('/admin/countries/models/output/countries'));
    await page.getByLabel(/^SQL of/).fill('SELECT code FROM abstraction.countries');
    await page.getByRole('button', { name: 'Check' }).click();
    await page.waitForSelector('#check');
  },
  'admin of a check that is good': async (page) => {
    await as(page, AUDITOR);
    await page.goto(at('/admin/countries/models/output/countries'));
    await page.getByRole('button', { name: 'Check' }).click();
    await page.waitForSelector('#check');
  },
};

for (const [name, open] of Object.entries(PAGES)) {
  for (const look of LOOKS) {
    const label = `${look.colorScheme}, ${look.viewport.width} px`;
    checks[`axe-core finds nothing serious: ${name} (${label})`] = async (page) => {
      await page.setViewportSize(look.viewport);
      await page.emulateMedia({ colorScheme: look.colorScheme });
      await open(page);
      if (shots) {
        mkdirSync(shots, { recursive: true });
        const file = `${name}-${look.colorScheme}-${look.viewport.width}.png`.replaceAll(' ', '-').toLowerCase();
        await page.screenshot({ path: join(shots, file), fullPage: true });
      }
      assert.deepEqual(await seriousFindings(page, name === 'explorer' ? OF_GRAPHIQL : []), []);
      assert.ok((await overflow(page)) <= 0, `the page is ${await overflow(page)} px wider than the screen`);
    };
  }
}

const profile = mkdtempSync(join(tmpdir(), 'terrane-browser-'));
const context = await chromium.launchPersistentContext(profile, BROWSER);
context.setDefaultTimeout(15_000);
let passed = 0;
let failed = 0;
for (const [name, check] of Object.entries(checks)) {
  const page = await context.newPage();
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    // What the content security policy blocks is only told to the console.
    if (message.type() === 'error' && /Content Security Policy/i.test(message.text())) complaints.push(message.text());
  });
  try {
    await check(page);
    assert.deepEqual(complaints, []);
    passed += 1;
    console.log(`ok   ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL ${name}\n     ${String(error.message).replaceAll('\n', '\n     ')}`);
  } finally {
    await page.close();
  }
}
await context.close();
rmSync(profile, { recursive: true, force: true });
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
