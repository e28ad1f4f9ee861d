// A messageId that was here within 24 hours is not recorded again: in one batch, in two calls, at once, after whatever end
// of the program, and after the erasure of whoever it was about.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';

import { query } from './lib/search.mjs';
import { Server, startServer, until } from './lib/server.mjs';
import { daysAhead } from './proof/clock.mjs';
import { profilesOf, volumesOf } from './proof/traces.mjs';

const QUEUED = '{"response":{"status":"queued"}}';
const HOUR = 1 / 24; // of daysAhead

let people = 0;
const somebody = () => `person ${++people}`;
const event = (userId, number, messageId) => ({ userId, eventName: 'Seen', eventData: { number }, ...(messageId && { messageId }) });

async function accepted(promise) {
  const { status, text } = await promise;
  assert.equal(`${status} ${text}`, `201 ${QUEUED}`);
}

async function ok(promise) {
  const answer = await promise;
  assert.ok(answer.status === 200 || answer.status === 201, `${answer.status} ${answer.text}`);
  return answer;
}

const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

/** `eventData.number` of all events, oldest first; none of somebody who is not there. */
async function seen(client, id, options) {
  const { status, events, last } = await client.events(id, options);
  assert.ok(status === 200 || status === 404, last.text);
  return events.map(({ eventData }) => eventData.number).reverse();
}

async function figure(client, name) {
  const { text } = await client.call('GET', '/metrics', undefined, { key: null });
  return Number(new RegExp(`^habeas_${name} (\\d+)$`, 'm').exec(text)[1]);
}

async function erased(client, id, requestId = randomUUID()) {
  await ok(client.gdpr('erasure', id, { subject_request_id: requestId }));
  await until(async () => (await client.status(requestId)).json().status === 'DONE', { what: 'DONE' });
}

/** Ends and starts the program in each way. */
const ENDS = {
  'a stop': (server) => server.restart(),
  'a kill': async (server) => {
    await server.kill();
    await server.start();
  },
};

describe('a repeat is answered like any other and not recorded', () => {
  let server, client, other;

  before(async () => {
    server = new Server({ options: ['--cancel-window', '0'] });
    await server.start();
    client = await server.account('shop1');
    other = await server.account('shop2');
  });
  after(() => server.clear());

  /** Each way to send two events. */
  const WAYS = {
    'in one batch': async (one, two) => accepted(client.bulkEvents([one, two])),
    'in two calls': async (one, two) => {
      await accepted(client.event(one));
      await accepted(client.event(two));
    },
    'in two batches': async (one, two) => {
      await accepted(client.bulkEvents([one, event(somebody(), 0)]));
      await accepted(client.bulkEvents([event(somebody(), 0), two]));
    },
    'single, then in a batch': async (one, two) => {
      await accepted(client.event(one));
      await accepted(client.bulkEvents([two]));
    },
  };
  for (const [name, send] of Object.entries(WAYS))
    test(name, async () => {
      for (const isNew of [true, false]) {
        const [userId, id] = [somebody(), randomUUID()];
        if (!isNew) await client.user({ userId });
        await send(event(userId, 1, id), event(userId, 2, id));
        assert.deepEqual(await seen(client, userId), [1], 'the first counts');
        await send(event(userId, 3, id), event(userId, 4, randomUUID()));
        await send(event(userId, 5), event(userId, 5));
        assert.deepEqual(await seen(client, userId), [1, 4, 5, 5], 'other ids and none are others');
      }
    });

  test('24 calls at once', async () => {
    for (const isNew of [true, false])
      for (const bulk of [true, false]) {
        const [userId, id] = [somebody(), randomUUID()];
        if (!isNew) await client.user({ userId });
        const send = (number) => (bulk ? client.bulkEvents([event(userId, number, id), event(userId, number, id)]) : client.event(event(userId, number, id)));
        await Promise.all(Array.from({ length: 24 }, (_, number) => accepted(send(number))));
        assert.equal((await seen(client, userId)).length, 1);
      }
  });

  test('an id belongs to its account, not to a person, a name or a route', async () => {
    const [userId, id] = [somebody(), randomUUID()];
    for (const through of [client, other]) await accepted(through.event(event(userId, 1, id)));
    for (const through of [client, other]) assert.deepEqual(await seen(through, userId), [1]);
    await accepted(client.event({ ...event(userId, 2, id), eventName: 'Other', eventTime: '2026-11-01T10:00:00Z' }));
    const guest = somebody();
    await accepted(client.event({ anonymousId: guest, eventName: 'Seen', messageId: id }));
    assert.equal((await client.read(guest, { anonymous: true })).status, 404, 'nobody is made of a repeat');
    assert.deepEqual(await seen(client, userId), [1]);
  });

  test('ids are compared byte for byte and whole', async () => {
    const userId = somebody();
    const ids = ['a', 'A', 'a ', ' a', 'ä', 'a\u0308', '\u0000', '0', '00', 'x'.repeat(99), 'x'.repeat(100)];
    for (const [number, id] of ids.entries())
      for (let i = 0; i < 2; i++) await accepted(client.event(event(userId, number, `${id}`)));
    assert.deepEqual(await seen(client, userId), ids.map((_, i) => i));
  });

  test('what was refused or not recorded is not taken for received', async () => {
    const [userId, id] = [somebody(), randomUUID()];
    assert.equal((await client.event({ userId, messageId: id, eventName: '+49 170 1234567' })).status, 400);
    await accepted(client.event(event(userId, 1, id)));
    assert.deepEqual(await seen(client, userId), [1]);
  });

  test('repeats are counted, and how far back ids are known', async () => {
    const names = ['events_accepted_total', 'events_repeated_total', 'message_ids'];
    const figures = () => Promise.all(names.map((name) => figure(client, name)));
    const one = await figures();
    const [userId, id] = [somebody(), randomUUID()];
    await accepted(client.bulkEvents([1, 2, 3].map((number) => event(userId, number, id))));
    await accepted(client.event(event(userId, 4)));
    const two = await figures();
    assert.deepEqual(two.map((value, i) => value - one[i]), [4, 2, 1]);
    const reach = await figure(client, 'message_ids_reach_seconds');
    assert.ok(reach >= 0 && reach < 300, `${reach}`);
  });

  for (const [name, again] of Object.entries(ENDS))
    test(`after ${name} of the program`, async () => {
      const [userId, id] = [somebody(), randomUUID()];
      await accepted(client.event(event(userId, 1, id)));
      const count = await figure(client, 'message_ids');
      await again(server);
      assert.equal(await figure(client, 'message_ids'), count);
      await accepted(client.event(event(userId, 2, id)));
      assert.deepEqual(await seen(client, userId), [1]);
    });
});

