// What a right in force does, what is left after an erasure, and that ending one right leaves every other.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';

import { startServer } from './lib/server.mjs';
import { daysAhead } from './proof/clock.mjs';
import { untilDone } from './proof/shop.mjs';

const REASONS = ['person_consent', 'legal_claim', 'rights_of_others', 'public_interest'];
const LEGAL = { headers: { 'habeas-reason': 'legal_claim' } };
const CHANNELS = {
  push: 'pushOptIn',
  in_app: 'inAppOptIn',
  sms: 'smsOptIn',
  web_push: 'webPushOptIn',
  email: 'emailOptIn',
  whatsapp: 'whatsappOptIn',
  rcs: 'rcsOptIn',
};

const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
const tomorrow = () => new Date(Date.now() + 86_400_000).toISOString();

async function ok(promise, what = 'the call') {
  const answer = await promise;
  assert.ok(answer.status === 200 || answer.status === 201, `${what}: ${answer.status} ${answer.text}`);
  return answer;
}

function person(client, id, anonymous = false) {
  const naming = anonymous ? { anonymousId: id } : { userId: id };
  const identity_type = anonymous ? 'anonymous' : 'cuid';
  const p = {
    id,
    anonymous,
    naming,
    send: (number, more = {}) => ok(client.event({ ...naming, eventName: 'Seen', eventData: { number }, ...more })),
    set: (fields) => ok(client.user({ ...naming, ...fields })),
    ask: (type, extras = {}) => client.gdpr(type, id, { identity_type, ...extras }),
    read: (options = {}) => client.read(id, { anonymous, ...options }),
    events: (options = {}) => client.events(id, { anonymous, ...options }),
    held: async () => (await ok(p.read(LEGAL))).json(),
    numbers: async () => (await p.events(LEGAL)).events.map(({ eventData }) => eventData.number).reverse(),
    /** Names of the rights in force: "restriction", "pending_erasure", "objection email", … */
    async rights() {
      const names = (await p.held()).rights.map(({ kind, scope }) => (scope ? `${kind} ${scope.channel}` : kind));
      return names.sort();
    },
    async erase(extras) {
      await ok(p.ask('erasure', extras));
      assert.equal((await p.read()).status, 404);
    },
  };
  return p;
}

/** Entries of the audit, hash off. */
function audit(server) {
  const text = readFileSync(join(server.data, 'ledger/audit/0001'), 'utf8');
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line.replace(/^[0-9a-f]{64} /, '')));
}

// ---- while restricted, and while an erasure waits ----

const STATES = [
  ['restricted', async (p) => (await ok(p.ask('restriction')), () => ok(p.ask('re-enable')))],
  [
    'erasure pending',
    async (p, client) => {
      const { subject_request_id } = (await ok(p.ask('erasure'))).json();
      return () => ok(client.cancel(subject_request_id));
    },
  ],
];

