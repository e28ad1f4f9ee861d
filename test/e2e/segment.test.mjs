// Segment's HTTP API on the wire: keys, labels, limits, browsers, and what a person's rights do to messages. What the real
// clients do with it is in segment-clients.test.mjs.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { gzipSync } from 'node:zlib';

import { startServer, until } from './lib/server.mjs';

const SUCCESS = '{"success":true}';
const HOUR = 3_600_000;
const LEGAL = { headers: { 'habeas-reason': 'legal_claim' } };
const basic = (text) => `Basic ${Buffer.from(text).toString('base64')}`;
const iso = (ms) => new Date(ms).toISOString();

/** One call with the write key in Basic, as most clients do. */
function send(client, path, body, headers = {}) {
  return client.call('POST', `/v1/${path}`, body, { key: null, headers: { authorization: basic(`${client.write_key}:`), ...headers } });
}

async function ok(promise) {
  const answer = await promise;
  assert.equal(`${answer.status} ${answer.text}`, `200 ${SUCCESS}`);
  return answer;
}

async function start(t, options) {
  const server = await startServer(t, options);
  return { server, client: await server.account() };
}

async function metric(client, name) {
  const { text } = await client.call('GET', '/metrics', undefined, { key: null });
  return Number(new RegExp(`^habeas_${name} (\\d+)$`, 'm').exec(text)[1]);
}

const names = async (client, id, options) => (await client.events(id, options)).events.map(({ eventName }) => eventName).reverse();

// ---- who calls ----

test('the key stands in Basic, in Bearer or in the body, and two must be the same', async (t) => {
  const { server, client } = await start(t);
  const other = await server.account('shop2');
  const { write_key: key, api_key: api } = client;
  const message = (writeKey) => ({ type: 'track', userId: 'ann', event: 'Seen', ...(writeKey !== undefined && { writeKey }) });
  const cases = [
    [basic(`${key}:`), undefined, 200],
    [basic(key), undefined, 200], // the colon forgotten
    [basic(`${key}:`), key, 200],
    [`basic ${Buffer.from(`${key}:`).toString('base64')}`, null, 200],
    [`Bearer ${key}`, key, 200],
    [`Bearer ${key}`, undefined, 200],
    [`Bearer ${api}`, api, 200],
    [basic(`${api}:`), undefined, 200],
    [undefined, key, 200],
    [undefined, api, 200],
    [undefined, undefined, 401],
    [undefined, null, 401],
    [undefined, '', 401],
    [undefined, 7, 401],
    [undefined, `${key}x`, 401],
    [basic(`${key}:password`), undefined, 401],
    [basic(`:${key}`), undefined, 401],
    [basic('unknown:'), key, 401],
    [basic(`${key}:`), 'unknown', 401],
    [basic(`${key}:`), api, 401],
    [basic(`${key}:`), other.write_key, 401],
    [basic(`${key}:`), 7, 401],
    ['Basic !!!', key, 401],
    [`Token ${key}`, key, 401],
    [key, key, 401],
  ];
  let taken = 0;
  for (const [authorization, writeKey, wanted] of cases)
    for (const [path, body] of [
      ['t', message(writeKey)],
      ['batch', { batch: [message()], ...(writeKey !== undefined && { writeKey }) }],
    ]) {
      const headers = authorization ? { authorization } : {};
      const { status, text } = await client.call('POST', `/v1/${path}`, body, { key: null, headers });
      assert.equal(status, wanted, `${authorization?.slice(0, 12)} ${writeKey} ${path}: ${text}`);
      assert.equal(JSON.parse(text).success, wanted === 200);
      taken += wanted === 200;
    }
  assert.equal((await client.events('ann')).events.length, taken);
  assert.equal((await other.read('ann')).status, 404);
  // Whoever is not known is told that, whatever the body is.
  for (const body of ['{', '', '[]', Buffer.alloc(100, 0xff), gzipSync('{')])
    assert.equal((await client.call('POST', '/v1/t', body, { key: null })).status, 401);
});

