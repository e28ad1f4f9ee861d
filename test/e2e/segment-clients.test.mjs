// The real packages, unmodified, against the running server: through their start-up, each kind of message, an outage, answers
// that get lost, and a restart in the middle. Every event must be there under the right person with the right time.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, extname, join } from 'node:path';
import test from 'node:test';

import { startProxy } from './lib/proxy.mjs';
import { startServer, until } from './lib/server.mjs';

const require = createRequire(import.meta.url);
const HOUR = 3_600_000;
const WAIT = { timeoutMs: 60_000, pauseMs: 50 };
/** Of what a client says it was: the way, and for some the time until they sent it again. */
const TOLERANCE_MS = 45_000;
const USER = 'ann@shop';

/** Each step is one track event `Step` with its number and an own time, so many hours ago. */
const timeOf = (began, step) => new Date(began - (step + 1) * HOUR);

/**
 * @typedef {object} Driver one client package
 * @property {(step: number, at: Date) => Promise<void>|void} track
 * @property {() => Promise<void>|void} flush hands over what waits; need not wait for the answer
 */

/** All steps that are held, once or more: number -> events. Linked or not, an anonymous id reads the same person's. */
async function stepsOf(client, anonymousId) {
  const steps = new Map();
  for (const [id, anonymous] of [[USER, false], ...(anonymousId ? [[anonymousId, true]] : [])]) {
    const { events } = await client.events(id, { anonymous });
    const mine = events.filter(({ eventName }) => eventName === 'Step');
    for (const [step, list] of groupBy(mine)) if (!steps.has(step)) steps.set(step, list);
  }
  return steps;
}

function groupBy(events) {
  const groups = new Map();
  for (const event of events) groups.set(event.eventData.step, [...(groups.get(event.eventData.step) ?? []), event]);
  return groups;
}

/** Whether this server recognises a message that comes again: it says so in its figures. */
async function dropsRepeats(client) {
  return (await client.call('GET', '/metrics', undefined, { key: null })).text.includes('habeas_events_repeated_total');
}

/** Trouble of every kind, one step each; then everything must be there. */
async function throughTrouble({ server, client, proxy, driver, began, anonymousId }) {
  const held = async (step) => (await stepsOf(client, anonymousId)).has(step);
  const send = async (step) => {
    await driver.track(step, timeOf(began, step));
    await driver.flush();
  };
  const arrives = (step, what) => until(() => held(step), { ...WAIT, what: `step ${step}, ${what}` });
  const seen = (mode) => until(() => proxy.calls.some(([, , how]) => how === mode), { ...WAIT, what: `a call to ${mode}` });
  const trouble = async (step, mode) => {
    proxy.mode = mode;
    await send(step);
    await seen(mode);
    proxy.mode = 'pass';
    await arrives(step, `after "${mode}"`);
  };

  await send(0);
  await arrives(0, 'without any trouble');
  await trouble(1, 'refuse');
  await trouble(2, 'drop');
  await trouble(3, 'lose');
  await server.stop();
  await send(4);
  await seen('no server');
  await server.start();
  await arrives(4, 'sent while the server was down');
  await send(5);
  await arrives(5, 'after the restart');

  const steps = await stepsOf(client, anonymousId);
  assert.deepEqual([...steps.keys()].sort(), [0, 1, 2, 3, 4, 5]);
  const exact = await dropsRepeats(client);
  for (const [step, events] of steps) {
    if (exact) assert.equal(events.length, 1, `step ${step} is there ${events.length} times`);
    for (const { eventTime, receivedAt, eventData } of events) {
      const away = Math.abs(Date.parse(eventTime) - timeOf(began, step));
      assert.ok(away < TOLERANCE_MS, `step ${step} is dated ${eventTime}, ${away} ms away`);
      assert.ok(Date.parse(receivedAt) >= began, receivedAt);
      assert.equal(eventData.note, `step ${step}`);
    }
  }
  assert.ok(proxy.repeated.length >= 1, 'the client sent nothing twice: the test has tested nothing');
}