test('an event of somebody erased does not come back by a retry, nor does the person', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '0'] });
  const client = await server.account();
  for (const [name, again] of Object.entries({ nothing: () => {}, ...ENDS })) {
    const [userId, neighbour] = [somebody(), somebody()];
    const ids = Array.from({ length: 30 }, () => randomUUID());
    const all = ids.map((id, number) => event(userId, number, id));
    await accepted(client.bulkEvents([...all, event(neighbour, 1, `${userId} n`)]));
    await erased(client, userId);
    await again(server);
    for (const one of all.slice(0, 10)) await accepted(client.event(one));
    await accepted(client.bulkEvents(all));
    assert.equal((await client.read(userId)).status, 404, `after ${name}`);
    await accepted(client.bulkEvents([all[3], event(userId, 99, randomUUID()), all[4]]));
    await accepted(client.bulkEvents(all));
    assert.deepEqual(await seen(client, userId), [99], 'who comes back is new');
    await accepted(client.event(event(neighbour, 2, `${userId} n`)));
    assert.deepEqual(await seen(client, neighbour), [1]);
    await erased(client, userId);
    await again(server);
    await accepted(client.event(all[5]));
    assert.equal((await client.read(userId)).status, 404, 'erased twice');
  }
});

test('what stays of an erased event is a bare hash, for 24 hours', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '0'] });
  const client = await server.account();
  const [userId, id] = [somebody(), randomUUID()];
  const bare = () => query(profilesOf(server), 'SELECT * FROM message');
  await accepted(client.event(event(userId, 1, id)));
  await accepted(client.event(event(userId, 2)));
  assert.deepEqual(await bare(), []);
  const rows = [];
  for (const volume of await volumesOf(server)) rows.push(...(await query(volume, 'SELECT message FROM event WHERE message <> 0')));
  assert.equal(rows.length, 1);
  await erased(client, userId);
  const [one, ...others] = await bare();
  assert.deepEqual([Object.keys(one).sort(), others], [['message', 'until'], []]);
  assert.equal(one.message, rows[0].message);
  assert.equal(Number(one.until) % 60_000, 0);
  assert.ok(Math.abs(Number(one.until) - Date.now() - 86_400_000) < 120_000);

  await server.restart({ env: daysAhead(server, 23 * HOUR) });
  assert.equal((await bare()).length, 1);
  await accepted(client.event(event(userId, 1, id)));
  assert.equal((await client.read(userId)).status, 404);
  await server.restart({ env: daysAhead(server, 25 * HOUR) });
  await until(async () => (await bare()).length === 0, { what: 'the end of its time' });
  assert.equal(await figure(client, 'message_ids'), 0);
  await accepted(client.event(event(userId, 1, id)));
  assert.deepEqual(await seen(client, userId), [1]);
});