for (const [state, begin] of STATES)
  test(`${state}: ingestion is answered as always and changes nothing but opt-outs`, async (t) => {
    const server = await startServer(t, { options: ['--cancel-window', '7d'] });
    const client = await server.account();
    for (const anonymous of [false, true]) {
      const p = person(client, `ann ${anonymous}`, anonymous);
      const free = person(client, `bob ${anonymous}`, anonymous);
      for (const each of [p, free]) {
        await each.set({
          firstName: 'Ann',
          email: 'ann@example.org',
          smsOptIn: false,
          attributes: { Size: 1, List: [1] },
        });
        await each.send(0);
      }
      const before = await p.held();
      const events = (await p.events()).raw;
      const end = await begin(p, client);
      const calls = (each) => [
        client.event({ ...each.naming, eventName: 'Seen', eventData: { number: 1 } }),
        client.event({ ...each.naming, eventName: 'Seen', eventTime: '2026-11-01T10:00:00Z' }),
        client.user({ ...each.naming, firstName: 'Other', email: null, attributes: { Size: 2, New: 1 } }),
        client.user({ ...each.naming, whatsappOptIn: true, rcsOptIn: true }),
        client.user({ ...each.naming, emailOptIn: false, attributes: { Size: 3 } }),
        client.bulkEvents([{ ...each.naming, eventName: 'Seen' }]),
        client.bulkUsers([{ ...each.naming, pushOptIn: false, lastName: 'Other' }]),
      ];
      const answers = await Promise.all(calls(p));
      const others = await Promise.all(calls(free));
      for (const [i, answer] of answers.entries()) {
        assert.equal(`${answer.status} ${answer.text}`, `${others[i].status} ${others[i].text}`);
        assert.equal(answer.status, 201);
      }
      const now = await p.held();
      assert.deepEqual([now.firstName, now.email, now.lastName], ['Ann', 'ann@example.org', undefined]);
      assert.deepEqual(now.attributes, { Size: 1, List: [1] });
      assert.deepEqual(now.sources, before.sources);
      assert.deepEqual((await p.events(LEGAL)).raw, events);
      for (const [channel, { optedIn, set }] of Object.entries(now.preferences)) {
        const said = ['email', 'push', 'sms'].includes(channel);
        assert.equal(set, said, channel);
        assert.equal(optedIn, said ? false : channel !== 'whatsapp', channel);
      }
      assert.deepEqual(now.rights.filter(({ kind }) => kind === 'objection').length, 3);
      await end();
      if (state === 'restricted') {
        const after = await p.held();
        assert.deepEqual({ ...after, preferences: 0, rights: 0 }, { ...before, preferences: 0, rights: 0 });
        assert.deepEqual((await p.events()).raw, events);
        await p.send(7);
        assert.deepEqual(await p.numbers(), [0, 7]);
      }
      assert.deepEqual(await p.rights(), ['objection email', 'objection push', 'objection sms']);
    }
  });

for (const [state, begin] of STATES)
  test(`${state}: a read needs one of four reasons and the scope, and is in the audit before its answer`, async (t) => {
    const server = await startServer(t, { options: ['--cancel-window', '7d'] });
    const client = await server.account();
    const { key: rightsKey } = JSON.parse(
      (await server.cli(['key', 'add', '--license', 'shop1', '--scopes', 'rights'])).stdout,
    );
    for (const anonymous of [false, true]) {
      const p = person(client, `ann ${anonymous}`, anonymous);
      await p.set({ firstName: 'Ann' });
      await p.send(0);
      const free = (await p.read()).json();
      const end = await begin(p, client);
      const reads = [(options) => p.read(options), async (options) => (await p.events(options)).last];
      for (const read of reads) {
        for (const options of [{}, { headers: { 'habeas-reason': '' } }]) {
          const answer = await read(options);
          assert.equal(answer.status, 403, answer.text);
          assert.equal(answer.json().error.code, 'restricted');
          assert.doesNotMatch(answer.text, /Ann/);
        }
        for (const reason of ['curiosity', 'Legal_claim', 'legal_claim,person_consent', 'legal claim', 'none']) {
          const answer = await read({ headers: { 'habeas-reason': reason } });
          assert.equal(answer.status, 400, `${reason}: ${answer.text}`);
          assert.equal(typeof answer.json().error.message, 'string');
        }
        for (const key of [rightsKey, client.write_key, 'wrong'])
          assert.equal((await read({ ...LEGAL, key })).status, 401);
        for (const reason of REASONS) {
          const before = audit(server).length;
          const answer = await read({ headers: { 'habeas-reason': reason } });
          const [entry, ...more] = audit(server).slice(before);
          assert.equal(answer.status, 200, answer.text);
          assert.deepEqual([entry?.act, entry?.reason, more.length], ['look', reason, 0]);
          assert.match(entry.subject, /^[0-9a-f]{32}$/);
          assert.match(entry.route, anonymous ? /^\/api\/anonymous\// : /^\/api\/users\//);
        }
      }
      assert.equal((await ok(p.ask('portability'))).json().user.firstName, 'Ann');
      const held = await p.held();
      assert.deepEqual({ ...held, rights: [] }, { ...free, rights: [] });
      await server.restart();
      assert.equal((await p.read()).status, 403);
      await end();
      assert.deepEqual((await ok(p.read())).json(), free);
    }
    const { stdout, code } = await server.cli(['audit', 'verify']);
    assert.equal(code, 0, stdout);
  });

test('a reason that is none of the four is refused for everybody, whoever it is about', async (t) => {
  const server = await startServer(t);
  const client = await server.account();
  const ann = person(client, 'ann');
  await ann.send(0);
  assert.equal((await ann.read({ headers: { 'habeas-reason': 'curiosity' } })).status, 400);
  assert.equal((await ann.read(LEGAL)).status, 200);
  assert.equal((await person(client, 'nobody').read(LEGAL)).status, 404);
});

// ---- after an erasure ----

test('who comes back under the same id is a new person', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '0'] });
  const client = await server.account();
  for (const anonymous of [false, true])
    for (const way of ['event', 'user']) {
      const p = person(client, `${way} ${anonymous}`, anonymous);
      await p.set({ firstName: 'Ann', email: `${way}${anonymous}@example.org`, attributes: { Size: 1 } });
      await p.send(0);
      await ok(p.ask('restriction'));
      const { createdAt } = await p.held();
      await p.erase();
      await pause(2);
      if (way === 'event') await p.send(1);
      else await p.set({ attributes: { New: 1 } });
      const { user } = (await ok(p.ask('portability'))).json();
      assert.deepEqual([user.firstName, user.email, user.rights], [undefined, undefined, []]);
      assert.deepEqual(user.attributes, way === 'event' ? {} : { New: 1 });
      assert.deepEqual(
        user.events.map(({ eventData }) => eventData.number),
        way === 'event' ? [1] : [],
      );
      assert.deepEqual(user.preferenceHistory, []);
      assert.ok(user.createdAt > createdAt);
      assert.ok(Object.values(user.preferences).every(({ set, since }) => !set && since === null));
    }
});

