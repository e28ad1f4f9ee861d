// Two people, one browser, as Segment's clients tell it: identify with both ids, and alias. Whose an event is, what becomes of
// it while a right stands, and what a message that comes again may change.
import assert from 'node:assert/strict';
import test from 'node:test';

import { startServer } from './lib/server.mjs';

const LEGAL = { headers: { 'habeas-reason': 'legal_claim' } };
const WINDOW = { options: ['--cancel-window', '7d'] };
const AT_ONCE = { options: ['--cancel-window', '0'] };
const HOUR = 3_600_000;
const iso = (ms) => new Date(ms).toISOString();

async function accepted(call) {
  const answer = await call;
  assert.ok(answer.status === 200 || answer.status === 201, `${answer.status} ${answer.text}`);
  return answer;
}

/** One message, or a batch of them. */
function send(client, path, body) {
  const authorization = `Basic ${Buffer.from(`${client.write_key}:`).toString('base64')}`;
  return accepted(client.call('POST', `/v1/${path}`, body, { key: null, headers: { authorization } }));
}

const identify = (client, userId, anonymousId, more = {}) => send(client, 'i', { userId, anonymousId, ...more });
const track = (client, who, event, more = {}) => send(client, 't', { ...who, event, ...more });
const tablet = { anonymousId: 'tablet' };

async function start(t, options) {
  const server = await startServer(t, { ...options });
  return { server, client: await server.account() };
}

const names = async (client, id, options) => (await client.events(id, options)).events.map(({ eventName }) => eventName).reverse();
const owner = async (client, id = 'tablet') => (await client.read(id, { anonymous: true })).json().userId;

/** All that a person is handed, document and archive, as text. */
async function exportOf(client, id, extras) {
  const answer = await accepted(client.gdpr('portability', id, extras));
  const archive = await accepted(client.call('GET', answer.json().archive_url));
  assert.equal(answer.json().complete, true);
  assert.deepEqual(answer.json().user.events, archive.json().events);
  return { text: answer.text + archive.text, user: answer.json().user };
}

/** What is marked for one person stands in their export and in nobody else's. */
async function assertApart(client, ids, marks) {
  for (const id of ids) {
    const { text } = await exportOf(client, id);
    for (const mark of marks) assert.equal(text.includes(mark), mark.startsWith(`${id} `), `${mark} in the export of ${id}`);
  }
}

const ADDRESS = 'family@example.test';
const traits = (id) => ({ email: ADDRESS, note: `${id} note` });
const MARKS = ['ann note', 'ben note', 'ann Before', 'ann Here', 'ann Again', 'ben Here', 'ben Again'];

/** Ann, then Ben, on one tablet that flips; they share an address. */
async function share(client) {
  await track(client, tablet, 'ann Before');
  for (const round of ['Here', 'Again'])
    for (const id of ['ann', 'ben']) {
      await identify(client, id, 'tablet', { traits: traits(id) });
      await track(client, tablet, `${id} ${round}`);
    }
}

// ---- whose it is ----

test('a tablet that flips: each has their own, in single messages and in one batch, after a restart', async (t) => {
  const { server, client } = await start(t);
  await share(client);
  const batch = [];
  for (const id of ['ann', 'ben', 'ann', 'ben'])
    batch.push({ type: 'identify', userId: id, anonymousId: 'tablet' }, { type: 'track', ...tablet, event: `${id} Batch` });
  await send(client, 'b', { batch });
  await send(client, 'b', { batch: batch.slice(0, 6).map((message) => ({ ...message, anonymousId: 'fresh' })) });
  for (let round = 0; round < 2; round++) {
    const batches = (id, count) => Array(count).fill(`${id} Batch`);
    assert.deepEqual(await names(client, 'ann'), ['ann Before', 'ann Here', 'ann Again', ...batches('ann', 4)]);
    assert.deepEqual(await names(client, 'ben'), ['ben Here', 'ben Again', ...batches('ben', 3)]);
    await assertApart(client, ['ann', 'ben'], [...MARKS, 'ann Batch', 'ben Batch']);
    assert.deepEqual([await owner(client), await owner(client, 'fresh')], ['ben', 'ann']);
    const { links } = (await client.links('ann')).json();
    assert.deepEqual(links.map(({ of }) => of.anonymousId), ['tablet', 'fresh'], 'going back and forth makes nothing new');
    await server.restart();
  }
});