test('an id lives 24 hours, also in a volume that is closed meanwhile', async (t) => {
  const server = await startServer(t);
  const client = await server.account();
  const [userId, erasedId] = [somebody(), somebody()];
  const ids = Array.from({ length: 5 }, () => randomUUID());
  const all = ids.map((id, number) => event(userId, number, id));
  await accepted(client.bulkEvents([...all, event(erasedId, 1, 'theirs')]));
  const day = 86_400_000;
  const midnight = Math.ceil((day - (Date.now() % day)) / 1000) * 1000; // less than 24 hours from now
  await server.restart({ env: daysAhead(server, midnight / day), options: ['--cancel-window', '0'] });
  await accepted(client.bulkEvents(all)); // while it is closed, perhaps
  await until(async () => (await figure(client, 'events_closed')) === 6, { what: 'the closed volume' });
  await accepted(client.bulkEvents(all));
  await erased(client, erasedId);
  await server.restart();
  await accepted(client.bulkEvents([...all, event(erasedId, 1, 'theirs')]));
  assert.deepEqual(await seen(client, userId), [0, 1, 2, 3, 4]);
  assert.equal((await client.read(erasedId)).status, 404);
  assert.equal(await figure(client, 'message_ids'), 6);
  await server.restart({ env: daysAhead(server, 25 * HOUR) });
  await accepted(client.bulkEvents([all[0], all[0], all[1]]));
  assert.deepEqual(await seen(client, userId), [0, 1, 2, 3, 4, 0, 1]);
});

describe('while an erasure waits', () => {
  for (const [name, again] of Object.entries({ nothing: () => {}, ...ENDS }))
    test(`what is parked and repeated comes back once; ${name} in between`, async (t) => {
      const server = await startServer(t, { options: ['--cancel-window', '7d'] });
      const client = await server.account();
      const userId = somebody();
      const early = event(userId, 0, 'early');
      const waiting = [1, 2, 3].map((number) => event(userId, number, `waiting ${number}`));
      await accepted(client.event(early));
      await ok(client.gdpr('erasure', userId, { subject_request_id: 'r' }));
      await accepted(client.bulkEvents([early, ...waiting, waiting[0], event(userId, 4), event(userId, 4)]));
      await again(server);
      for (const one of [early, ...waiting]) await accepted(client.event(one));
      await Promise.all(waiting.map((one) => accepted(client.bulkEvents([one, one]))));
      const [{ parked }] = await query(profilesOf(server), 'SELECT count(*) AS parked FROM parked');
      assert.equal(Number(parked), 5, 'a retry was parked again');
      await ok(client.cancel('r'));
      for (const one of [early, ...waiting]) await accepted(client.event(one));
      const expected = [0, 1, 2, 3, 4, 4];
      await until(async () => (await seen(client, userId)).length >= expected.length, { what: 'the return' });
      await again(server);
      await accepted(client.bulkEvents([early, ...waiting]));
      assert.deepEqual(await seen(client, userId), expected);
    });

  test('what was parked goes with the person, and no retry brings it back', async (t) => {
    const server = await startServer(t, { options: ['--cancel-window', '1s'] });
    const client = await server.account();
    const userId = somebody();
    await accepted(client.event(event(userId, 0, 'early')));
    await ok(client.gdpr('erasure', userId, { subject_request_id: 'r' }));
    await accepted(client.event(event(userId, 1, 'waiting')));
    await until(async () => (await client.status('r')).json().status === 'DONE', { what: 'DONE' });
    for (const again of [() => {}, ...Object.values(ENDS)]) {
      await again(server);
      await accepted(client.bulkEvents([event(userId, 0, 'early'), event(userId, 1, 'waiting')]));
      assert.equal((await client.read(userId)).status, 404);
    }
  });
});