test('what is dated before the erasure is answered and dropped, for as long as the setting says', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '0'] });
  const client = await server.account();
  const old = { eventTime: '2026-11-01T10:00:00Z' };
  for (const anonymous of [false, true]) {
    const p = person(client, `ann ${anonymous}`, anonymous);
    await p.send(0);
    const justBefore = new Date(Date.now() - 1).toISOString();
    await p.erase();
    const late = [
      await p.send(1, old),
      await p.send(2, { eventTime: justBefore }),
      await ok(client.bulkEvents([{ ...p.naming, ...old, eventName: 'Seen', eventData: { number: 3 } }])),
    ];
    for (const answer of late) assert.equal(answer.text, '{"response":{"status":"queued"}}');
    assert.equal((await p.read()).status, 404);
    await p.send(4); // without a time: new
    await p.send(5, old);
    await p.send(6, { eventTime: new Date(Date.now() + 1).toISOString() });
    await ok(
      client.bulkEvents(
        [7, 8].map((number) => ({
          ...p.naming,
          ...(number === 7 ? old : {}),
          eventName: 'Seen',
          eventData: { number },
        })),
      ),
    );
    assert.deepEqual(await p.numbers(), [4, 6, 8]);
  }
  await server.restart();
  const ann = person(client, 'ann false');
  await ann.send(9, old);
  assert.deepEqual(await ann.numbers(), [4, 6, 8]);
  await ok(client.call('PUT', '/api/settings', { late_mark_days: 0 }));
  await ann.send(10, old); // switched off: also for who was erased before
  assert.deepEqual(await ann.numbers(), [4, 6, 8, 10]);
  const bob = person(client, 'bob');
  await bob.send(0);
  await bob.erase();
  await bob.send(1, old);
  assert.deepEqual(await bob.numbers(), [1]);
  await ok(client.call('PUT', '/api/settings', { late_mark_days: 400 }));
  assert.equal((await client.call('PUT', '/api/settings', { late_mark_days: 401 })).status, 400);
  assert.equal((await client.call('PUT', '/api/settings', { late_mark_days: -1 })).status, 400);
  await bob.erase();
  await bob.send(2, old);
  assert.equal((await bob.read()).status, 404);
});

test('a late mark is of the moment of erasure, not of the request', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '1d'] });
  const client = await server.account();
  const ann = person(client, 'ann');
  await ann.send(0);
  await ok(ann.ask('erasure', { subject_request_id: 'r' }));
  const { receivedAt, dueAt } = (await ok(client.call('GET', '/api/requests/r'))).json();
  await server.restart({ env: daysAhead(server, 2) });
  assert.equal((await ann.read()).status, 404);
  for (const inTheWindow of [Date.parse(receivedAt) + 1, Date.parse(dueAt) - 1]) {
    await ann.send(1, { eventTime: new Date(inTheWindow).toISOString() });
    assert.equal((await ann.read()).status, 404);
  }
  await ann.send(2);
  assert.deepEqual(await ann.numbers(), [2]);
});

