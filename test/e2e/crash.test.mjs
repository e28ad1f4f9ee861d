// The power goes before each file call of a path in turn, so between any two of its commits (semantics 10): after the next
// start what was acknowledged holds, what was not is whole or in force and never in between, and an erasure that had begun
// is finished.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';

import { seeded } from './lib/random.mjs';
import { startServer } from './lib/server.mjs';
import { untilDone } from './proof/shop.mjs';
import { assertIntegrity, leftOf, newestOrdinal, together, tracesOf } from './proof/traces.mjs';

const CALLS_MAX = 300;
const event = (userId, n) => ({ userId, eventName: 'Viewed', eventData: { n } });
const status = async (answer) => (await answer).status;

/** `prepare` is acknowledged; `call` is what the cut comes into; `outcome` says after the start: 'whole', 'none' or why not. */
const paths = {
  'a new person': {
    prepare: async () => ({}),
    call: (client, id) => client.user({ userId: id, firstName: 'Ann', email: `${id}@example.test`, emailOptIn: false }),
    outcome: async (client, id) => {
      const read = await client.read(id);
      if (read.status === 404) return 'none';
      const { firstName, preferences } = read.json();
      /* Made, but without values: the caller was not answered and sends again. */
      if (firstName === undefined) return (await status(client.user({ userId: id, firstName: 'Ann' }))) === 201 ? 'none' : 'stuck';
      return preferences.email.optedIn ? 'the opt-out is gone' : 'whole';
    },
  },
  'an event of somebody new': {
    prepare: async () => ({}),
    call: (client, id) => client.event(event(id, 1)),
    outcome: async (client, id) => {
      const { status: found, events } = await client.events(id);
      if (found === 404) return 'none';
      const count = events.length;
      assert.equal(await status(client.event(event(id, 2))), 201);
      const { userId } = (await client.read(id)).json();
      return userId !== id ? `the person is nameless: ${userId}` : ['none', 'whole'][count] ?? `${count} times`;
    },
  },
  'a restriction': {
    prepare: async (client, id) => assert.equal(await status(client.event(event(id, 1))), 201),
    call: (client, id) => client.gdpr('restriction', id, { subject_request_id: `restrict ${id}` }),
    outcome: async (client, id) => ({ 200: 'none', 403: 'whole' })[(await client.read(id)).status] ?? 'neither',
  },
  'a link that makes a subject': {
    prepare: async (client, id) => {
      for (const user of [id, `next ${id}`]) assert.equal(await status(client.event(event(user, 1))), 201);
      assert.equal(await status(client.event({ anonymousId: `web of ${id}`, eventName: 'Viewed' })), 201);
      assert.equal(await status(client.link(id, { anonymousId: `web of ${id}` })), 201);
    },
    call: (client, id) => client.link(`next ${id}`, { anonymousId: `web of ${id}` }),
    outcome: async (client, id) => {
      const whose = (await client.read(`web of ${id}`, { anonymous: true })).json().userId;
      assert.equal((await client.events(id)).events.length, 2, 'what was theirs stays');
      assert.equal(await status(client.event({ anonymousId: `web of ${id}`, eventName: 'Viewed' })), 201);
      const { anonymousIds } = (await client.read(whose)).json();
      if (!anonymousIds.includes(`web of ${id}`)) return 'the id is nameless';
      return { [id]: 'none', [`next ${id}`]: 'whole' }[whose] ?? `of ${whose}`;
    },
  },
  'an unlink of the restricted': {
    prepare: async (client, id) => {
      assert.equal(await status(client.event(event(id, 1))), 201);
      assert.equal(await status(client.event({ anonymousId: `web of ${id}`, eventName: 'Viewed' })), 201);
      assert.equal(await status(client.link(id, { anonymousId: `web of ${id}` })), 201);
      assert.equal(await status(client.gdpr('restriction', id, { subject_request_id: `restrict ${id}` })), 201);
    },
    call: (client, id) => client.unlink(id, { anonymousId: `web of ${id}` }),
    outcome: async (client, id) => {
      const web = `web of ${id}`;
      for (const read of [client.read(id), client.read(web, { anonymous: true })])
        if ((await status(read)) !== 403) return 'a side is free';
      const why = { anonymous: true, headers: { 'habeas-reason': 'legal_claim' } };
      return (await client.read(web, why)).json().userId === id ? 'none' : 'whole';
    },
  },
  'an erasure of linked identities': {
    prepare: async (client, id) => {
      assert.equal(await status(client.bulkEvents([1, 2].map((n) => event(id, n)))), 201);
      assert.equal(await status(client.event({ anonymousId: `web of ${id}`, eventName: 'Viewed' })), 201);
      assert.equal(await status(client.link(id, { anonymousId: `web of ${id}` })), 201);
      const newest = await newestOrdinal(client.server);
      return together([await tracesOf(client.server, newest - 1), await tracesOf(client.server, newest)]);
    },
    call: (client, id) => client.gdpr('erasure', `web of ${id}`, { identity_type: 'anonymous', subject_request_id: `erase ${id}` }),
    settled: (client, id) => untilDone(client, `erase ${id}`),
    outcome: async (client, id, traces) => {
      if ((await client.status(`erase ${id}`)).status === 404)
        return (await client.events(id)).events.length === 3 ? 'none' : 'not all is there';
      await untilDone(client, `erase ${id}`);
      const { data } = client.server;
      const left = await leftOf(client.server, traces, [join(data, 'ledger'), join(data, 'vault')]);
      return (await client.read(id)).status === 404 && left.length === 0 ? 'whole' : `left: ${JSON.stringify(left)}`;
    },
  },
  'an erasure': {
    prepare: async (client, id) => {
      assert.equal(await status(client.user({ userId: id, firstName: 'Ann', email: `${id}@example.test` })), 201);
      assert.equal(await status(client.bulkEvents([1, 2, 3].map((n) => event(id, n)))), 201);
      return tracesOf(client.server, await newestOrdinal(client.server));
    },
    call: (client, id) => client.gdpr('erasure', id, { subject_request_id: `erase ${id}` }),
    settled: (client, id) => untilDone(client, `erase ${id}`),
    outcome: async (client, id, traces) => {
      if ((await client.status(`erase ${id}`)).status === 404)
        return (await client.events(id)).events.length === 3 ? 'none' : 'not all is there';
      await untilDone(client, `erase ${id}`);
      const { data } = client.server;
      const left = await leftOf(client.server, traces, [join(data, 'ledger'), join(data, 'vault')]);
      return (await client.read(id)).status === 404 && left.length === 0 ? 'whole' : `left: ${JSON.stringify(left)}`;
    },
  },
};

