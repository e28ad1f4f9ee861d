// The cancel window: what waits in it, and cancelling at its very end.
import assert from 'node:assert/strict';
import test from 'node:test';

import { seeded } from './lib/random.mjs';
import { startServer, until } from './lib/server.mjs';
import { daysAhead } from './proof/clock.mjs';

const LEGAL = { headers: { 'habeas-reason': 'legal_claim' } };

async function ok(promise, what = 'the call') {
  const answer = await promise;
  assert.ok(answer.status === 200 || answer.status === 201, `${what}: ${answer.status} ${answer.text}`);
  return answer;
}

function assertFlat(answer, status, body) {
  assert.equal(answer.status, status, answer.text);
  assert.deepEqual(answer.json(), body);
}

const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

async function ready(server, client) {
  const check = async () => (await client.call('GET', '/readyz', undefined, { key: null })).status === 200;
  await until(check, { what: 'readiness', pauseMs: 2 });
}

/** `eventData.number` of all events, oldest first. */
async function numbers(client, id, options) {
  const { status, events, last } = await client.events(id, options);
  assert.equal(status, 200, last.text);
  return events.map(({ eventData }) => eventData.number).reverse();
}

const upTo = (count) => Array.from({ length: count }, (_, i) => i);

// ---- answers ----

test('a cancel answers once with 200, then says what has become of the request', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '7d'] });
  const client = await server.account();
  for (const [id, identity_type] of [
    ['ann', 'cuid'],
    ['guest', 'anonymous'],
  ]) {
    const anonymous = identity_type === 'anonymous';
    await ok(client.event({ [anonymous ? 'anonymousId' : 'userId']: id, eventName: 'Seen' }));
    await ok(client.gdpr('erasure', id, { subject_request_id: id, identity_type }));
    const cancelled = { subject_request_id: id, subject_request_type: 'erasure', message: 'request cancelled' };
    assertFlat(await client.cancel(id), 200, cancelled);
    const refused = { subject_request_id: id, message: 'request already cancelled' };
    for (let i = 0; i < 2; i++) assertFlat(await client.cancel(id), 400, refused);
    assertFlat(await client.status(id), 200, {
      subject_request_id: id,
      subject_request_type: 'erasure',
      status: 'CANCELLED',
    });
    await server.restart();
    assertFlat(await client.cancel(id), 400, refused);
    assert.equal((await client.read(id, { anonymous })).status, 200);
  }
  const parallel = await (async () => {
    await ok(client.gdpr('erasure', 'ann', { subject_request_id: 'once' }));
    return Promise.all(upTo(20).map(() => client.cancel('once')));
  })();
  assert.equal(parallel.filter(({ status }) => status === 200).length, 1);
  for (const answer of parallel.filter(({ status }) => status !== 200))
    assertFlat(answer, 400, { subject_request_id: 'once', message: 'request already cancelled' });
});

// ---- what is parked ----