// ---- suppression ----

test('a suppressed id: every call is answered as always and nothing is recorded, for ever', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '0'] });
  const client = await server.account();
  for (const anonymous of [false, true]) {
    const p = person(client, `ann ${anonymous}`, anonymous);
    const free = person(client, `bob ${anonymous}`, anonymous);
    const twin = person(client, `ann ${anonymous}`, !anonymous); // the same text, the other sort of id
    for (const each of [p, free]) await each.send(0);
    await p.erase({ suppress: { until: null } });
    const consent = () => ({ wording: 'Yes', version: '1', when: new Date().toISOString(), road: 'form' });
    const calls = (each) => [
      () => client.event({ ...each.naming, eventName: 'Seen', eventData: { number: 1 } }),
      () => client.event({ ...each.naming, eventName: 'Seen', eventTime: new Date().toISOString() }),
      () => client.user({ ...each.naming, firstName: 'Ann', attributes: { Size: 1 } }),
      () => client.user({ ...each.naming, emailOptIn: false }),
      () => client.user({ ...each.naming, emailOptIn: true, consent: consent() }),
      () => client.bulkEvents([{ ...each.naming, eventName: 'Seen' }]),
      () => client.bulkUsers([{ ...each.naming, attributes: { Size: 1 } }]),
    ];
    const check = async () => {
      const [here, there] = [calls(p), calls(free)];
      for (const [i, call] of here.entries()) {
        const [one, other] = [await call(), await there[i]()];
        assert.equal(`${one.status} ${one.text}`, `${other.status} ${other.text}`);
        assert.deepEqual(Object.keys(one.headers).sort(), Object.keys(other.headers).sort());
        assert.equal(one.status, 201);
      }
      assert.equal((await p.read(LEGAL)).status, 404);
      assert.equal((await p.events(LEGAL)).status, 404);
      assert.equal((await p.ask('portability')).status, 400);
    };
    await check();
    await server.kill();
    await server.start();
    await check();
    // In one call with others only that one is left out.
    await ok(
      client.bulkEvents([p, twin].map((each) => ({ ...each.naming, eventName: 'Seen', eventData: { number: 5 } }))),
    );
    assert.equal((await p.read()).status, 404);
    assert.deepEqual(await twin.numbers(), [5]);
  }
});

test('a suppression until a time ends then; what came meanwhile is gone', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '0'] });
  const client = await server.account();
  const ann = person(client, 'ann');
  const bob = person(client, 'bob');
  for (const p of [ann, bob]) await p.send(0);
  await ann.erase({ suppress: { until: tomorrow() } });
  for (const suppress of [{ until: '2020-01-01T00:00:00Z' }, {}, { untill: null }])
    assert.equal((await bob.ask('erasure', { suppress })).status, 400, JSON.stringify(suppress));
  await ann.send(1);
  await bob.send(1);
  assert.equal((await ann.read()).status, 404);
  assert.deepEqual((await bob.numbers()).sort(), [0, 1]);
  await server.restart();
  await ann.send(2);
  assert.equal((await ann.read()).status, 404);
  await server.restart({ env: daysAhead(server, 2) });
  await ann.send(3);
  assert.deepEqual(await ann.numbers(), [3]);
  await server.restart();
  await ann.send(4);
  assert.deepEqual(await ann.numbers(), [3, 4]);
});

test('a suppression begins with the erasure, not with the request, and a cancel takes it away', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '1d'] });
  const client = await server.account();
  const people = [false, true].map((anonymous) => person(client, `ann ${anonymous}`, anonymous));
  for (const p of people) {
    await p.send(0);
    await ok(p.ask('erasure', { subject_request_id: `off ${p.id}`, suppress: { until: null } }));
    await ok(client.cancel(`off ${p.id}`));
    await p.send(1);
    assert.deepEqual(await p.numbers(), [0, 1]);
    await ok(p.ask('erasure', { suppress: { until: null } }));
  }
  await server.restart({ env: daysAhead(server, 2) });
  for (const p of people) {
    assert.equal((await p.read()).status, 404);
    await p.send(2);
    assert.equal((await p.read()).status, 404);
  }
});