async function begin(t) {
  const server = await startServer(t);
  const client = await server.account();
  const proxy = await startProxy(t, server);
  return { server, client, proxy, began: Date.now() };
}

async function sees(client, id, check, what) {
  let last;
  await until(async () => check((last = (await client.read(id)).json())), { ...WAIT, what }).catch((error) => {
    throw new Error(`${error.message}: ${JSON.stringify(last)}`);
  });
  return last;
}

/** Traits, groups, pages and the alias, whichever client told them. */
async function checkPerson(client) {
  const person = await sees(client, USER, ({ attributes }) => attributes?.groupId, 'the group');
  assert.equal(person.email, 'Ann@example.com');
  assert.equal(person.firstName, 'Ann');
  assert.equal(person.attributes.plan, 'gold');
  assert.deepEqual([person.attributes.groupId, person.attributes.groupTraits], ['acme', { seats: 5 }]);
  assert.equal(person.preferences.sms.optedIn, false);
  assert.equal(person.preferences.sms.set, true);
  const page = async () => (await client.events(USER)).events.find(({ eventName }) => eventName === 'Page Viewed');
  await until(page, { ...WAIT, what: 'the page' });
  const { eventData, context } = await page();
  assert.equal(eventData.name, 'Home');
  assert.equal(eventData.category, 'Shop');
  assert.ok(context.library.name, 'the context is lost');
  const { text } = await client.call('GET', '/metrics', undefined, { key: null });
  for (const refused of ['habeas_events_refused_total', 'habeas_users_refused_total'])
    assert.match(text, new RegExp(`^${refused} 0$`, 'm'), 'something was refused');
}

const BROWSER = 'browser of ann';
const OTHER = { node: 'ann-renamed', browser: 'old name of ann' };
/** When what came before the links was, in hours before the test: no receipt. */
const HOURS = { Before: 30, Other: 40 };
const daysAgo = (began, event) => new Date(began - HOURS[event] * HOUR);

/** One event under the other user id of an alias, while that is a user of its own. */
async function beforeAlias(client, began, other) {
  const eventTime = daysAgo(began, 'Other').toISOString();
  assert.equal((await client.event({ userId: other, eventName: 'Other', eventTime })).status, 201);
}

/** What `identify` with both ids and `alias` do: one person by any of the ids, each event once and at its own time. */
async function checkLinks(client, began, { anonymousId, other }) {
  const linked = ({ anonymousIds, aliases }) => anonymousIds?.includes(anonymousId) && aliases?.includes(other);
  const person = await sees(client, USER, linked, 'the links');
  assert.deepEqual([person.userId, person.anonymousIds, person.aliases], [USER, [anonymousId], [other]]);
  const { raw, events } = await client.events(USER);
  for (const [id, anonymous] of [[anonymousId, true], [other, false]])
    assert.deepEqual((await client.events(id, { anonymous })).raw, raw, 'another id of the person reads other events');
  for (const name of Object.keys(HOURS)) {
    const found = events.filter(({ eventName }) => eventName === name);
    assert.equal(found.length, 1, `${name} is there ${found.length} times`);
    assert.ok(Math.abs(Date.parse(found[0].eventTime) - daysAgo(began, name)) < TOLERANCE_MS, found[0].eventTime);
    assert.ok(Date.parse(found[0].receivedAt) >= began - TOLERANCE_MS);
  }
  const { links } = (await client.links(USER)).json();
  assert.equal(links.length, 2);
  assert.ok(links.some(({ of, to }) => of.anonymousId === anonymousId && to.userId === USER), JSON.stringify(links));
  assert.ok(links.some(({ of, to }) => of.userId && to.userId && [of.userId, to.userId].includes(other)));
  const { user, complete } = (await client.gdpr('portability', other)).json();
  assert.equal(complete, true);
  assert.deepEqual(user.events, [...events].reverse());
}

const TRAITS = { email: 'Ann@example.com', firstName: 'Ann', plan: 'gold', we_sms_opt_in: false };