test('what arrives while an erasure waits is not there before the cancel, and there once with its own times after it', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '7d'] });
  const client = await server.account();
  await ok(client.user({ userId: 'ann', firstName: 'Ann', attributes: { Size: 1, Kept: 'yes' } }));
  await ok(
    client.event({ userId: 'ann', eventName: 'Seen', eventTime: '2026-11-01T10:00:00Z', eventData: { number: 0 } }),
  );
  await ok(client.gdpr('erasure', 'ann', { subject_request_id: 'r' }));
  const before = Date.now();
  await ok(
    client.event({ userId: 'ann', eventName: 'Seen', eventTime: '2026-11-02T11:30:00+0100', eventData: { number: 1 } }),
  );
  await ok(client.event({ userId: 'ann', eventName: 'Never before', eventData: { number: 2, price: '39.80' } }));
  await ok(client.user({ userId: 'ann', lastName: 'Mayer', attributes: { Size: 2, New: true } }));
  await ok(client.bulkEvents([3, 4].map((number) => ({ userId: 'ann', eventName: 'Seen', eventData: { number } }))));
  await ok(client.bulkUsers([{ userId: 'ann', attributes: { Size: 3 } }]));
  const after = Date.now();
  assert.deepEqual(await numbers(client, 'ann', LEGAL), [0]);
  const held = (await ok(client.read('ann', LEGAL))).json();
  assert.deepEqual([held.attributes, held.lastName], [{ Size: 1, Kept: 'yes' }, undefined]);
  const carried = (await ok(client.gdpr('portability', 'ann'))).json().user;
  assert.deepEqual([carried.attributes, carried.events.length], [{ Size: 1, Kept: 'yes' }, 1]);
  await pause(30);

  await ok(client.cancel('r'));
  const { events } = await client.events('ann');
  events.reverse();
  assert.deepEqual(
    events.map(({ eventData }) => eventData.number),
    [0, 1, 2, 3, 4],
  );
  assert.deepEqual(events[2].eventData, { number: 2, price: '39.80' });
  assert.equal(events[1].eventTime, '2026-11-02T10:30:00.000Z');
  for (const event of events.slice(1)) {
    const received = Date.parse(event.receivedAt);
    assert.ok(before <= received && received <= after, event.receivedAt);
    if (event !== events[1]) assert.equal(event.eventTime, event.receivedAt);
  }
  assert.match(events[1].source.route, /\/events$/);
  assert.match(events[3].source.route, /\/bulk-events$/);
  const person = (await ok(client.read('ann'))).json();
  assert.deepEqual(person.attributes, { Size: 3, Kept: 'yes', New: true });
  assert.deepEqual([person.firstName, person.lastName], ['Ann', 'Mayer']);
  const size = person.sources.find(({ attribute }) => attribute === 'Size');
  assert.ok(before <= Date.parse(size.at) && Date.parse(size.at) <= after, size.at);
  assert.match(size.route, /\/bulk-users$/);
  await server.restart();
  assert.deepEqual(await numbers(client, 'ann'), [0, 1, 2, 3, 4]);
});

test('a thousand events of one bulk call, parked together, all come back, and only once', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '7d'] });
  const client = await server.account();
  await ok(client.event({ userId: 'ann', eventName: 'Seen', eventData: { number: 0 } }));
  await ok(client.gdpr('erasure', 'ann', { subject_request_id: 'r' }));
  const more = upTo(1000).map((i) => ({ userId: 'ann', eventName: 'Seen', eventData: { number: i + 1 } }));
  await ok(client.bulkEvents(more));
  await ok(client.cancel('r'));
  assert.deepEqual(await numbers(client, 'ann'), upTo(1001));
  await server.restart();
  assert.deepEqual(await numbers(client, 'ann'), upTo(1001));
});

test('what is said after the cancel is newer than what was parked, however long that takes to come back', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '7d'] });
  const client = await server.account();
  await ok(client.user({ userId: 'ann', firstName: 'Ann', attributes: { Size: 0, Kept: 0 } }));
  await ok(client.gdpr('erasure', 'ann', { subject_request_id: 'r' }));
  await ok(client.bulkEvents(upTo(1000).map((number) => ({ userId: 'ann', eventName: 'Seen', eventData: { number } }))));
  await ok(client.user({ userId: 'ann', firstName: 'Parked', attributes: { Size: 1, Kept: 1 } }));
  const cancelled = client.cancel('r');
  await until(async () => (await client.status('r')).json().status === 'CANCELLED', { what: 'the cancel', pauseMs: 1 });
  await ok(client.user({ userId: 'ann', firstName: 'Corrected', attributes: { Size: 2 } }));
  await ok(cancelled);
  const { firstName, attributes } = (await ok(client.read('ann'))).json();
  assert.deepEqual([firstName, attributes], ['Corrected', { Size: 2, Kept: 1 }]);
});

test('a message id of a parked event does not make it come twice, or not at all', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '7d'] });
  const client = await server.account();
  await ok(client.event({ userId: 'ann', eventName: 'Seen', eventData: { number: 0 }, messageId: 'm0' }));
  await ok(client.gdpr('erasure', 'ann', { subject_request_id: 'r' }));
  const event = (number) => ({ userId: 'ann', eventName: 'Seen', eventData: { number }, messageId: `m${number}` });
  await ok(client.event(event(1)));
  await ok(client.bulkEvents(upTo(400).map((i) => event(i + 2))));
  const cancelled = client.cancel('r').catch(() => null);
  await until(async () => (await client.status('r')).json().status === 'CANCELLED', { what: 'the cancel', pauseMs: 1 });
  await pause(20);
  await server.kill();
  await cancelled;
  await server.start();
  await ready(server, client);
  assert.deepEqual(await numbers(client, 'ann'), upTo(402));
});