// ---- opt-outs that are kept ----

test('opt-outs in force at the erasure hold for who comes back, unless the request says otherwise', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '0'] });
  const client = await server.account();
  for (const anonymous of [false, true]) {
    const kept = (p) => p.rights();
    for (const [i, extras, expected] of [
      [0, {}, ['objection email', 'objection push']],
      [1, { keep_opt_outs: true }, ['objection email', 'objection push']],
      [2, { keep_opt_outs: false }, []],
    ]) {
      const p = person(client, `ann ${anonymous} ${i}`, anonymous);
      await p.set({ emailOptIn: false, pushOptIn: false, smsOptIn: false, rcsOptIn: true, attributes: { Size: 1 } });
      await p.set({ smsOptIn: true });
      await p.erase(extras);
      await server.restart();
      await p.send(1);
      assert.deepEqual(await kept(p), expected);
      const { preferences, attributes } = await p.held();
      assert.deepEqual(attributes, {});
      assert.deepEqual([preferences.email.optedIn, preferences.sms.optedIn], [expected.length === 0, true]);
      assert.deepEqual([preferences.email.set, preferences.rcs.set], [expected.length > 0, false]);
      if (expected.length > 0) {
        await p.set({ emailOptIn: true }); // what the person once said outranks the controller
        assert.equal((await p.held()).preferences.email.optedIn, false);
      }
    }
  }
});

test('an opt-out of the last moment is kept: said while the erasure waited, in force when it came', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '1d'] });
  const client = await server.account();
  const cases = [
    ['kept', {}, ['objection email']],
    ['dropped', { keep_opt_outs: false }, []],
  ];
  for (const [id, extras] of cases) {
    const p = person(client, id);
    await p.send(0);
    await ok(p.ask('erasure', extras));
    await p.set({ emailOptIn: false });
  }
  await server.restart({ env: daysAhead(server, 2) });
  for (const [id, , expected] of cases) {
    const p = person(client, id);
    assert.equal((await p.read()).status, 404);
    await p.send(1);
    assert.deepEqual(await p.rights(), expected);
  }
});

test('kept opt-outs are those in force at the last erasure', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '0'] });
  const client = await server.account();
  const consent = { wording: 'Yes', version: '1', when: '2026-11-20T10:00:00Z', road: 'form' };
  for (const anonymous of [false, true]) {
    const dropped = person(client, `dropped ${anonymous}`, anonymous);
    await dropped.set({ emailOptIn: false });
    await dropped.erase();
    await dropped.send(1);
    assert.deepEqual(await dropped.rights(), ['objection email']);
    await dropped.erase();
    await dropped.send(2);
    assert.deepEqual(await dropped.rights(), ['objection email']); // through a second erasure
    await dropped.erase({ keep_opt_outs: false });
    await dropped.send(3);
    assert.deepEqual(await dropped.rights(), []);

    const agreed = person(client, `agreed ${anonymous}`, anonymous);
    await agreed.set({ emailOptIn: false, smsOptIn: false });
    await agreed.erase();
    await agreed.set({ emailOptIn: true, consent });
    assert.deepEqual(await agreed.rights(), ['objection sms']);
    await agreed.erase();
    await agreed.send(1);
    assert.deepEqual(await agreed.rights(), ['objection sms']);
  }
});

// ---- one right ended leaves every other ----

const RIGHTS = {
  restriction: {
    begin: (p) => ok(p.ask('restriction')),
    end: (p) => p.ask('re-enable'),
  },
  pending_erasure: {
    async begin(p) {
      p.erasure = (await ok(p.ask('erasure'))).json().subject_request_id;
    },
    end: (p, client) => client.cancel(p.erasure),
  },
};
for (const [channel, field] of Object.entries(CHANNELS))
  RIGHTS[`objection ${channel}`] = {
    begin: (p) => p.set({ [field]: false }),
    end: (p) => p.set({ [field]: true }),
  };

/** A lift is refused while an erasure waits; an opt-in is not heard while anything stops the collecting. */
function canEnd(right, other) {
  if (right === 'restriction') return other !== 'pending_erasure';
  if (right === 'pending_erasure') return true;
  return other.startsWith('objection');
}