test('@segment/analytics-node', { timeout: 240_000 }, async (t) => {
  const { Analytics } = require('@segment/analytics-node');
  const run = await begin(t);
  const { client, proxy, began } = run;
  const analytics = new Analytics({ writeKey: client.write_key, host: proxy.url, flushAt: 5, flushInterval: 50 });
  t.after(() => analytics.closeAndFlush({ timeout: 2_000 }));
  analytics.on('error', () => {}); // what it gives up would be missing below

  await beforeAlias(client, began, OTHER.node);
  analytics.track({ anonymousId: BROWSER, event: 'Before', timestamp: daysAgo(began, 'Before') });
  await analytics.flush();
  assert.equal((await client.read(USER)).status, 404);
  analytics.identify({ userId: USER, anonymousId: BROWSER, traits: TRAITS });
  analytics.page({ userId: USER, category: 'Shop', name: 'Home', properties: { url: 'https://shop.example/' } });
  analytics.screen({ userId: USER, name: 'Start' });
  analytics.group({ userId: USER, groupId: 'acme', traits: { seats: 5 } });
  analytics.alias({ userId: OTHER.node, previousId: USER });
  await analytics.flush();
  await checkPerson(client);
  const ids = { anonymousId: BROWSER, other: OTHER.node };
  await checkLinks(client, began, ids);
  const { events } = await client.events(USER);
  assert.ok(events.some(({ eventName, eventData }) => eventName === 'Screen Viewed' && eventData.name === 'Start'));

  const driver = {
    track: (step, timestamp) =>
      analytics.track({ userId: USER, event: 'Step', properties: { step, note: `step ${step}` }, timestamp }),
    flush: () => {},
  };
  await throughTrouble({ ...run, driver, began });
  await checkLinks(client, began, ids);
});

test('@rudderstack/rudder-sdk-node, which labels gzip as a form', { timeout: 240_000 }, async (t) => {
  const RudderAnalytics = require('@rudderstack/rudder-sdk-node');
  const run = await begin(t);
  const { client, proxy, began } = run;
  const Rudder = RudderAnalytics.default ?? RudderAnalytics;
  const analytics = new Rudder(client.write_key, { dataPlaneUrl: proxy.url, flushAt: 20, flushInterval: 50 });
  const flush = () => new Promise((done) => analytics.flush(done)).catch(() => {});

  await beforeAlias(client, began, OTHER.node);
  analytics.track({ anonymousId: BROWSER, event: 'Before', timestamp: daysAgo(began, 'Before') });
  await flush();
  assert.equal((await client.read(USER)).status, 404);
  analytics.identify({ userId: USER, anonymousId: BROWSER, traits: TRAITS });
  analytics.page({ userId: USER, category: 'Shop', name: 'Home', properties: { url: 'https://shop.example/' } });
  analytics.group({ userId: USER, groupId: 'acme', traits: { seats: 5 } });
  analytics.alias({ userId: OTHER.node, previousId: USER });
  await flush();
  await checkPerson(client);
  const ids = { anonymousId: BROWSER, other: OTHER.node };
  await checkLinks(client, began, ids);
  assert.ok(proxy.inflated > 0, 'it sent no gzip');

  const driver = {
    track: (step, timestamp) =>
      analytics.track({ userId: USER, event: 'Step', properties: { step, note: `step ${step}` }, timestamp }),
    flush: () => void flush(),
  };
  await throughTrouble({ ...run, driver, began });
  await checkLinks(client, began, ids);
});

// ---- in a browser ----

const MIME = { '.html': 'text/html', '.js': 'text/javascript' };