test('what is told of a device and of consent is told of whom the id means by then, also within a batch', async (t) => {
  const { client } = await start(t);
  const context = { device: { id: 'd1' }, consent: { categoryPreferences: { Ads: true } } };
  const batch = [];
  for (const id of ['ann', 'ben'])
    batch.push({ type: 'identify', userId: id, ...tablet }, { type: 'track', ...tablet, event: 'Seen', context });
  await send(client, 'b', { batch });
  for (const id of ['ann', 'ben']) {
    const { user } = await exportOf(client, id);
    assert.deepEqual([user.deviceIds, user.consent?.categoryPreferences], [['d1'], { Ads: true }], id);
  }
});

test('linked identities: devices of all, the latest consent, and the other one beside it', async (t) => {
  const { client } = await start(t);
  const said = (ads, at) => ({ context: { device: { id: `d ${ads}` }, consent: { categoryPreferences: { Ads: ads } } }, timestamp: iso(at), sentAt: iso(Date.now()) });
  await track(client, tablet, 'Before', said(false, Date.now() - 2 * HOUR));
  await track(client, { userId: 'old' }, 'Old', { context: { device: { id: 'd old', token: 'push old' } } });
  await send(client, 'i', { ...tablet, traits: { plan: 'free', seat: 'window' } });
  await identify(client, 'ann', 'tablet', { traits: { plan: 'gold' }, ...said(true, Date.now() - HOUR) });
  await send(client, 'a', { userId: 'ann', previousId: 'old' });
  const { user } = await exportOf(client, 'ann');
  assert.deepEqual([...user.deviceIds].sort(), ['d false', 'd old', 'd true']);
  assert.deepEqual([user.pushTokens, user.aliases, user.anonymousIds], [['push old'], ['old'], ['tablet']]);
  assert.deepEqual([user.consent.categoryPreferences, user.attributes], [{ Ads: true }, { plan: 'gold', seat: 'window' }]);
  const others = user.otherValues.map(({ field, attribute, value }) => [field ?? attribute, value]);
  assert.deepEqual(others.map(([, value]) => value), [{ Ads: false }, 'free']);
  assert.equal(others[1][0], 'plan');
  await accepted(client.unlink('ann', { anonymousId: 'tablet' }));
  await accepted(client.unlink('ann', { userId: 'old' }));
  const alone = (await exportOf(client, 'ann')).user;
  assert.deepEqual([alone.deviceIds, alone.otherValues, alone.attributes], [['d true'], undefined, { plan: 'gold' }]);
  const parted = (await exportOf(client, 'tablet', { identity_type: 'anonymous' })).user;
  assert.deepEqual([parted.deviceIds, parted.consent.categoryPreferences, parted.attributes], [['d false'], { Ads: false }, { plan: 'free', seat: 'window' }]);
});

// ---- one of the two ----

test('one of the two restricted: their id is not recorded and not taken, the other goes on', async (t) => {
  const { client } = await start(t);
  await share(client);
  await identify(client, 'ann', 'tablet');
  await accepted(client.gdpr('restriction', 'ann'));
  await track(client, tablet, 'ann Unrecorded');
  await identify(client, 'ann', 'phone');
  await track(client, { anonymousId: 'phone' }, 'phone Alone');
  await track(client, { userId: 'ben' }, 'ben Goes on');
  await assertApart(client, ['ann', 'ben'], [...MARKS, 'ben Goes on']);
  assert.deepEqual(await names(client, 'ann', LEGAL), ['ann Before', 'ann Here', 'ann Again']);
  assert.equal(await owner(client, 'phone'), null);
  await identify(client, 'ben', 'tablet');
  await track(client, tablet, 'ben Has it');
  await assertApart(client, ['ann', 'ben'], [...MARKS, 'ben Goes on', 'ben Has it']);
});