test('one right ended leaves every other in force: all ordered pairs', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '7d'] });
  const client = await server.account();
  const names = Object.keys(RIGHTS);
  const pairs = names.flatMap((first) => names.filter((name) => name !== first).map((second) => [first, second]));
  assert.equal(pairs.length, 72);
  const cases = pairs.flatMap(([first, second]) =>
    [first, second].map((ended) => ({
      first,
      second,
      ended,
      other: ended === first ? second : first,
      person: person(client, `${first}, ${second}, ${ended} ended`, ended === second),
    })),
  );
  for (const { first, second, person: p } of cases) {
    await p.send(0);
    await RIGHTS[first].begin(p);
    await RIGHTS[second].begin(p);
    assert.deepEqual(await p.rights(), [first, second].sort(), p.id);
  }
  await server.restart();
  for (const { ended, other, person: p } of cases) {
    assert.deepEqual(await p.rights(), [ended, other].sort(), p.id);
    const answer = await RIGHTS[ended].end(p, client);
    const can = canEnd(ended, other);
    assert.equal(answer.status, !can && ended === 'restriction' ? 400 : ended === 'pending_erasure' ? 200 : 201, p.id);
    assert.deepEqual(await p.rights(), can ? [other] : [ended, other].sort(), p.id);
    const stops = [ended, other].slice(can ? 1 : 0).some((name) => !name.startsWith('objection'));
    assert.equal((await p.read()).status, stops ? 403 : 200, p.id);
  }
  await server.kill();
  await server.start();
  for (const { ended, other, person: p } of cases) {
    assert.deepEqual(await p.rights(), canEnd(ended, other) ? [other] : [ended, other].sort(), p.id);
    await RIGHTS[other].end(p, client);
    if ((await p.rights()).length > 0) await RIGHTS[ended].end(p, client);
    assert.deepEqual(await p.rights(), [], p.id);
    assert.equal((await p.read()).status, 200);
    assert.deepEqual(await p.numbers(), [0]);
  }
});

test('suppression and every other right: one ended leaves the other', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '0'] });
  const client = await server.account();
  const consent = { wording: 'Yes', version: '1', when: '2026-11-20T10:00:00Z', road: 'form' };
  const people = Object.keys(CHANNELS).flatMap((channel) =>
    [false, true].map((anonymous) => ({ channel, ...person(client, `${channel} ${anonymous}`, anonymous) })),
  );
  for (const p of people) {
    await p.set({ [CHANNELS[p.channel]]: false });
    await p.send(0);
  }
  for (const p of people) await p.erase({ suppress: { until: tomorrow() } });
  // The opt-in that would end the objection ends neither.
  for (const p of people) {
    await p.set({ [CHANNELS[p.channel]]: true, consent });
    assert.equal((await p.read()).status, 404);
  }
  // The suppressed id of one sort leaves alone the rights of the same text as the other sort, and theirs leave it.
  const restricted = person(client, 'ann', true);
  const suppressed = person(client, 'ann');
  for (const p of [restricted, suppressed]) await p.send(0);
  await ok(restricted.ask('restriction'));
  await ok(suppressed.ask('restriction'));
  await suppressed.erase({ suppress: { until: null } });
  assert.equal((await suppressed.ask('re-enable')).status, 400);
  assert.deepEqual(await restricted.rights(), ['restriction']);
  await ok(restricted.ask('re-enable'));
  await suppressed.send(1);
  assert.equal((await suppressed.read()).status, 404);
  await server.restart({ options: ['--cancel-window', '7d'] });
  await ok(restricted.ask('erasure', { subject_request_id: 'other sort' }));
  await ok(client.cancel('other sort'));
  await suppressed.send(2);
  assert.equal((await suppressed.read()).status, 404);
  // The end of the suppression leaves the objection.
  await server.restart({ env: daysAhead(server, 2) });
  for (const p of people) {
    await p.send(1);
    assert.deepEqual([await p.rights(), await p.numbers()], [[`objection ${p.channel}`], [1]], p.id);
  }
});

// ---- what outlives an erasure, seen by others ----