test('events of the same moment on both sides of the request are told apart', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '7d'] });
  const client = await server.account();
  await ok(client.user({ userId: 'ann' }));
  for (let round = 0; round < 20; round++) {
    const id = `r${round}`;
    const event = (number) =>
      client.event({ userId: 'ann', eventName: 'Seen', eventData: { number: 10 * round + number } });
    const asked = [event(0), event(1), client.gdpr('erasure', 'ann', { subject_request_id: id }), event(2), event(3)];
    for (const answer of await Promise.all(asked)) await ok(answer);
    await ok(client.cancel(id));
    const all = (await numbers(client, 'ann')).sort((a, b) => a - b);
    assert.deepEqual(
      all,
      upTo(round + 1).flatMap((r) => upTo(4).map((n) => 10 * r + n)),
    );
  }
});

test('what is parked goes with the person', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '1d'] });
  const client = await server.account();
  await ok(client.event({ userId: 'ann', eventName: 'Seen', eventData: { number: 0 } }));
  await ok(client.gdpr('erasure', 'ann', { subject_request_id: 'r' }));
  await ok(client.event({ userId: 'ann', eventName: 'Seen', eventData: { number: 1 } }));
  await ok(client.user({ userId: 'ann', attributes: { Size: 1 } }));
  await server.restart({ env: daysAhead(server, 2) });
  await until(async () => (await client.status('r')).json().status === 'DONE', { what: 'DONE' });
  assert.equal((await client.read('ann')).status, 404);
  await ok(client.event({ userId: 'ann', eventName: 'Seen', eventData: { number: 2 } }));
  await server.restart();
  assert.deepEqual(await numbers(client, 'ann'), [2]);
  assert.deepEqual((await ok(client.read('ann'))).json().attributes, {});
});

test('while an erasure waits an opt-out holds at once and stays after the cancel; an opt-in does not come before', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '7d'] });
  const client = await server.account();
  const consent = { wording: 'Yes', version: '1', when: '2026-11-20T10:00:00Z', road: 'form' };
  await ok(client.user({ userId: 'ann', smsOptIn: false, attributes: { Size: 1 } }));
  await ok(client.gdpr('erasure', 'ann', { subject_request_id: 'r' }));
  await ok(client.user({ userId: 'ann', emailOptIn: true })); // parked, and overtaken by the next
  await pause(5);
  await ok(client.user({ userId: 'ann', emailOptIn: false, attributes: { Size: 2 } }));
  await ok(client.user({ userId: 'ann', rcsOptIn: false, consent }));
  await ok(client.user({ userId: 'ann', smsOptIn: true }));
  const preferences = async (options) => (await ok(client.read('ann', options))).json().preferences;
  const waiting = await preferences(LEGAL);
  assert.deepEqual([waiting.email.optedIn, waiting.rcs.optedIn, waiting.sms.optedIn], [false, false, false]);
  await ok(client.cancel('r'));
  const after = await preferences();
  assert.deepEqual([after.email.optedIn, after.rcs.optedIn], [false, false]);
  assert.deepEqual([after.email.since, after.rcs.since], [waiting.email.since, waiting.rcs.since]);
  const { rights, preferenceHistory } = (await ok(client.gdpr('portability', 'ann'))).json().user;
  const objections = rights.filter(({ kind }) => kind === 'objection');
  for (const channel of ['email', 'rcs']) {
    const [right, ...others] = objections.filter(({ scope }) => scope.channel === channel);
    assert.equal(others.length, 0);
    assert.equal(right.since, waiting[channel].since, 'the objection was lifted and put again');
    const said = preferenceHistory.filter((entry) => entry.channel === channel && !entry.optedIn);
    assert.equal(said.length, 1, `said once, kept ${said.length} times`);
  }
  assert.equal((await ok(client.read('ann'))).json().attributes.Size, 2);
});

test('a restriction put while the erasure waited outlives the cancel', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '7d'] });
  const client = await server.account();
  await ok(client.event({ userId: 'ann', eventName: 'Seen', eventData: { number: 0 } }));
  await ok(client.gdpr('erasure', 'ann', { subject_request_id: 'r' }));
  await ok(client.gdpr('restriction', 'ann'));
  await ok(client.event({ userId: 'ann', eventName: 'Seen', eventData: { number: 1 } }));
  await ok(client.cancel('r'));
  assert.equal((await client.read('ann')).status, 403);
  await ok(client.event({ userId: 'ann', eventName: 'Seen', eventData: { number: 2 } }));
  await ok(client.gdpr('re-enable', 'ann'));
  assert.deepEqual(await numbers(client, 'ann'), [0]); // all came under the restriction
});