test('one of the two erased: nothing of theirs is left, the other is whole', async (t) => {
  const { client } = await start(t, AT_ONCE);
  await share(client);
  const before = (await exportOf(client, 'ben')).user;
  await accepted(client.gdpr('erasure', 'ann'));
  const { requests, ...after } = (await exportOf(client, 'ben')).user;
  assert.deepEqual({ ...after, requests: requests.slice(0, before.requests.length) }, before);
  assert.deepEqual([(await client.read('ann')).status, await owner(client)], [404, 'ben']);
  await identify(client, 'ann', 'tablet');
  await track(client, tablet, 'ann New');
  assert.deepEqual(await names(client, 'ann'), ['ann New']);
  await assertApart(client, ['ann', 'ben'], ['ann New', 'ben note', 'ben Here', 'ben Again']);
});

test('one of the two parted from the tablet: each event on its own side, and no data joins it again', async (t) => {
  const { client } = await start(t);
  await share(client);
  await accepted(client.unlink('ann', { anonymousId: 'tablet' }));
  assert.deepEqual(await names(client, 'ann'), []);
  await identify(client, 'ann', 'tablet');
  await track(client, tablet, 'ann Anew');
  assert.deepEqual(await names(client, 'ann'), ['ann Anew']);
  await assertApart(client, ['ann', 'ben'], ['ann note', 'ann Anew', 'ben note', 'ben Here', 'ben Again']);
});

test('a suppressed id beside another joins nobody and drops the message; alias names it in vain', async (t) => {
  const { client } = await start(t, AT_ONCE);
  await track(client, tablet, 'Before');
  await track(client, { userId: 'old' }, 'Before');
  await accepted(client.gdpr('erasure', 'tablet', { suppress: { until: null }, identity_type: 'anonymous' }));
  await accepted(client.gdpr('erasure', 'old', { suppress: { until: null } }));
  await identify(client, 'ann', 'tablet', { traits: { plan: 'gold' } });
  await send(client, 'a', { userId: 'ann', previousId: 'tablet' });
  await send(client, 'a', { userId: 'ann', previousId: 'old' });
  assert.equal((await client.read('ann')).status, 404);
  await identify(client, 'ann', 'phone');
  await send(client, 'a', { userId: 'ann', previousId: 'old' });
  const { aliases, anonymousIds } = (await client.read('ann')).json();
  assert.deepEqual([aliases, anonymousIds], [[], ['phone']]);
});

// ---- while an erasure waits ----

test('parked identify and alias join when the erasure is off, and their events are there once', async (t) => {
  const { server, client } = await start(t, WINDOW);
  await track(client, tablet, 'tablet Before');
  await track(client, { userId: 'old' }, 'old Before');
  await identify(client, 'ann', 'phone');
  await accepted(client.gdpr('erasure', 'ann', { subject_request_id: 'r' }));
  await identify(client, 'ann', 'tablet', { messageId: 'm1' });
  await send(client, 'a', { userId: 'ann', previousId: 'old', messageId: 'm2' });
  await track(client, { userId: 'ann' }, 'ann Parked', { messageId: 'm3' });
  await identify(client, 'ann', 'tablet', { messageId: 'm1' });
  await track(client, { userId: 'ann' }, 'ann Parked', { messageId: 'm3' });
  assert.deepEqual([await owner(client), (await client.read('ann', LEGAL)).json().aliases], [null, []]);
  assert.equal((await accepted(client.gdpr('portability', 'ann'))).json().user.parked.length, 3);
  await accepted(client.cancel('r'));
  for (let round = 0; round < 2; round++) {
    const { aliases, anonymousIds } = (await client.read('ann')).json();
    assert.deepEqual([aliases, [...anonymousIds].sort()], [['old'], ['phone', 'tablet']]);
    assert.deepEqual((await names(client, 'ann')).sort(), ['ann Parked', 'old Before', 'tablet Before']);
    await server.restart();
  }
});

test('what was parked is whose it was on arrival, though the id has gone on to somebody else', async (t) => {
  const { client } = await start(t, WINDOW);
  await identify(client, 'ann', 'tablet');
  await accepted(client.gdpr('erasure', 'ann', { subject_request_id: 'r' }));
  await track(client, tablet, 'ann Parked', { properties: { text: 'ann event' } });
  await send(client, 'i', { ...tablet, traits: { seat: 'ann seat' } });
  await identify(client, 'ben', 'tablet');
  await track(client, tablet, 'ben Here');
  await accepted(client.cancel('r'));
  await assertApart(client, ['ann', 'ben'], ['ann Parked', 'ann event', 'ann seat', 'ben Here']);
  assert.equal(await owner(client), 'ben');
});

