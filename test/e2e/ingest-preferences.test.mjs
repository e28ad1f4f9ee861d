// Opt-ins and opt-outs that ingestion brings: what counts, who outranks whom, and that the series keeps all that was said.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Server } from './lib/server.mjs';

/** Channel, its field, its default. */
const CHANNELS = [
  ['push', 'pushOptIn', true],
  ['in_app', 'inAppOptIn', true],
  ['sms', 'smsOptIn', true],
  ['web_push', 'webPushOptIn', true],
  ['email', 'emailOptIn', true],
  ['whatsapp', 'whatsappOptIn', false],
  ['rcs', 'rcsOptIn', true],
];
const QUEUED = '{"response":{"status":"queued"}}';

let server, client;
let people = 0;
const somebody = () => `person ${++people}`;

before(async () => {
  server = new Server({});
  await server.start();
  client = await server.account();
});
after(() => server.clear());

async function accepted(promise) {
  const answer = await promise;
  assert.equal(answer.status, 201, answer.text);
  return answer.json().response.ignored?.map(({ field }) => field) ?? [];
}

async function held(userId) {
  const answer = await client.read(userId);
  assert.equal(answer.status, 200, answer.text);
  return answer.json();
}

async function history(userId) {
  const answer = await client.gdpr('portability', userId);
  assert.equal(answer.status, 201, answer.text);
  return answer.json().user.preferenceHistory;
}

const objections = ({ rights }) => rights.filter(({ kind }) => kind === 'objection').map(({ scope }) => `${scope.channel} ${scope.messages}`).sort();

test('nobody ever said: the default shows and is called so', async () => {
  const userId = somebody();
  await accepted(client.user({ userId, email: 'ann@example.org' }));
  const person = await held(userId);
  assert.deepEqual(person.preferences, Object.fromEntries(CHANNELS.map(([channel, , optedIn]) => [channel, { optedIn, set: false, since: null }])));
  assert.deepEqual([person.rights, await history(userId)], [[], []]);
});

test('each field, true and false, alone: that channel and no other', async () => {
  for (const [channel, field] of CHANNELS)
    for (const optedIn of [true, false]) {
      const userId = somebody();
      const begin = Date.now();
      assert.equal((await client.user({ userId, [field]: optedIn })).text, QUEUED);
      const person = await held(userId);
      for (const [other, , fallback] of CHANNELS) {
        const { since, ...state } = person.preferences[other];
        assert.deepEqual(state, other === channel ? { optedIn, set: true } : { optedIn: fallback, set: false }, `${channel} ${other}`);
        if (other === channel) assert.ok(Date.parse(since) >= begin && Date.parse(since) <= Date.now(), since);
      }
      assert.deepEqual(objections(person), optedIn ? [] : [`${channel} promotional`]);
    }
});

test('a later word of the controller counts, and both stand in the series', async () => {
  const userId = somebody();
  for (const optedIn of [false, true, false]) {
    assert.deepEqual(await accepted(client.user({ userId, emailOptIn: optedIn })), []);
    const person = await held(userId);
    assert.equal(person.preferences.email.optedIn, optedIn);
    assert.deepEqual(objections(person), optedIn ? [] : ['email promotional']);
  }
  const said = await history(userId);
  assert.deepEqual(said.map(({ optedIn, applied, by }) => [optedIn, applied, by]), [[false, true, 'controller'], [true, true, 'controller'], [false, true, 'controller']]);
  assert.equal(said[0].route, '/v1/accounts/{license}/users');
});

/**
 * Who speaks: a controller's key, the person by a controller's key that brings their consent, and a key that only writes.
 * For each pair: an opt-out by the first, then an opt-in by the second; whether that counts.
 */