/** The package's own build for script tags, from another origin than the server's. */
async function servePackage(t) {
  const folder = join(dirname(require.resolve('@segment/analytics-next/package.json')), 'dist/umd');
  const http = createServer((incoming, outgoing) => {
    const name = new URL(incoming.url, 'http://x').pathname.slice(1);
    const isPage = name === '';
    let body = '<!doctype html><title>shop</title><script src="/index.js"></script>';
    try {
      if (!isPage) body = readFileSync(join(folder, name.replaceAll('/', '')));
    } catch {
      return outgoing.writeHead(404).end();
    }
    outgoing.writeHead(200, { 'content-type': MIME[isPage ? '.html' : extname(name)] ?? 'text/plain' }).end(body);
  });
  await new Promise((done) => http.listen(0, '127.0.0.1', done));
  t.after(() => {
    http.closeAllConnections();
    return new Promise((done) => http.close(done));
  });
  return `http://127.0.0.1:${http.address().port}/`;
}

async function openBrowser(t) {
  const { chromium } = require('playwright-core');
  const folder = mkdtempSync(join(tmpdir(), 'habeas-chromium-'));
  const quiet = ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'];
  const context = await chromium.launchPersistentContext(folder, {
    executablePath: process.env.HABEAS_CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    args: ['--no-sandbox', ...quiet, '--disable-component-update', '--disable-sync'],
  });
  t.after(async () => {
    await context.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return context.newPage();
}

for (const strategy of ['standard', 'batching'])
  test(`@segment/analytics-next in Chromium, ${strategy} delivery`, { timeout: 300_000 }, async (t) => {
    const run = await begin(t);
    const { client, proxy, began } = run;
    const page = await openBrowser(t);
    await page.goto(await servePackage(t));
    const anonymousId = await page.evaluate(
      async ([writeKey, cdnURL, batching]) => {
        const deliveryStrategy = batching ? { strategy: 'batching', config: { size: 3, timeout: 200 } } : undefined;
        const integrations = deliveryStrategy ? { 'Segment.io': { deliveryStrategy } } : {};
        const [analytics] = await window.AnalyticsNext.AnalyticsBrowser.load({ writeKey, cdnURL }, { integrations });
        window.analytics = analytics;
        return analytics.user().anonymousId();
      },
      [client.write_key, proxy.url, strategy === 'batching'],
    );
    assert.ok(anonymousId);
    assert.ok(
      proxy.calls.some(([method, path, status]) => method === 'GET' && path.endsWith('/settings') && status === 200),
      'it did not ask for its settings',
    );

    await beforeAlias(client, began, OTHER.browser);
    const timestamp = daysAgo(began, 'Before').getTime();
    await page.evaluate((at) => window.analytics.track('Before', {}, { timestamp: new Date(at) }), timestamp);
    const sent = async () => (await client.events(anonymousId, { anonymous: true })).events.length === 1;
    await until(sent, { ...WAIT, what: 'the event before' });
    assert.equal((await client.read(USER)).status, 404);
    await page.evaluate(
      async ([id, traits, other]) => {
        await window.analytics.identify(id, traits);
        await window.analytics.page('Shop', 'Home', {});
        await window.analytics.group('acme', { seats: 5 });
        await window.analytics.alias(id, other); // for whoever is identified, it sends that id whatever is given
      },
      [USER, TRAITS, OTHER.browser],
    );
    await checkPerson(client);
    const ids = { anonymousId, other: OTHER.browser };
    await checkLinks(client, began, ids);
    const paths = new Set(proxy.calls.filter(([method]) => method === 'POST').map(([, path]) => path));
    assert.deepEqual([...paths].sort(), strategy === 'batching' ? ['/v1/b'] : ['/v1/a', '/v1/g', '/v1/i', '/v1/p', '/v1/t']);
    assert.ok(proxy.calls.some(([method, , status]) => method === 'OPTIONS' && status === 204), 'nothing was preflighted');

    const driver = {
      track: (step, timestamp) =>
        page.evaluate(
          ([number, at]) => {
            const properties = { step: number, note: `step ${number}` };
            void window.analytics.track('Step', properties, { timestamp: new Date(at) });
          },
          [step, timestamp.getTime()],
        ),
      flush: () => {},
    };
    await throughTrouble({ ...run, driver, began, anonymousId });
    await checkLinks(client, began, ids);
  });