// ---- bodies ----

test('a body is JSON or gzip by its bytes, whatever its label says', async (t) => {
  const { client } = await start(t);
  const labels = ['application/json', 'text/plain', 'application/x-www-form-urlencoded', 'application/octet-stream'];
  let sent = 0;
  for (const type of labels)
    for (const encoding of [undefined, 'gzip']) {
      const headers = { 'content-type': type, ...(encoding && { 'content-encoding': encoding }) };
      const text = () => JSON.stringify({ batch: [{ type: 'track', userId: 'ann', event: 'Seen', properties: { n: sent++ } }] });
      await ok(send(client, 'batch', gzipSync(text()), headers));
      if (!encoding) await ok(send(client, 'batch', text(), headers));
    }
  await ok(send(client, 't', gzipSync(JSON.stringify({ userId: 'ann', event: 'Seen', properties: { n: sent++ } }))));
  const { events } = await client.events('ann');
  assert.deepEqual(events.map(({ eventData }) => eventData.n).reverse(), [...Array(sent).keys()]);

  const gzip = gzipSync(JSON.stringify({ userId: 'ann', event: 'Seen' }));
  for (const broken of [gzip.subarray(0, -1), Buffer.concat([gzip, gzip]), gzip.subarray(0, 5), gzipSync('{'), gzipSync('')])
    assert.equal((await send(client, 't', broken)).status, 400);
  // The other dialect takes it as well.
  const body = gzipSync(JSON.stringify({ userId: 'ann', eventName: 'Zipped' }));
  assert.equal((await client.event(body, { headers: { 'content-encoding': 'gzip' } })).status, 201);
  assert.ok((await names(client, 'ann')).includes('Zipped'));
});

test('a gzip bomb is 413 and takes no memory', async (t) => {
  const { server, client } = await start(t);
  const peak = () => Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))[1]);
  const bomb = gzipSync(Buffer.alloc(1 << 30, 0x20), { level: 9 });
  assert.ok(bomb.length < 2 << 20);
  await ok(send(client, 't', { userId: 'ann', event: 'Seen' }));
  const before = peak();
  for (let i = 0; i < 4; i++) {
    const { status, text } = await send(client, 'batch', bomb);
    assert.equal(status, 413, text);
    assert.equal((await client.call('POST', '/v1/batch', bomb, { key: null })).status, 413);
  }
  assert.ok(peak() - before < 64 * 1024, `it grew by ${peak() - before} KiB`);
  await ok(send(client, 't', { userId: 'ann', event: 'Seen' }));
});

test('limits: what is too large or wrong is 400 alone, and counted inside a batch', async (t) => {
  const { client } = await start(t);
  const filled = (bytes, more = {}) => {
    const message = { type: 'track', userId: 'ann', event: 'Seen', properties: { x: '' }, ...more };
    message.properties.x = 'x'.repeat(bytes - JSON.stringify(message).length);
    return message;
  };
  const many = (count) => ({ batch: Array.from({ length: count }, () => ({ type: 'page', userId: 'ann' })) });
  const full = Array.from({ length: 16 }, () => filled(32_000));
  await ok(send(client, 't', filled(32_768)));
  assert.equal((await send(client, 't', filled(32_769))).status, 400);
  await ok(send(client, 'batch', many(2500)));
  assert.equal((await send(client, 'batch', many(2501))).status, 400);
  await ok(send(client, 'batch', { batch: full })); // 512,000 bytes and a little
  assert.equal((await send(client, 'batch', { batch: [...full, filled(13_000)] })).status, 400);
  for (const body of [{}, { batch: {} }, [], '{"batch":[', '{"batch":[],"batch":[]}'])
    assert.equal((await send(client, 'batch', body)).status, 400);
  await ok(send(client, 'batch', { batch: [] }));

  const refused = await metric(client, 'events_refused_total');
  const held = (await client.events('ann')).events.length;
  await ok(
    send(client, 'batch', {
      batch: [
        filled(32_769),
        { type: 'track', userId: 'x'.repeat(101), event: 'Seen' },
        { type: 'track', event: 'Seen' },
        { type: 'track', userId: 'ann', event: 'ann@example.com' },
        { type: 'track', userId: 'ann', event: 'Seen', messageId: 'x'.repeat(101) },
        { type: 'track', userId: 'ann', event: 'Seen', messageId: 'x'.repeat(100) },
        { type: 'unknown', userId: 'ann' },
      ],
    }),
  );
  assert.equal((await metric(client, 'events_refused_total')) - refused, 6);
  assert.equal((await client.events('ann')).events.length, held + 1);
  for (const [path, body, why] of [
    ['t', { userId: 'ann' }, 'event: is missing'],
    ['track', { event: 'Seen' }, 'userId and anonymousId are missing'],
    ['a', { userId: 'ann' }, 'previousId: is missing'],
    ['g', { userId: 'ann' }, 'groupId: is missing'],
  ]) {
    const { status, text } = await send(client, path, body);
    assert.deepEqual([status, JSON.parse(text)], [400, { success: false, message: why }]);
  }
});

