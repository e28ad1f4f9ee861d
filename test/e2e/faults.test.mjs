// Each file call of a rights path fails once in turn (semantics 10): what was answered as done holds, what was refused
// changed nothing or is in force, no erasure is DONE with anything left, and the server goes on without a hand.
// And a full disk: nothing new is taken, nothing acknowledged is lost, and rights still commit.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';

import { seeded } from './lib/random.mjs';
import { startServer, until } from './lib/server.mjs';
import { untilDone } from './proof/shop.mjs';
import { assertIntegrity, leftOf, newestOrdinal, together, tracesOf } from './proof/traces.mjs';

const EVENTS = 3;
/** More calls than any path makes. */
const CALLS_MAX = 400;

const event = (userId, n) => ({ userId, eventName: 'Viewed', eventData: { n }, messageId: `${userId} ${n}` });

async function makePerson(client, id) {
  const made = await client.user({ userId: id, email: `${id}@example.test`, attributes: { n: 1 } });
  assert.equal(made.status, 201, made.text);
  const events = Array.from({ length: EVENTS }, (_, n) => event(id, n));
  assert.equal((await client.bulkEvents(events)).status, 201);
}

async function assertPersonWhole(client, id, count = EVENTS) {
  const { status, events, last } = await client.events(id);
  assert.equal(status, 200, last.text);
  assert.equal(events.length, count, id);
}

async function succeeded(call) {
  const answer = await call;
  assert.ok(answer.status === 200 || answer.status === 201, `${answer.status} ${answer.text}`);
  return answer;
}

const restrict = (client, id) => client.gdpr('restriction', id, { subject_request_id: `restrict ${id}` });
/** Read from both ends: each event is there once, on its own side. */
async function isLinked(client, id, linked) {
  const web = await client.events(`web of ${id}`, { anonymous: true });
  const { anonymousIds } = (await client.read(id)).json();
  assert.equal(web.status, 200, web.last.text);
  assert.equal(web.events.length, anonymousIds.length > 0 ? EVENTS + 1 : 1, id);
  assert.equal((await client.events(id)).events.length, anonymousIds.length > 0 ? EVENTS + 1 : EVENTS, id);
  return anonymousIds.length > 0 === linked;
}

const readStatus = async (client, id) => (await client.read(id)).status;

/**
 * The paths: `prepare` makes the person (all of it acknowledged), `call` is what is disturbed, `settled` waits for what
 * goes on behind its answer, `holds` says whether the right is in force, `untouched` whether nothing was changed.
 */