test('a late mark of whoever had the id next takes nothing of what was parked before', async (t) => {
  const { server, client } = await start(t, WINDOW);
  await identify(client, 'ann', 'tablet');
  await accepted(client.gdpr('erasure', 'ann', { subject_request_id: 'r' }));
  const now = Date.now();
  await track(client, tablet, 'ann Parked', { timestamp: iso(now - HOUR), sentAt: iso(now) });
  await identify(client, 'ben', 'tablet');
  await server.restart(AT_ONCE);
  await accepted(client.gdpr('erasure', 'ben'));
  await accepted(client.cancel('r'));
  assert.deepEqual(await names(client, 'ann'), ['ann Parked']);
});

test('a parked identify does not take an id that was given to somebody else meanwhile', async (t) => {
  const { client } = await start(t, WINDOW);
  await identify(client, 'ann', 'phone');
  await accepted(client.gdpr('erasure', 'ann', { subject_request_id: 'r' }));
  await identify(client, 'ann', 'tablet');
  await new Promise((done) => setTimeout(done, 5));
  await identify(client, 'ben', 'tablet');
  await track(client, tablet, 'ben Here');
  await accepted(client.cancel('r'));
  await track(client, tablet, 'ben Still');
  assert.equal(await owner(client), 'ben');
  await assertApart(client, ['ann', 'ben'], ['ben Here', 'ben Still']);
});

// ---- sent again ----

test('a message that comes again joins nobody anew, overwrites nothing, and brings nobody back', async (t) => {
  const { server, client } = await start(t, AT_ONCE);
  const hers = { traits: { plan: 'silver' }, messageId: 'm1' };
  await identify(client, 'ann', 'tablet', hers);
  await identify(client, 'ben', 'tablet', { messageId: 'm2' });
  await send(client, 'i', { userId: 'ann', traits: { plan: 'gold' }, messageId: 'm3' });
  await track(client, { userId: 'old' }, 'old Here', { messageId: 'm4' });
  const alias = { userId: 'ann', previousId: 'old', messageId: 'm5' };
  await send(client, 'a', alias);
  await accepted(client.unlink('ann', { userId: 'old' }));
  const again = async () => {
    await identify(client, 'ann', 'tablet', hers);
    await send(client, 'b', { batch: [{ type: 'identify', userId: 'ann', ...tablet, ...hers }, { type: 'alias', ...alias }] });
    await track(client, { userId: 'old' }, 'old Here', { messageId: 'm4' });
  };
  for (const moment of ['at once', 'after a restart']) {
    if (moment !== 'at once') await server.restart();
    await again();
    await track(client, tablet, 'ben Here');
    assert.equal(await owner(client), 'ben', moment);
    const { attributes, aliases } = (await client.read('ann')).json();
    assert.deepEqual([attributes.plan, aliases, await names(client, 'old')], ['gold', [], ['old Here']], moment);
  }
  await accepted(client.gdpr('erasure', 'ann'));
  for (const moment of ['at once', 'after a restart']) {
    if (moment !== 'at once') await server.restart();
    await again();
    assert.equal((await client.read('ann')).status, 404, moment);
  }
  assert.deepEqual(await names(client, 'ben'), ['ben Here', 'ben Here']);
});

test('an event that comes again behind a link stands once, with whom it was first', async (t) => {
  const { client } = await start(t);
  const event = (n) => track(client, tablet, `ann ${n}`, { messageId: `m${n}` });
  await event(1);
  await identify(client, 'ann', 'tablet');
  await event(1);
  await event(2);
  await identify(client, 'ben', 'tablet');
  await event(1);
  await event(2);
  await send(client, 'b', { batch: [{ type: 'track', userId: 'ben', event: 'ben 3', messageId: 'm2' }] });
  await accepted(client.unlink('ann', { anonymousId: 'tablet' }));
  await event(2);
  assert.deepEqual([await names(client, 'ann'), await names(client, 'ben')], [[], []]);
  await accepted(client.link('ann', { anonymousId: 'tablet' }));
  assert.deepEqual([await names(client, 'ann'), await names(client, 'ben')], [['ann 1', 'ann 2'], []]);
});