test('an opt-out kept with an address holds for whoever comes to have it; said again by the person it ends', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '0'] });
  const client = await server.account();
  const optedIn = async (id) => {
    const { email, sms } = (await ok(client.read(id))).json().preferences;
    return [email.optedIn, sms.optedIn];
  };
  await ok(client.user({ userId: 'ann', email: 'Ann@example.org', phone: '+49 170 1', emailOptIn: false, smsOptIn: false }));
  await ok(client.user({ userId: 'bob', email: 'bob@example.org' }));
  await ok(client.gdpr('erasure', 'ann'));
  await ok(client.user({ userId: 'ann2', email: 'ann@example.org' }));
  assert.deepEqual(await optedIn('ann2'), [false, true]);
  await ok(client.user({ userId: 'bob', phone: '+491701' }));
  assert.deepEqual(await optedIn('bob'), [true, false]);
  const consent = { wording: 'Yes', version: '1', road: 'page', when: new Date(Date.now() + 1000).toISOString() };
  await ok(client.user({ userId: 'ann2', emailOptIn: true, consent }));
  for (const lastName of ['A', 'B']) {
    await ok(client.user({ userId: 'ann2', lastName, email: 'ann@example.org' })); // as clients do: in every call
    assert.deepEqual(await optedIn('ann2'), [true, true]);
  }
});

test('the first answer to an erasure stands only while nobody of that id was there since', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '0'] });
  const client = await server.account();
  for (const id of ['first', 'second']) {
    await ok(client.user({ userId: 'tom' }));
    await ok(client.gdpr('erasure', 'tom', { subject_request_id: id }));
    await untilDone(client, id);
    assert.equal((await client.gdpr('erasure', 'tom', { subject_request_id: id })).status, 201);
  }
  const again = await client.gdpr('erasure', 'tom', { subject_request_id: 'first' });
  assert.deepEqual([again.status, again.json().message], [400, 'subject_request_id already used']);
});

test('members of another type of request are ignored; a repeat with another notice is another call', async (t) => {
  const server = await startServer(t, {});
  const client = await server.account();
  await ok(client.user({ userId: 'dan' }));
  await ok(client.gdpr('restriction', 'dan', { suppress: 5, keep_opt_outs: 'x', notice: 1 }));
  const notice = { told_at: '2026-01-01T00:00:00Z', road: 'letter' };
  await ok(client.gdpr('re-enable', 'dan', { subject_request_id: 'd' }));
  assert.equal((await client.gdpr('re-enable', 'dan', { subject_request_id: 'd' })).status, 201);
  assert.equal((await client.gdpr('re-enable', 'dan', { subject_request_id: 'd', notice })).status, 400);
  const long = { ...notice, road: 'x'.repeat(1001) };
  const refused = await client.gdpr('re-enable', 'dan', { notice: long });
  assert.deepEqual([refused.status, refused.json().message], [400, 'notice.road: must not be longer than 1000 bytes']);
});

test('whoever asks by a write key cannot tell who is suppressed, restricted or waiting', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '7d'] });
  const client = await server.account();
  const ids = ['free', 'restricted', 'waiting', 'suppressed'];
  for (const userId of ids) await ok(client.user({ userId, attributes: { Size: 1 } }));
  await ok(client.gdpr('restriction', 'restricted'));
  await ok(client.gdpr('erasure', 'waiting'));
  await server.restart({ options: ['--cancel-window', '0'] });
  await ok(client.gdpr('erasure', 'suppressed', { suppress: { until: null } }));
  const asks = [
    ['user', { attributes: { Size: 'text' } }],
    ['user', { attributes: { 'ann@example.org': 1 } }],
    ['event', { eventName: '550e8400-e29b-41d4-a716-446655440000' }],
    ['event', { eventName: 'Seen', eventData: { 'ann@example.org': 1 } }],
    ['event', { eventName: 'Seen' }],
  ];
  const key = client.write_key;
  for (const [what, fields] of asks) {
    const answers = [];
    for (const userId of ids) answers.push(await client[what]({ userId, ...fields }, { key }));
    assert.deepEqual(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size, 1, JSON.stringify(fields));
    // Nor by the commit that each of them waits for.
    const commits = async () => Number(/^habeas_commit_groups_total (\d+)/m.exec((await client.call('GET', '/metrics', undefined, { key: null })).text)[1]);
    if (answers[0].status !== 201) continue;
    for (const userId of ids) {
      const before = await commits();
      await ok(client[what]({ userId, ...fields }, { key }));
      assert.ok((await commits()) > before, `${userId} was answered without a commit`);
    }
  }
});