const consent = { wording: 'Ja, "gern" – 😀', version: '2.1', when: '2026-11-20T11:00:00+01:00', road: 'double opt-in' };
const consentNow = () => ({ ...consent, when: new Date().toISOString() });
const VOICES = {
  controller: (fields) => client.user(fields),
  person: (fields) => client.user({ ...fields, consent: consentNow() }),
  client: (fields) => client.user(fields, { key: client.write_key }),
};
const OUTRANKS = [
  ['controller', 'controller', true],
  ['controller', 'person', true],
  ['controller', 'client', false],
  ['person', 'controller', false],
  ['person', 'person', true],
  ['person', 'client', false],
  ['client', 'person', true],
  ['client', 'client', false],
];
for (const [first, second, counts] of OUTRANKS)
  test(`opted out by ${first}, an opt-in by ${second} ${counts ? 'counts' : 'is kept as not applied'}`, async () => {
    for (const [channel, field] of CHANNELS) {
      const userId = somebody();
      await accepted(VOICES[first]({ userId, [field]: false }));
      const ignored = await accepted(VOICES[second]({ userId, [field]: true }));
      assert.deepEqual(ignored, counts || second === 'client' ? [] : [field], 'a write key is told nothing of what is held');
      const person = await held(userId);
      assert.deepEqual([person.preferences[channel].optedIn, person.preferences[channel].set], [counts, true]);
      assert.deepEqual(objections(person), counts ? [] : [`${channel} promotional`]);
      const said = await history(userId);
      assert.deepEqual(said.map((each) => [each.channel, each.messages, each.optedIn, each.applied, each.by]), [
        [channel, 'promotional', false, true, first],
        [channel, 'promotional', true, counts, second],
      ]);
    }
  });

test('an opt-out always counts, whoever spoke before', async () => {
  for (const [first, second] of OUTRANKS) {
    const userId = somebody();
    await accepted(VOICES[first]({ userId, smsOptIn: true }));
    assert.deepEqual(await accepted(VOICES[second]({ userId, smsOptIn: false })), [], `${first} then ${second}`);
    assert.equal((await held(userId)).preferences.sms.optedIn, false, `${first} then ${second}`);
  }
});

test('consent that a write key brings does not let it override an opt-out', async () => {
  for (const first of Object.keys(VOICES)) {
    const userId = somebody();
    await accepted(VOICES[first]({ userId, emailOptIn: false }));
    assert.deepEqual(await accepted(client.user({ userId, emailOptIn: true, consent: consentNow() }, { key: client.write_key })), []);
    const person = await held(userId);
    assert.deepEqual([person.preferences.email.optedIn, objections(person)], [false, ['email promotional']], first);
    assert.deepEqual((await history(userId)).map(({ applied }) => applied), [true, false]);
  }
});

test('only a whole consent speaks for the person: wording, version, when and road', async () => {
  for (const missing of Object.keys(consent))
    for (const nothing of [undefined, null, ...(missing === 'when' ? [] : [''])]) {
      const userId = somebody();
      await accepted(VOICES.person({ userId, emailOptIn: false }));
      assert.deepEqual(await accepted(client.user({ userId, emailOptIn: true, consent: { ...consentNow(), [missing]: nothing } })), ['emailOptIn'], missing);
      assert.deepEqual((await history(userId)).map(({ by, applied }) => [by, applied]), [['person', true], ['controller', false]], missing);
    }
});

test('a consent older than the opt-out does not undo it', async () => {
  const userId = somebody();
  await accepted(client.user({ userId, emailOptIn: false }));
  assert.deepEqual(await accepted(client.user({ userId, emailOptIn: true, consent })), ['emailOptIn']);
  assert.equal((await held(userId)).preferences.email.optedIn, false);
  assert.deepEqual(await accepted(client.user({ userId, emailOptIn: true, consent: consentNow() })), []);
  assert.equal((await held(userId)).preferences.email.optedIn, true);
});