test('over the limit a minute is 429, and our own trouble 503, each with Retry-After', async (t) => {
  const { server, client } = await start(t, { shim: true });
  await ok(send(client, 't', { userId: 'ann', event: 'Seen' }));
  await server.shim('full 0');
  const trouble = await until(async () => {
    const answer = await send(client, 't', { userId: 'ann', event: 'Seen', properties: { x: 'x'.repeat(30_000) } });
    return answer.status !== 200 && answer;
  }, { what: 'a full disk' });
  assert.equal(trouble.status, 503, trouble.text);
  assert.ok(Number(trouble.headers['retry-after']) >= 1);
  assert.equal(trouble.json().success, false);
  await server.shim('off');
  const mended = async () => (await send(client, 't', { userId: 'ann', event: 'Seen' })).status === 200;
  await until(mended, { timeoutMs: 30_000, what: 'taking data again' });
  assert.equal((await client.call('PUT', '/api/settings', { rate_limit: 1 })).status, 200);
  const headers = { origin: 'https://shop.example' };
  const answers = [];
  for (let i = 0; i < 3; i++) answers.push(await send(client, 'p', { userId: 'ann' }, headers));
  const limited = answers.find(({ status }) => status === 429);
  assert.ok(limited, 'the limit was never reached');
  assert.ok(Number(limited.headers['retry-after']) >= 1);
  assert.equal(limited.headers['access-control-allow-origin'], 'https://shop.example');
  assert.match(limited.headers['access-control-expose-headers'], /Retry-After/);
});

// ---- browsers ----

test('browsers of any origin may call these routes, and no others', async (t) => {
  const { client } = await start(t);
  const origin = 'https://shop.example';
  const asked = 'authorization,content-type,x-retry-count';
  const preflight = (path) =>
    client.call('OPTIONS', path, undefined, {
      key: null,
      headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': asked },
    });
  for (const path of ['/v1/t', '/v1/b', '/v1/batch', '/v1/m', `/v1/projects/${client.write_key}/settings`]) {
    const { status, headers, text } = await preflight(path);
    assert.deepEqual([status, text], [204, ''], path);
    assert.equal(headers['access-control-allow-origin'], origin);
    assert.equal(headers['access-control-allow-headers'], asked);
    assert.match(headers['access-control-allow-methods'], /POST/);
    assert.ok(Number(headers['access-control-max-age']) >= 600);
  }
  for (const path of ['/api/users/ann', '/v1/accounts/shop1/events', '/metrics', '/v1/nothing']) {
    const { status, headers } = await preflight(path);
    assert.ok([404, 405].includes(status), path);
    assert.equal(headers['access-control-allow-origin'], undefined, path);
  }
  const good = await send(client, 't', { userId: 'ann', event: 'Seen' }, { origin });
  const wrong = await client.call('POST', '/v1/t', { event: 'Seen' }, { key: null, headers: { origin } });
  for (const [answer, status] of [[good, 200], [wrong, 401]]) {
    assert.equal(answer.status, status);
    assert.equal(answer.headers['access-control-allow-origin'], origin);
    assert.match(answer.headers.vary, /Origin/);
  }
  assert.equal((await client.read('ann', { headers: { origin } })).headers['access-control-allow-origin'], undefined);
  assert.equal((await send(client, 't', { userId: 'ann', event: 'Seen' })).headers['access-control-allow-origin'], undefined);
});