test('a kill between the cancel and its answer loses nothing that was parked and brings nothing twice', async (t) => {
  const random = seeded(t);
  const server = await startServer(t, { options: ['--cancel-window', '7d'] });
  const client = await server.account();
  const count = 2000;
  let struck = 0;
  for (let round = 0; round < 6; round++) {
    const id = `ann ${round}`;
    const event = (number) => ({ userId: id, eventName: 'Seen', eventTime: timeOf(number), eventData: { number } });
    await ok(client.event(event(0)));
    await ok(client.gdpr('erasure', id, { subject_request_id: id }));
    await ok(client.bulkEvents(upTo(count / 2).map((i) => event(i + 1))));
    await ok(client.bulkEvents(upTo(count / 2).map((i) => event(i + 1 + count / 2))));
    await ok(client.user({ userId: id, attributes: { Size: round } }));
    const cancelled = client.cancel(id).then(
      ({ status }) => status,
      () => null,
    );
    await pause(random.between(0, 15));
    await server.kill();
    if ((await cancelled) !== 200) struck++;
    await server.start();
    await ready(server, client);
    if ((await client.status(id)).json().status === 'PENDING') await ok(client.cancel(id));
    const all = await until(
      async () => {
        const { events } = await client.events(id);
        return events.length > count && events;
      },
      { what: 'the return of what was parked' },
    );
    assert.deepEqual(
      all.map(({ eventData }) => eventData.number).sort((a, b) => a - b),
      upTo(count + 1),
    );
    for (const { eventTime, eventData } of all) assert.equal(eventTime, timeOf(eventData.number));
    await until(async () => (await ok(client.read(id))).json().attributes.Size === round, { what: 'the value' });
  }
  for (let round = 0; round < 6; round++)
    assert.equal((await client.events(`ann ${round}`)).events.length, count + 1, 'something came again later');
  t.diagnostic(`${struck} of 6 cancels had no answer when the server was killed`);
  assert.ok(struck > 0, 'every cancel was answered before the kill');
});

const timeOf = (number) => new Date(Date.UTC(2026, 10, 1) + number * 1000).toISOString();

// ---- the end of the window ----

test('200 tries at the end of the window: 200 means whole for ever, 400 means erased', async (t) => {
  const random = seeded(t);
  // Long enough for what comes before the cancel, also where nothing is fast.
  const server = await startServer(t, { options: ['--cancel-window', '3s'] });
  const client = await server.account();
  // The middle between too early and too late is found on the way: it depends on how busy the machine is.
  let middle = 0;
  const people = [];
  const attempt = async (number) => {
    const id = `person ${number}`;
    const person = { id, attributes: { Number: number, Text: `value of ${number}` } };
    await ok(client.user({ userId: id, attributes: person.attributes }));
    await ok(client.event({ userId: id, eventName: 'Seen', eventData: { number: 0 } }));
    const asked = (
      await ok(
        client.call('POST', '/api/requests', {
          subject_request_id: id,
          subject_request_type: 'erasure',
          subject_identities: [{ identity_value: id }],
        }),
      )
    ).json();
    const { dueAt } = (await ok(client.call('GET', `/api/requests/${encodeURIComponent(id)}`))).json();
    assert.equal(asked.status, 'PENDING');
    await ok(client.event({ userId: id, eventName: 'Seen', eventData: { number: 1 } }));
    await pause(Math.max(0, Date.parse(dueAt) - Date.now() + middle + random.between(-30, 30)));
    const answer = await client.cancel(id);
    person.cancelled = answer.status === 200;
    if (person.cancelled) middle = Math.min(middle + 0.5, 100);
    else middle = Math.max(middle - 0.5, -100);
    if (!person.cancelled) {
      assertFlat(answer, 400, { subject_request_id: id, message: 'request already completed' });
      assert.ok(Date.now() >= Date.parse(dueAt), 'erased before the end of the window');
    }
    const read = await client.read(id);
    assert.equal(read.status, person.cancelled ? 200 : 404, `${id}: ${answer.text} ${read.text}`);
    if (person.cancelled) assert.deepEqual(await numbers(client, id), [0, 1]);
    people.push(person);
  };
  const count = (kind) => people.filter(({ cancelled }) => cancelled === kind).length;
  for (let round = 0; round < 3 && Math.min(count(true), count(false)) < 20; round++) {
    const begun = [];
    for (let i = 0; i < 200; i++) {
      begun.push(attempt(200 * round + i));
      await pause(15);
    }
    await Promise.all(begun);
  }
  const outcomes = [count(true), count(false)];
  t.diagnostic(`${outcomes[0]} cancelled, ${outcomes[1]} erased, middle at ${middle} ms`);
  await pause(1100);
  const check = async () => {
    for (const person of people) {
      const { id } = person;
      const read = await client.read(id);
      const { status } = (await client.status(id)).json();
      if (!person.cancelled) {
        assert.equal(read.status, 404);
        assert.ok(['PROCESSING', 'DONE'].includes(status), status);
        continue;
      }
      assert.equal(status, 'CANCELLED');
      assert.deepEqual(read.json().attributes, person.attributes);
      assert.deepEqual(read.json().rights, []);
      assert.deepEqual(await numbers(client, id), [0, 1]);
    }
  };
  await check();
  await server.kill();
  await server.start();
  await ready(server, client);
  await check();
  assert.ok(Math.min(...outcomes) >= 20, `too seldom one of the outcomes: ${outcomes}`);
});

