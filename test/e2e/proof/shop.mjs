// People with a mark in every field, and people whose rows share pages.
import assert from 'node:assert/strict';

import { rawAt } from '../lib/json.mjs';
import { until } from '../lib/server.mjs';

/** A value that nobody else has, with characters that programs write down in several ways. */
export function mark(random, what) {
  return `${what}-${random.hex(16)}"é`;
}

/**
 * Sends a person with a mark in every field that there is, and calls that are refused.
 * @returns {Promise<{ id: string, anonymous: string, stored: Record<string, string>, other: Record<string, string> }>} the
 *   marks that are kept with the person, and those that are not kept at all or as a keyed hash
 */
export async function sendMarkedPerson(client, random) {
  const id = mark(random, 'id');
  const stored = { userId: id };
  const other = {};
  const put = (group, what) => (group[what] = mark(random, what));
  const digits = String(random.between(1e14, 9e14));
  const user = {
    userId: id,
    birthDate: '1986-08-19T15:45:00-0800',
    email: `${random.hex(16)}@example.test`,
    phone: `+${digits}`,
    emailOptIn: false,
    smsOptIn: true,
    pushOptIn: false,
    consent: { when: '2026-01-02T03:04:05Z' },
    attributes: { size: Number(digits) + 0.5, ok: true, day: '2026-02-03T04:05:06.789Z' },
  };
  Object.assign(stored, { email: user.email, phone: user.phone, number: `${digits}.5`, day: user.attributes.day });
  for (const field of ['firstName', 'lastName', 'gender', 'company', 'hashedEmail', 'hashedPhone'])
    user[field] = put(stored, field);
  for (const field of ['wording', 'version', 'road']) user.consent[field] = put(stored, field);
  user.attributes.plan = put(stored, 'text');
  user.attributes.list = [put(stored, 'in a list')];
  user.attributes.map = { inner: put(stored, 'in a map') };
  user.attributes.long = `${put(stored, 'long begins')}${'x'.repeat(20_000)}${put(other, 'long ends')}`;
  user.unknown = put(other, 'unknown member');
  assert.equal((await client.user(user, { headers: { 'x-request-id': put(other, 'x-request-id') } })).status, 201);
  const anonymous = put(stored, 'anonymousId');
  assert.equal((await client.user({ anonymousId: anonymous, attributes: { plan: put(stored, 'of anonymous') } })).status, 201);
  await sendMarkedEvents(client, random, { id, anonymous, stored, other });
  await sendMarkedMessages(client, random, { id, stored, other });
  await sendRefused(client, random, { id, other });
  return { id, anonymous, stored, other };
}

async function sendMarkedEvents(client, random, { id, anonymous, stored, other }) {
  const large = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`part ${i}`, random.hex(1000)]));
  stored['20 kB value'] = large['part 19'].slice(900);
  const events = [
    { userId: id, eventName: 'Viewed', eventData: { Price: 39.8, Product: (stored['event text'] = mark(random, 'event')) } },
    { userId: id, eventName: 'Viewed', eventData: { deep: [{ a: (stored['event inner'] = mark(random, 'inner')) }] } },
    { userId: id, eventName: 'Uploaded', eventData: large, messageId: (other.messageId = mark(random, 'message')) },
    { anonymousId: anonymous, eventName: 'Viewed', eventData: { Product: (stored['event of anonymous'] = mark(random, 'event')) } },
  ];
  assert.equal((await client.event(events[0])).status, 201);
  assert.equal((await client.bulkEvents(events.slice(1))).status, 201);
}