test('a write key opts in where nobody opted out', async () => {
  const userId = somebody();
  await accepted(VOICES.client({ userId, whatsappOptIn: true }));
  assert.deepEqual([(await held(userId)).preferences.whatsapp.optedIn, (await history(userId))[0].by], [true, 'client']);
  await accepted(VOICES.controller({ userId, whatsappOptIn: false }));
  await accepted(VOICES.client({ userId, whatsappOptIn: true }));
  assert.equal((await held(userId)).preferences.whatsapp.optedIn, false);
});

test('consent is kept as it was given: wording, version, when, road', async () => {
  const ROWS = [
    ['whole', consent],
    ['wording alone', { wording: 'yes' }],
    ['version and road', { version: '', road: 'shop' }],
    ['odd text', { wording: 'a\u0000\\"\u2028', version: '\u{10ffff}', road: '/' }],
    ['null members', { wording: null, version: '1', when: null, road: null }],
    ['empty', {}],
  ];
  for (const [name, given] of ROWS) {
    const userId = somebody();
    const begin = Date.now();
    await accepted(client.user({ userId, emailOptIn: true, smsOptIn: false, consent: given }));
    const said = await history(userId);
    assert.deepEqual(said.map(({ channel }) => channel).sort(), ['email', 'sms'], name);
    for (const each of said) {
      const { when, ...texts } = given;
      const kept = Object.fromEntries(Object.entries(texts).filter(([, text]) => text));
      assert.deepEqual(each.consent ?? {}, kept, name);
      assert.equal(each.by, name === 'whole' ? 'person' : 'controller', name);
      if (when) assert.equal(each.when, new Date(when).toISOString(), name);
      else assert.ok(Date.parse(each.when) >= begin, name);
      assert.ok(Date.parse(each.receivedAt) >= begin, name);
      assert.equal(each.route, '/v1/accounts/{license}/users');
      assert.ok(Number.isInteger(each.credential));
    }
  }
});

test('what one bulk item says about a person holds for the next', async () => {
  const userId = somebody();
  const answer = await client.bulkUsers([{ userId, emailOptIn: false, consent }, { userId, emailOptIn: true }, { userId, emailOptIn: true, consent: { ...consent, when: '2026-11-20T11:00:00.001+01:00' } }, { userId, smsOptIn: false }]);
  assert.deepEqual(answer.json().response.ignored.map(({ index, field }) => [index, field]), [[1, 'emailOptIn']]);
  assert.deepEqual((await history(userId)).map(({ channel, applied }) => [channel, applied]), [['email', true], ['email', false], ['email', true], ['sms', true]]);
  const person = await held(userId);
  assert.deepEqual([person.preferences.email.optedIn, objections(person)], [true, ['sms promotional']]);
});

test('an anonymous user has preferences of their own', async () => {
  const id = somebody();
  await accepted(client.user({ anonymousId: id, pushOptIn: false }));
  const answer = await client.read(id, { anonymous: true });
  assert.deepEqual(objections(answer.json()), ['push promotional']);
  assert.equal((await client.read(id)).status, 404);
});

test('repeats of what holds already add nothing to the series, a new consent does', async () => {
  const userId = somebody();
  for (let i = 0; i < 5; i++) await accepted(client.user({ userId, emailOptIn: false }));
  assert.equal((await history(userId)).length, 1);
  for (const version of ['1', '2']) await accepted(client.user({ userId, emailOptIn: false, consent: { version } }));
  assert.deepEqual((await history(userId)).map((each) => each.consent?.version), [undefined, '1', '2']);
});

test('the series outlives a restart, and the last word still counts', async () => {
  const userId = somebody();
  await accepted(client.user({ userId, emailOptIn: false, consent }));
  const before = await history(userId);
  await server.restart();
  assert.deepEqual(await history(userId), before);
  assert.deepEqual(await accepted(client.user({ userId, emailOptIn: true })), ['emailOptIn']);
  assert.equal((await held(userId)).preferences.email.optedIn, false);
});