// ---- what is taken in again, whatever else is asked for meanwhile ----

const PARKED = 3000;

/** ann with one event, an erasure that waits, and PARKED events behind it. */
async function withMuchParked(t) {
  const server = await startServer(t, { options: ['--cancel-window', '7d'] });
  const client = await server.account();
  const event = (number) => ({ userId: 'ann', eventName: 'Seen', eventData: { number } });
  assert.equal((await client.event(event(-1))).status, 201);
  assert.equal((await client.gdpr('erasure', 'ann', { subject_request_id: 'off' })).status, 201);
  for (let at = 0; at < PARKED; at += 1000)
    assert.equal((await client.bulkEvents(Array.from({ length: 1000 }, (_, i) => event(at + i)))).status, 201);
  return client;
}

async function assertWhole(client) {
  const { events } = await client.events('ann', { headers: { 'habeas-reason': 'legal_claim' } });
  const numbers = events.map(({ eventData }) => eventData.number).sort((a, b) => a - b);
  assert.deepEqual(numbers, Array.from({ length: PARKED + 1 }, (_, i) => i - 1));
}

test('a restriction in the middle of taking in loses nothing', async (t) => {
  for (const pauseMs of [0, 5, 20]) {
    const client = await withMuchParked(t);
    const cancelled = client.cancel('off');
    await pause(pauseMs);
    assert.equal((await client.gdpr('restriction', 'ann')).status, 201);
    assert.equal((await cancelled).status, 200);
    await assertWhole(client);
    assert.equal((await client.gdpr('re-enable', 'ann')).status, 201);
    await assertWhole(client);
  }
});

test('an erasure that is asked for again in the middle of taking in doubles nothing', async (t) => {
  for (const pauseMs of [0, 5, 20]) {
    const client = await withMuchParked(t);
    const cancelled = client.cancel('off');
    await pause(pauseMs);
    assert.equal((await client.gdpr('erasure', 'ann', { subject_request_id: 'again' })).status, 201);
    assert.equal((await cancelled).status, 200);
    assert.equal((await client.cancel('again')).status, 200);
    await assertWhole(client);
  }
});

test('what came before a restriction comes back, what came during it does not', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '7d'] });
  const client = await server.account();
  const send = async (lastName) => {
    assert.equal((await client.user({ userId: 'ann', lastName, attributes: { [lastName]: 1 } })).status, 201);
    assert.equal((await client.event({ userId: 'ann', eventName: lastName })).status, 201);
  };
  await send('free');
  assert.equal((await client.gdpr('erasure', 'ann', { subject_request_id: 'off' })).status, 201);
  await send('waiting');
  await pause(2);
  assert.equal((await client.gdpr('restriction', 'ann')).status, 201);
  await pause(2);
  await send('restricted');
  assert.equal((await client.cancel('off')).status, 200);
  assert.equal((await client.gdpr('re-enable', 'ann')).status, 201);
  const { lastName, attributes } = (await client.read('ann')).json();
  assert.deepEqual([lastName, attributes], ['waiting', { free: 1, waiting: 1 }]);
  assert.deepEqual((await client.events('ann')).events.map(({ eventName }) => eventName), ['waiting', 'free']);
});
