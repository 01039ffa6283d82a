// What a person sees of signing in, in a real browser.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const shots = process.env.SCREENSHOTS;
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const NORWAY = '{ country(code: "NO") { name population } }';

async function serious(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run());
  const found = violations.filter(({ impact }) => ['serious', 'critical'].includes(impact));
  return found.map(({ id, nodes }) => `${id}: ${nodes[0].html.slice(0, 120)}`);
}

async function shoot(page, name) {
  if (!shots) return;
  mkdirSync(shots, { recursive: true });
  await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
}

async function askInExplorer(page, base) {
  await page.goto(`${base}/graphiql?query=${encodeURIComponent(NORWAY)}`);
  await page.waitForSelector('.graphiql-execute-button');
  // the page asks for the schema and for example operations as well, and may be answered later
  const answered = page.waitForResponse((response) => response.request().postData()?.includes('country(code:'));
  await page.locator('.graphiql-execute-button').click();
  return (await answered).json();
}

/** Runs the checks of the browser by `check(name, work)`. */
export async function browserChecks({ base, provider }, check) {
  const profile = mkdtempSync(join(tmpdir(), 'sign-in-browser-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    viewport: { width: 1280, height: 900 },
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
  });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error' && /Content Security Policy/i.test(message.text())) complaints.push(message.text());
  });
  await check('in a browser: a visitor sees what anyone may see, and signs in at the provider', async () => {
    assert.equal((await askInExplorer(page, base)).data.country.population ?? null, null);
    // what search engines read is on the page that anybody sees, and breaks no policy
    await page.goto(`${base}/marketplace/countries`);
    assert.equal(await page.locator('script[type="application/ld+json"]').count(), 1);
    await page.goto(`${base}/?q=trusted`);
    await page.getByRole('link', { name: 'Sign in' }).click();
    await page.waitForURL(`${provider.issuer}/**`);
    await page.locator('input[name=login]').fill('ada');
    await page.locator('input[name=password]').fill('any');
    await page.locator('button[type=submit]').click();
    await page.waitForURL(`${base}/?q=trusted`);
    assert.equal(await page.locator('.visitor-name').innerText(), 'Ada Lovelace');
    await shoot(page, 'signed-in');
    await page.goto(`${base}/marketplace/countries`);
    assert.equal(await page.locator('script[type="application/ld+json"]').count(), 0);
  });
  await check('in a browser: scripts cannot read the session, and only this host gets it', async () => {
    assert.equal(await page.evaluate(() => document.cookie), '');
    const kept = (await context.cookies(base)).filter(({ name }) => name.endsWith('-session'));
    assert.equal(kept.length, 1);
    assert.deepEqual([kept[0].httpOnly, kept[0].sameSite, kept[0].domain], [true, 'Lax', '127.0.0.1']);
  });
  await check('in a browser: the explorer asks as the visitor, and says who that is', async () => {
    const answer = await askInExplorer(page, base);
    assert.ok(Number(answer.data?.country?.population) > 0, JSON.stringify(answer));
    assert.match(await page.locator('.explorer-endpoint').innerText(), /Ada Lovelace/);
    await shoot(page, 'explorer');
  });
  for (const [colorScheme, width] of [['light', 1280], ['dark', 390]]) {
    await check(`in a browser: axe-core finds nothing serious when signed in (${colorScheme}, ${width} px)`, async () => {
      await page.setViewportSize({ width, height: 900 });
      await page.emulateMedia({ colorScheme });
      await page.goto(`${base}/`);
      await shoot(page, `signed-in-${colorScheme}-${width}`);
      assert.deepEqual(await serious(page), []);
      const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      assert.ok(over <= 0, `${over} px wider than the screen`);
    });
  }
  await check('in a browser: signing out ends it, here and at the provider', async () => {
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.waitForURL(`${provider.issuer}/**`);
    await page.getByRole('button', { name: /yes/i }).click();
    await page.waitForURL(`${base}/`);
    assert.ok(await page.getByRole('link', { name: 'Sign in' }).isVisible());
    assert.equal((await askInExplorer(page, base)).data.country.population ?? null, null);
    await page.goto(`${base}/auth/sign-in`);
    assert.ok(await page.locator('input[name=login]').isVisible(), 'the provider does not know them any more');
  });
  await check('in a browser: nothing broke the content security policy', async () => assert.deepEqual(complaints, []));
  await context.close();
  rmSync(profile, { recursive: true, force: true });
}