test('the settings name this host, and clients figures are dropped', async (t) => {
  const { client } = await start(t);
  const settings = (key, host) => client.call('GET', `/v1/projects/${encodeURIComponent(key)}/settings`, undefined, { key: null, headers: { host } });
  const apiKey = client.write_key;
  const answer = await settings(apiKey, 'cdp.example:8443');
  assert.equal(answer.status, 200);
  assert.deepEqual(answer.json().integrations, { 'Segment.io': { apiKey, apiHost: 'cdp.example:8443/v1' } });
  const near = (await settings(apiKey, '127.0.0.1:8080')).json().integrations['Segment.io'];
  assert.deepEqual(near, { apiKey, apiHost: '127.0.0.1:8080/v1', protocol: 'http' });
  assert.equal((await settings('unknown', 'x')).status, 401);
  const dropped = await client.call('POST', '/v1/m', '{"series":[{"type":"Counter"}]}', { key: null, headers: { 'content-type': 'text/plain' } });
  assert.deepEqual([dropped.status, dropped.text], [200, SUCCESS]);
});

// ---- what is kept ----

test('data and context come back byte for byte, dated by the sender corrected clock', async (t) => {
  const { client } = await start(t);
  const data = '{"price":39.80,"big":18446744073709551616,"note":"\\u00e9 \\ud83d\\ude00","we_x":1,"long":"' + 'x'.repeat(1500) + '"}';
  const many = JSON.stringify(Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`p${i}`, i])));
  const context = '{"page":{"url":"https://shop.example/?q=1"},"ratio":1.0}';
  const wrong = Date.now() + 2 * HOUR; // its clock runs two hours ahead
  const at = iso(wrong - 30_000);
  const message = (event, properties) => `{"type":"track","userId":"ann","event":"${event}","timestamp":"${at}","properties":${properties},"context":${context}}`;
  const began = Date.now();
  await ok(send(client, 'batch', `{"sentAt":"${iso(wrong)}","batch":[${message('Paid', data)},${message('Many', many)}]}`));
  const { events, raw } = await client.events('ann');
  assert.equal(events.length, 2);
  assert.ok(raw[1].includes(`"eventData":${data},"context":${context},`), raw[1]);
  assert.ok(raw[0].includes(`"eventData":${many},`));
  for (const { eventTime } of events) {
    const away = Date.parse(eventTime) - (began - 30_000);
    assert.ok(away >= 0 && away < 10_000, `${away} ms away`);
  }
  const carried = await client.gdpr('portability', 'ann');
  assert.ok(carried.text.includes(`"eventData":${data},"context":${context},`));
  // Without a sending time there is no telling: the receipt counts.
  await ok(send(client, 't', { userId: 'ben', event: 'Seen', timestamp: '2020-01-01T00:00:00Z' }));
  const [alone] = (await client.events('ben')).events;
  assert.equal(alone.eventTime, alone.receivedAt);
});

const device = (id, token) => ({ device: { id, token, advertisingId: '00000000-0000-0000-0000-000000000000' } });