const paths = {
  restriction: {
    prepare: makePerson,
    call: restrict,
    holds: async (client, id) => (await readStatus(client, id)) === 403,
    untouched: async (client, id) => (await readStatus(client, id)) === 200,
  },
  're-enable': {
    prepare: async (client, id) => {
      await makePerson(client, id);
      await succeeded(restrict(client, id));
    },
    call: (client, id) => client.gdpr('re-enable', id, { subject_request_id: `re-enable ${id}` }),
    holds: async (client, id) => (await readStatus(client, id)) === 200,
    untouched: async (client, id) => (await readStatus(client, id)) === 403,
  },
  'opt-out': {
    prepare: makePerson,
    call: (client, id) => client.user({ userId: id, emailOptIn: false }),
    holds: async (client, id) => (await client.read(id)).json().preferences.email.optedIn === false,
    untouched: async (client, id) => (await client.read(id)).json().preferences.email.optedIn === true,
  },
  'key revocation': {
    prepare: async (client, id, kept) => {
      kept.key = (await succeeded(client.call('POST', '/api/keys', { scopes: 'read' }))).json();
    },
    call: (client, id, kept) => client.call('DELETE', `/api/keys/${kept.key.key.number}`),
    holds: async (client, id, kept) => (await client.read(id, { key: kept.key.text })).status === 401,
    untouched: async (client, id, kept) => (await client.read(id, { key: kept.key.text })).status === 404,
    repeats: [200, 400, 404, 409],
  },
  link: {
    prepare: async (client, id) => {
      await makePerson(client, id);
      await succeeded(client.event({ anonymousId: `web of ${id}`, eventName: 'Viewed' }));
    },
    call: (client, id) => client.link(id, { anonymousId: `web of ${id}` }),
    holds: async (client, id) => isLinked(client, id, true),
    untouched: async (client, id) => isLinked(client, id, false),
  },
  unlink: {
    prepare: async (client, id) => {
      await makePerson(client, id);
      await succeeded(client.event({ anonymousId: `web of ${id}`, eventName: 'Viewed' }));
      await succeeded(client.link(id, { anonymousId: `web of ${id}` }));
    },
    call: (client, id) => client.unlink(id, { anonymousId: `web of ${id}` }),
    holds: async (client, id) => isLinked(client, id, false),
    untouched: async (client, id) => isLinked(client, id, true),
    repeats: [200, 404],
  },
  'erasure of linked identities': {
    prepare: async (client, id, kept) => {
      await makePerson(client, id);
      await succeeded(client.event({ anonymousId: `web of ${id}`, eventName: 'Viewed' }));
      await succeeded(client.link(id, { anonymousId: `web of ${id}` }));
      const newest = await newestOrdinal(client.server);
      kept.traces = together([await tracesOf(client.server, newest - 1), await tracesOf(client.server, newest)]);
    },
    call: (client, id) => client.gdpr('erasure', id, { subject_request_id: `erase ${id}` }),
    settled: (client, id) => untilDone(client, `erase ${id}`),
    holds: async (client, id, kept) => {
      if ((await readStatus(client, id)) !== 404) return false;
      await untilDone(client, `erase ${id}`);
      assert.equal((await client.read(`web of ${id}`, { anonymous: true })).status, 404);
      const { data } = client.server;
      assert.deepEqual(await leftOf(client.server, kept.traces, [join(data, 'ledger'), join(data, 'vault')]), [], id);
      return true;
    },
    untouched: async (client, id) =>
      (await client.status(`erase ${id}`)).status === 404 && (await isLinked(client, id, true)),
  },
  erasure: {
    prepare: async (client, id, kept) => {
      await makePerson(client, id);
      kept.traces = await tracesOf(client.server, await newestOrdinal(client.server));
    },
    call: (client, id) => client.gdpr('erasure', id, { subject_request_id: `erase ${id}` }),
    settled: (client, id) => untilDone(client, `erase ${id}`),
    holds: async (client, id, kept) => {
      if ((await readStatus(client, id)) !== 404) return false;
      await untilDone(client, `erase ${id}`);
      const { data } = client.server;
      assert.deepEqual(await leftOf(client.server, kept.traces, [join(data, 'ledger'), join(data, 'vault')]), [], id);
      await succeeded(client.bulkEvents([0, 1, 2].map((n) => event(id, n))));
      assert.equal(await readStatus(client, id), 404, `${id}: a retry brought an erased event back`);
      return true;
    },
    untouched: async (client, id) => {
      if ((await client.status(`erase ${id}`)).status !== 404) return false;
      await assertPersonWhole(client, id);
      return true;
    },
  },
  'pending erasure': {
    window: '7d',
    prepare: makePerson,
    call: (client, id) => client.gdpr('erasure', id, { subject_request_id: `erase ${id}` }),
    holds: async (client, id) => (await readStatus(client, id)) === 403,
    untouched: async (client, id) => (await readStatus(client, id)) === 200,
  },
  cancel: {
    window: '7d',
    prepare: async (client, id) => {
      await makePerson(client, id);
      await succeeded(client.gdpr('erasure', id, { subject_request_id: `erase ${id}` }));
      await succeeded(client.event(event(id, 'parked')));
    },
    call: (client, id) => client.cancel(`erase ${id}`),
    holds: async (client, id) => {
      if ((await readStatus(client, id)) !== 200) return false;
      await until(async () => (await client.events(id)).events.length >= EVENTS + 1, { what: 'what was parked' });
      await assertPersonWhole(client, id, EVENTS + 1);
      return true;
    },
    untouched: async (client, id) => (await readStatus(client, id)) === 403,
    repeats: [200, 400],
  },
};

/** One run with the nth call failing. @returns {Promise<{ struck: string|null, status: number, calls: number }>} */
async function disturbed(server, client, path, id, n) {
  const kept = {};
  await path.prepare(client, id, kept);
  await server.shim(n === 0 ? 'count' : `fail ${n}`);
  const answer = await path.call(client, id, kept);
  if (answer.status < 300) await path.settled?.(client, id);
  const { struck, calls } = await server.shim('state');
  await server.shim('off');
  return { struck, calls, kept, status: answer.status, text: answer.text };
}

/** What must be true whatever was answered; ends with the right in force. */
async function assertOutcome(client, path, id, { status, text, kept }) {
  const said = `${id}: ${status} ${text}`;
  if (status < 300) {
    assert.ok(await path.holds(client, id, kept), `${said}: does not hold`);
    return;
  }
  assert.equal(status, 503, said);
  const changed = !(await path.untouched(client, id, kept));
  if (changed) assert.ok(await path.holds(client, id, kept), `${said}: neither whole nor in force`);
  const again = await path.call(client, id, kept);
  const allowed = changed ? (path.repeats ?? [201]) : [200, 201];
  assert.ok(allowed.includes(again.status), `${said}, again (${changed ? 'in force' : 'untouched'}): ${again.status} ${again.text}`);
  assert.ok(await path.holds(client, id, kept), `${said}: does not hold the second time`);
}