/** @returns {Promise<{ acknowledged: boolean, cut: boolean }>} */
async function callWithCut(server, client, path, id, n) {
  await server.shim(`fail ${n} CUT`);
  let acknowledged = false;
  try {
    acknowledged = (await status(path.call(client, id))) < 300;
    if (acknowledged) await path.settled?.(client, id);
  } catch { /* the connection went with the power */ }
  /* The answer also ends the counting: what goes on behind it is no longer of this call. */
  const cut = await server.shim('off').then((state) => state.struck !== null, () => true);
  return { acknowledged, cut };
}

for (const [name, path] of Object.entries(paths))
  test(`the power goes before each file call of ${name}`, async (t) => {
    const random = seeded(t);
    const server = await startServer(t, { shim: true, options: ['--cancel-window', '0'] });
    const client = await server.account();
    const counts = { whole: 0, none: 0, acknowledged: 0, keysGone: 0 };
    assert.equal(await status(client.event(event('neighbour', 1))), 201);
    let n = 1;
    for (; n < CALLS_MAX; n++) {
      const id = `${n}-${random.hex(8)}`;
      const prepared = await path.prepare(client, id);
      const { acknowledged, cut } = await callWithCut(server, client, path, id, n);
      if (!cut) {
        assert.ok(acknowledged, 'without a cut it is answered');
        assert.equal(await path.outcome(client, id, prepared), 'whole');
        break;
      }
      await server.ended;
      /* As the disk was left, before a start could make up for it: with window 0 the answer said that the key is gone. */
      if (acknowledged && prepared?.key)
        assert.deepEqual(await leftOf(server, { key: prepared.key, prints: {}, sealed: {} }, [join(server.data, 'ledger')]), [], `call ${n}`);
      counts.keysGone += acknowledged && prepared?.key !== undefined;
      await server.start();
      const outcome = await path.outcome(client, id, prepared);
      assert.ok(['whole', 'none'].includes(outcome), `call ${n}: ${outcome}`);
      if (acknowledged) assert.equal(outcome, 'whole', `call ${n} was acknowledged`);
      counts[outcome]++;
      counts.acknowledged += acknowledged;
    }
    t.diagnostic(JSON.stringify({ cuts: n - 1, ...counts }));
    assert.ok(n > 5 && n < CALLS_MAX, `${n - 1} cuts`);
    assert.ok(counts.none > 0, 'some came before the call was in force');
    if (name === 'an erasure') assert.ok(counts.keysGone > 5, 'few came between the answer and DONE');
    assert.equal((await client.events('neighbour')).events.length, 1);
    await assertIntegrity(server);
  });