test('devices and consent are told with every event, written when they change, and go with the person', async (t) => {
  const { client } = await start(t, { options: ['--cancel-window', '0'] });
  const consent = (ads) => ({ consent: { categoryPreferences: { Ads: ads } } });
  const seen = (context, at) =>
    ok(send(client, 't', { userId: 'ann', event: 'Seen', context, timestamp: iso(at), sentAt: iso(Date.now()) }));
  const person = async () => (await client.read('ann')).json();
  const began = Date.now();
  await seen({ ...device('d1', 't1'), ...consent(true) }, began - 60_000);
  const first = await person();
  assert.deepEqual([first.deviceIds, first.pushTokens, first.advertisingIds], [['d1'], ['t1'], undefined]);
  assert.deepEqual(first.consent.categoryPreferences, { Ads: true });
  assert.equal(first.consent.route, '/v1/t');
  assert.ok(Math.abs(Date.parse(first.consent.at) - (began - 60_000)) < 10_000, first.consent.at);
  for (let i = 0; i < 3; i++) await seen({ ...device('d1', 't1'), ...consent(true) }, Date.now());
  const again = await person();
  assert.deepEqual([again.consent, again.sources], [first.consent, first.sources], 'written again without a change');
  await seen({ ...device('d1', 't2'), ...consent(false) }, Date.now());
  await seen(consent(true), began - 50_000); // said before, arrives later
  const changed = await person();
  assert.deepEqual([changed.pushTokens, changed.consent.categoryPreferences], [['t1', 't2'], { Ads: false }]);
  await seen(consent(true), Date.now());
  assert.deepEqual((await person()).consent.categoryPreferences, { Ads: true });
  // Two people, one tablet: both have it, neither is the other.
  await ok(send(client, 't', { userId: 'ben', event: 'Seen', context: device('d1', 't1') }));
  assert.deepEqual((await client.read('ben')).json().deviceIds, ['d1']);
  assert.deepEqual((await client.events('ben')).events.length, 1);
  const carried = (await client.gdpr('portability', 'ann')).json().user;
  assert.deepEqual([carried.deviceIds, carried.pushTokens, carried.consent.categoryPreferences], [['d1'], ['t1', 't2'], { Ads: true }]);
  for (let i = 0; i < 30; i++) await seen(device('d1', `more ${i}`), Date.now());
  const { pushTokens } = await person();
  assert.deepEqual([pushTokens.length, pushTokens.at(-1), pushTokens[0]], [20, 'more 29', 'more 10']);

  assert.equal((await client.gdpr('erasure', 'ann')).status, 201);
  assert.equal((await client.read('ann')).status, 404);
  await ok(send(client, 't', { userId: 'ann', event: 'Seen', context: device('d1', 't2') }));
  const back = await person();
  assert.deepEqual([back.pushTokens, back.consent], [['t2'], undefined], 'who comes back is new');
});

test('traits set attributes and preferences; a write key opts out and never in again', async (t) => {
  const { client } = await start(t);
  await ok(send(client, 'i', { userId: 'ann', traits: { email: 'a@b.c', phone: 491234, age: 31, we_email_opt_in: false, we_sms_opt_in: true } }));
  await ok(send(client, 'i', { userId: 'ann', traits: { we_email_opt_in: true, age: null, we_last_name: 'Mayer' } }));
  const person = (await client.read('ann')).json();
  assert.deepEqual([person.email, person.phone, person.lastName, person.attributes], ['a@b.c', '491234', 'Mayer', {}]);
  assert.deepEqual([person.preferences.email.optedIn, person.preferences.sms.optedIn], [false, true]);
});

// ---- rights ----