test('a power cut neither loses an id with its event nor keeps one without', async (t) => {
  const server = await startServer(t, { shim: true, options: ['--cancel-window', '0'] });
  const client = await server.account();
  for (let round = 0; round < 5; round++) {
    const userId = somebody();
    const sent = Array.from({ length: 200 }, (_, number) => event(userId, number, `${userId} ${number}`));
    const answers = sent.map((one) => client.event(one).then(({ status }) => status === 201, () => false));
    await Promise.race(answers);
    await server.cut();
    const answered = await Promise.all(answers);
    await server.start();
    const held = await seen(client, userId);
    assert.equal(new Set(held).size, held.length, 'an event stands twice');
    for (const [number, was] of answered.entries()) if (was) assert.ok(held.includes(number), `${number} is lost`);
    for (let tries = 0; tries < 2; tries++) await accepted(client.bulkEvents(sent));
    assert.deepEqual((await seen(client, userId)).sort((a, b) => a - b), sent.map((_, i) => i));
  }
});

test('a directory of the program before this one is taken over; what it parked twice comes back once', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '7d'] });
  const client = await server.account();
  const userId = somebody();
  await accepted(client.event(event(userId, 0, 'early')));
  await ok(client.gdpr('erasure', userId, { subject_request_id: 'r' }));
  const asBefore = async () => {
    await server.stop();
    execFileSync('sqlite3', [profilesOf(server), 'DROP TABLE message; PRAGMA user_version = 1;']);
    await server.start();
  };
  for (let i = 0; i < 2; i++) {
    await accepted(client.event(event(userId, 1, 'waiting')));
    await asBefore();
  }
  await accepted(client.event(event(userId, 0, 'early'))); // its row tells
  await ok(client.cancel('r'));
  await until(async () => (await seen(client, userId)).length > 1, { what: 'the return' });
  await server.restart();
  assert.deepEqual(await seen(client, userId), [0, 1]);
});

test('an event that goes with its person while it waits for the writer is known all the same', async (t) => {
  const server = await startServer(t, { shim: true, options: ['--cancel-window', '0'] });
  const client = await server.account();
  for (let round = 0; round < 3; round++) {
    const [userId, filler] = [somebody(), somebody()];
    await accepted(client.event(event(userId, 0)));
    await accepted(client.event(event(filler, 0)));
    await server.shim('slow 150');
    const calls = [accepted(client.event(event(filler, 1)))];
    await pause(30); // the writer is at that one
    calls.push(accepted(client.event(event(userId, 1, `waits ${round}`))));
    await pause(30); // the event is made for the person as of now
    calls.push(ok(client.gdpr('erasure', userId, { subject_request_id: userId })));
    await Promise.all(calls);
    await server.shim('off');
    await until(async () => (await client.status(userId)).json().status === 'DONE', { what: 'DONE' });
    assert.equal((await client.read(userId)).status, 404);
    if (round > 1) await server.restart({ shim: false });
    await accepted(client.event(event(userId, 1, `waits ${round}`)));
    assert.equal((await client.read(userId)).status, 404, 'a retry brought it back');
  }
});

test('whichever file call fails, an event that is sent until it is accepted stands once', async (t) => {
  const server = await startServer(t, { shim: true, options: ['--cancel-window', '7d'] });
  const client = await server.account();
  const known = (id) => ok(client.user({ userId: id }));
  const parked = async (id) => {
    await known(id);
    await ok(client.gdpr('erasure', id, { subject_request_id: id }));
  };
  for (const [name, prepare] of Object.entries({ known, unknown: () => {}, parked })) {
    let n = 1, refused = 0;
    for (; n < 100; n++) {
      const id = somebody();
      const sent = [event(id, 1, `${id} 1`), event(id, 2, `${id} 2`)];
      await prepare(id);
      await server.shim(`fail ${n}`);
      const { status } = await client.bulkEvents(sent);
      const { struck } = await server.shim('state');
      await server.shim('off');
      assert.ok([201, 503].includes(status), `${name}, call ${n}: ${status}`);
      refused += status === 503;
      for (let i = 0; i < 2; i++) await accepted(client.bulkEvents(sent));
      if (prepare === parked) await ok(client.cancel(id));
      await until(async () => (await seen(client, id)).length >= 2, { what: 'both events' });
      assert.deepEqual(await seen(client, id), [1, 2], `${name}, call ${n}`);
      if (struck === null) break;
    }
    t.diagnostic(`${name}: ${n - 1} calls, ${refused} refused`);
    assert.ok(n > 3 && n < 100 && refused > 0);
  }
});