for (const [name, path] of Object.entries(paths))
  test(`each file call of a ${name} fails once in turn`, async (t) => {
    const random = seeded(t);
    const server = await startServer(t, { shim: true, options: ['--cancel-window', path.window ?? '0'] });
    const client = await server.account();
    const base = `${name.replaceAll(' ', '-')}-${random.hex(8)}`;
    await makePerson(client, `${base}-neighbour`);
    let clean;
    for (const run of ['first', 'clean']) { // the first also pays for what the start left in the logs
      clean = await disturbed(server, client, path, `${base}-${run}`, 0);
      assert.ok(await path.holds(client, `${base}-${run}`, clean.kept));
    }
    const kinds = {};
    const done = [];
    let injections = 0;
    for (let n = 1; n < CALLS_MAX; n++) {
      const id = `${base}-${n}`;
      const run = await disturbed(server, client, path, id, n);
      await assertOutcome(client, path, id, run);
      done.push([id, run.kept]);
      if (run.struck === null) {
        assert.ok(run.calls <= injections, 'every call of the last, undisturbed run had its turn');
        break;
      }
      injections++;
      const kind = `${run.struck} ${run.status}`;
      kinds[kind] = (kinds[kind] ?? 0) + 1;
      /* A later sync would hide that an answer was not durable: the power goes at once. */
      if (run.status < 300 && run.struck === 'sync') {
        await server.cut();
        await server.start();
        assert.ok(await path.holds(client, id, run.kept), `${id} does not hold after a power cut`);
      }
    }
    t.diagnostic(JSON.stringify({ clean: clean.calls, injections, ...kinds }));
    assert.ok(injections >= 8 && injections < CALLS_MAX - 1, `${injections} injections`);
    /* Pages split and logs begin anew: a few calls more or less. */
    assert.ok(Math.abs(injections - clean.calls) <= 2 + clean.calls / 8, `${injections} injections, ${clean.calls} calls`);
    await server.cut();
    await server.start();
    for (const [id, kept] of done) assert.ok(await path.holds(client, id, kept), `${id} does not hold after the power cut`);
    await assertPersonWhole(client, `${base}-neighbour`);
    await assertIntegrity(server);
  });

test('on a full disk nothing new is taken, nothing is lost, and rights still commit', async (t) => {
  const random = seeded(t);
  const server = await startServer(t, { shim: true, options: ['--cancel-window', '0'] });
  const client = await server.account();
  const id = (what) => `${what}-${random.seed}`;
  for (const what of ['restricted', 'erased', 'writer', 'opted']) await makePerson(client, id(what));
  const traces = await tracesOf(server, (await newestOrdinal(server)) - 2);
  const key = (await succeeded(client.call('POST', '/api/keys', { scopes: 'read' }))).json();
  let taken = EVENTS;

  await server.shim('full 0');
  await until(async () => {
    const { status } = await client.event(event(id('writer'), taken));
    assert.ok(status === 201 || status === 503, String(status));
    taken += status === 201;
    return status === 503;
  }, { pauseMs: 0, what: 'the end of ingestion' });
  const refused = await client.event(event(id('writer'), 'refused'));
  assert.equal(refused.status, 503);
  assert.ok(refused.headers['retry-after'], 'a refusal tells when to come again');
  /* A look at a person is written down, so it waits for the reserve, too. */
  await until(async () => (await readStatus(client, id('writer'))) === 200, { what: 'a look', timeoutMs: 5_000 });
  await assertPersonWhole(client, id('writer'), taken);

  const rights = {
    restriction: () => restrict(client, id('restricted')),
    erasure: () => client.gdpr('erasure', id('erased'), { subject_request_id: 'full' }),
    revocation: () => client.call('DELETE', `/api/keys/${key.key.number}`),
  };
  for (const [what, call] of Object.entries(rights))
    await until(async () => (await call()).status < 300, { what: `${what} on a full disk`, timeoutMs: 5_000 });
  await untilDone(client, 'full');
  assert.equal((await client.event(event(id('writer'), 'refused'))).status, 503, 'the reserve is not for ingestion');

  const assertAll = async () => {
    assert.equal(await readStatus(client, id('restricted')), 403);
    assert.equal(await readStatus(client, id('erased')), 404);
    assert.equal((await client.read(id('writer'), { key: key.text })).status, 401);
    assert.deepEqual(await leftOf(server, traces), []);
    await assertPersonWhole(client, id('writer'), taken);
  };
  await assertAll();
  await server.shim('off');
  await until(async () => (await client.event(event(id('writer'), taken))).status === 201, { what: 'room for events again' });
  taken++;
  await assertAll();
  await server.cut();
  await server.start();
  await assertAll();
  await assertIntegrity(server);
});