test('what is parked is there after a cancel, once, as of its own time, whatever stood around it', async (t) => {
  const { server, client } = await start(t, { options: ['--cancel-window', '7d'] });
  await ok(send(client, 't', { userId: 'ann', event: 'Before' }));
  assert.equal((await client.gdpr('erasure', 'ann', { subject_request_id: 'r' })).status, 201);
  const now = Date.now();
  const message = (event, hours) => ({ type: 'track', userId: 'ann', event, timestamp: iso(now - hours * HOUR), messageId: `m ${event}` });
  await ok(send(client, 'batch', { sentAt: iso(now), context: { app: { name: 'till' } }, batch: [message('One', 1), message('Two', 2), { type: 'page', userId: 'ann', name: 'Home' }] }));
  await ok(send(client, 't', { ...message('Three', 3), sentAt: iso(now), properties: { x: 1.0 } }));
  await ok(send(client, 'i', { userId: 'ann', traits: { plan: 'gold' }, context: device('d1', 't1') }));
  assert.deepEqual(await names(client, 'ann', LEGAL), ['Before']);
  const { parked } = (await client.gdpr('portability', 'ann')).json().user;
  assert.deepEqual(parked.map(({ kind }) => kind), Array(5).fill('message'));
  assert.deepEqual(parked[0].sent, { sentAt: iso(now), context: { app: { name: 'till' } }, batch: [message('One', 1)] });
  assert.equal(parked[4].sent.traits.plan, 'gold');
  await new Promise((done) => setTimeout(done, 300)); // a time that would show if it were added
  assert.equal((await client.cancel('r')).status, 200);
  const check = async () => {
    assert.deepEqual(await names(client, 'ann'), ['Before', 'One', 'Two', 'Page Viewed', 'Three']);
    const { events } = await client.events('ann');
    for (const [event, hours] of [['One', 1], ['Two', 2], ['Three', 3]]) {
      const found = events.find(({ eventName }) => eventName === event);
      assert.ok(Math.abs(Date.parse(found.eventTime) - (now - hours * HOUR)) < 250, found.eventTime);
      if (event !== 'Three') assert.deepEqual(found.context, { app: { name: 'till' } });
    }
    const person = (await client.read('ann')).json();
    assert.deepEqual([person.attributes.plan, person.pushTokens], ['gold', ['t1']]);
  };
  await check();
  await server.restart();
  await check();
});

test('restricted, suppressed and late people get the same answer, and nothing of it is kept', async (t) => {
  const { client } = await start(t, { options: ['--cancel-window', '0'] });
  const batch = (userId, more = {}) => ({ sentAt: iso(Date.now()), batch: [{ type: 'track', userId, event: 'Seen', ...more }, { type: 'identify', userId, traits: { plan: 'gold' }, ...more }] });
  for (const id of ['held', 'gone', 'late', 'free']) await ok(send(client, 't', { userId: id, event: 'Before' }));
  await ok(send(client, 't', { anonymousId: 'tablet', event: 'Before' }));
  const then = Date.now() - 1_000;
  assert.equal((await client.gdpr('restriction', 'held')).status, 201);
  assert.equal((await client.gdpr('erasure', 'gone', { suppress: { until: null } })).status, 201);
  assert.equal((await client.gdpr('erasure', 'tablet', { suppress: { until: null }, identity_type: 'anonymous' })).status, 201);
  assert.equal((await client.gdpr('erasure', 'late')).status, 201);

  await ok(send(client, 'batch', batch('held')));
  await ok(send(client, 'i', { userId: 'held', traits: { we_email_opt_in: false, plan: 'gold' }, context: device('d', 't') }));
  const held = (await client.read('held', LEGAL)).json();
  assert.deepEqual([held.attributes, held.deviceIds, held.preferences.email.optedIn], [{}, undefined, false]);
  assert.deepEqual(await names(client, 'held', LEGAL), ['Before']);

  await ok(send(client, 'batch', batch('gone')));
  assert.equal((await client.read('gone')).status, 404);
  // A suppressed id drops the message also where it only stands beside another.
  await ok(send(client, 'batch', batch('free', { anonymousId: 'tablet' })));
  await ok(send(client, 'batch', batch('fresh', { anonymousId: 'tablet' })));
  assert.deepEqual(await names(client, 'free'), ['Before']);
  assert.equal((await client.read('fresh')).status, 404);

  await ok(send(client, 'batch', batch('late', { timestamp: iso(then) })));
  assert.equal((await client.read('late')).status, 404);
  await ok(send(client, 'batch', batch('late')));
  assert.deepEqual(await names(client, 'late'), ['Seen']);
});