/** The same person by a client of Segment: what its messages and their context hold. */
async function sendMarkedMessages(client, random, { id, stored, other }) {
  const kept = (what) => (stored[what] = mark(random, what));
  const dropped = (what) => (other[what] = mark(random, what));
  const context = {
    page: { url: `https://shop.example/?q=${kept('page')}` },
    device: { id: kept('device'), token: kept('push token'), advertisingId: kept('advertising id') },
    consent: { categoryPreferences: { [kept('consent')]: false } },
  };
  const beside = { integrations: { [dropped('integration')]: true }, channel: dropped('channel') };
  const batch = [
    { type: 'track', event: 'Viewed', properties: { Product: kept('property') }, messageId: dropped('message id'), ...beside },
    { type: 'track', event: 'Viewed', anonymousId: dropped('anonymous id beside') },
    { type: 'page', name: kept('page name') },
    { type: 'identify', traits: { club: kept('trait'), we_other: dropped('reserved trait') } },
    { type: 'group', groupId: kept('group'), traits: { seats: kept('group trait') } },
    { type: 'track', properties: { Product: dropped('refused property') } },
  ].map((message) => ({ userId: id, ...message }));
  const headers = { authorization: `Basic ${Buffer.from(`${client.write_key}:`).toString('base64')}` };
  const answer = await client.call('POST', '/v1/batch', { batch, context }, { key: null, headers });
  assert.equal(answer.status, 200, answer.text);
}

/** Calls that are refused or that name a person in passing: nothing of them may be written down anywhere. */
async function sendRefused(client, random, { id, other }) {
  const put = (what) => (other[what] = mark(random, what));
  const refused = [
    [400, client.event({ userId: put('refused id'), eventName: '', eventData: { a: put('refused event') } })],
    [400, client.event(`{"userId":"${random.hex(8)}","eventName":"Viewed","eventData":{"a":"${(other.broken = random.hex(24))}"`)],
    [400, client.user({ userId: put('refused user'), emailOptIn: 'yes', attributes: { plan: put('refused value') } })],
    [401, client.user({ userId: put('unknown key id') }, { key: put('key').replace('é', '') })],
    [404, client.user({ userId: put('license id') }, { license: random.hex(16) })],
    [404, client.read(put('id in a URL'))],
    [404, client.call('GET', `/api/nothing/${encodeURIComponent(put('path'))}?q=${encodeURIComponent(put('query'))}`)],
    [404, client.status(put('request id in a URL'))],
    [400, client.gdpr('erasure', put('unknown person'), { subject_request_id: put('refused request id') })],
    [400, client.gdpr('erasure', id, { subject_request_id: 'r', identity_type: put('identity type') })],
  ];
  for (const [status, call] of refused) assert.equal((await call).status, status);
}

/** What the person's native read and events say, as text. */
export async function wholeOf(client, id, options) {
  const profile = await client.read(id, options);
  const { status, raw } = await client.events(id, options);
  return { status: [profile.status, status], profile: profile.text, events: raw };
}

/** Erases at once and waits until nothing is left of it. */
export async function erase(client, id, requestId, extras = {}) {
  const answer = await client.gdpr('erasure', id, { ...extras, subject_request_id: requestId });
  assert.equal(answer.status, 201, answer.text);
  await untilDone(client, requestId);
}

export async function untilDone(client, requestId) {
  await until(async () => (await client.status(requestId)).json().status === 'DONE', {
    what: 'the end of an erasure',
    pauseMs: 5,
    timeoutMs: 20_000,
  });
}

/**
 * People whose events lie in turn, so that each page holds rows of many: sent in bulk, one call a round.
 * @returns {Promise<{ id: string, sent: string[] }[]>} with the text of each event's data, oldest first
 */
export async function sendInterleaved(client, random, { people = 50, rounds = 200 } = {}) {
  const all = Array.from({ length: people }, () => ({ id: `u-${random.hex(16)}`, sent: [] }));
  for (const { id } of all)
    assert.equal((await client.user({ userId: id, firstName: random.text(20), attributes: { plan: random.text(40) } })).status, 201);
  const together = 10;
  for (let round = 0; round < rounds; round += together) {
    const items = [];
    for (let turn = 0; turn < together; turn++)
      for (const person of all) {
        const data = `{"n":${random.number()},"Product":${JSON.stringify(random.text(random.between(1, 60)))},"at":${person.sent.length}}`;
        person.sent.push(data);
        items.push(`{"userId":"${person.id}","eventName":"Viewed","eventData":${data}}`);
      }
    assert.equal((await client.bulkEvents(`{"events":[${items.join()}]}`)).status, 201);
  }
  return all;
}

/** Every event reads back byte for byte. */
export async function assertWhole(client, { id, sent }) {
  const { status, raw } = await client.events(id);
  assert.equal(status, 200);
  const data = raw.map((text) => rawAt(text, 'eventData')).reverse();
  assert.deepEqual(data, sent);
}
