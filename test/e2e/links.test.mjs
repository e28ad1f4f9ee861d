// Two people, one browser (semantics 7): a person is all whom links join. Reading, exporting, restricting and erasing covers
// every linked identity and nobody else, and an unlink splits them again.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';

import { seeded } from './lib/random.mjs';
import { startServer } from './lib/server.mjs';
import { erase, mark, wholeOf } from './proof/shop.mjs';
import { assertAllFound, assertIntegrity, leftOf, newestOrdinal, together, tracesOf } from './proof/traces.mjs';

const AT_ONCE = ['--cancel-window', '0'];
const ADDRESS = 'family@example.test';

const accepted = async (call) => {
  const answer = await call;
  assert.ok(answer.status === 200 || answer.status === 201, `${answer.status} ${answer.text}`);
  return answer;
};

/** A user with an address that is another's too, and marks of their own in values and events. */
async function makeUser(client, random, id) {
  const marks = { value: mark(random, `${id} value`), event: mark(random, `${id} event`) };
  await accepted(client.user({ userId: id, email: ADDRESS, attributes: { note: marks.value } }));
  await accepted(client.event({ userId: id, eventName: 'Viewed', eventData: { text: marks.event } }));
  return marks;
}

async function visit(client, random, anonymousId, marks, what) {
  marks[what] = mark(random, what);
  await accepted(client.event({ anonymousId, eventName: 'Visited', eventData: { text: marks[what] } }));
}

/** Everything that a person gets of theirs: the document and the archive. */
async function exportOf(client, id, extras = {}) {
  const answer = await accepted(client.gdpr('portability', id, extras));
  const archive = await accepted(client.call('GET', answer.json().archive_url));
  assert.deepEqual(answer.json().user.events, archive.json().events);
  assert.equal(answer.json().complete, true);
  return answer.text + archive.text;
}

function assertHolds(text, own, others, said) {
  const shown = (value) => text.includes(JSON.stringify(value).slice(1, -1));
  for (const [what, value] of Object.entries(own)) assert.ok(shown(value), `${said}: ${what} is missing`);
  for (const [what, value] of Object.entries(others)) assert.ok(!shown(value), `${said}: ${what} is another's`);
}

/** Ann, then Ben, on one tablet; they share an address, too. */
async function share(client, random) {
  const ann = {};
  await visit(client, random, 'tablet', ann, 'before');
  Object.assign(ann, await makeUser(client, random, 'ann'));
  const ben = await makeUser(client, random, 'ben');
  await accepted(client.link('ann', { anonymousId: 'tablet' }));
  await visit(client, random, 'tablet', ann, 'while hers');
  await accepted(client.link('ben', { anonymousId: 'tablet' }));
  await visit(client, random, 'tablet', ben, 'while his');
  await accepted(client.link('ann', { anonymousId: 'tablet' }));
  await visit(client, random, 'tablet', ann, 'hers again');
  await accepted(client.link('ben', { anonymousId: 'tablet' }));
  await visit(client, random, 'tablet', ben, 'his again');
  return { ann, ben };
}

test('each export holds all of one and nothing of the other', async (t) => {
  const random = seeded(t);
  const server = await startServer(t);
  const client = await server.account();
  const { ann, ben } = await share(client, random);
  for (let round = 0; round < 2; round++) {
    assertHolds(await exportOf(client, 'ann'), ann, ben, 'ann');
    assertHolds(await exportOf(client, 'ben'), ben, ann, 'ben');
    assertHolds(await exportOf(client, 'tablet', { identity_type: 'anonymous' }), ben, ann, 'tablet');
    assert.deepEqual((await client.read('ann')).json().anonymousIds, ['tablet']);
    assert.equal((await client.read('tablet', { anonymous: true })).json().userId, 'ben');
    const { links } = (await client.links('ben')).json();
    assert.deepEqual(links.map(({ of, to }) => [of, to]), [[{ anonymousId: 'tablet' }, { userId: 'ben' }]]);
    assert.deepEqual((await client.gdpr('portability', 'ben')).json().user.links, links);
    await server.restart();
  }
});

test('one stream of events over all identities, page by page, in the order of receipt', async (t) => {
  const server = await startServer(t);
  const client = await server.account();
  const ids = [{ userId: 'ann' }, { anonymousId: 'web' }, { userId: 'old' }, { anonymousId: 'phone' }];
  for (let n = 0; n < 60; n++) await accepted(client.event({ ...ids[(n * 7) % 4], eventName: 'Viewed', eventData: { n } }));
  await accepted(client.link('ann', { anonymousId: 'web' }));
  await accepted(client.link('old', { anonymousId: 'phone' }));
  await accepted(client.link('ann', { userId: 'old' }));
  const newestFirst = Array.from({ length: 60 }, (_, i) => 59 - i);
  for (const [id, anonymous] of [['ann'], ['old'], ['web', true], ['phone', true]]) {
    const { events, pages } = await client.events(id, { limit: 7, anonymous });
    assert.deepEqual(events.map(({ eventData }) => eventData.n), newestFirst, id);
    assert.equal(pages, 9);
  }
  const { user } = (await accepted(client.gdpr('portability', 'phone', { identity_type: 'anonymous' }))).json();
  assert.deepEqual(user.events.map(({ eventData }) => eventData.n), [...newestFirst].reverse());
  assert.deepEqual([user.anonymousIds, [user.userId, ...user.aliases].sort()], [['phone', 'web'], ['ann', 'old']]);
  await accepted(client.unlink('ann', { userId: 'old' }));
  assert.deepEqual((await client.events('ann')).events.length + (await client.events('old')).events.length, 60);
});

test('one restricted, the other goes on; taken back, both sides keep what was denied', async (t) => {
  const random = seeded(t);
  const server = await startServer(t);
  const client = await server.account();
  const { ann, ben } = await share(client, random);
  await accepted(client.link('ann', { anonymousId: 'tablet' }));
  await accepted(client.gdpr('restriction', 'ann'));
  await visit(client, random, 'tablet', {}, 'not recorded');
  assert.equal((await client.read('tablet', { anonymous: true })).status, 403);
  assertHolds(await exportOf(client, 'ben'), ben, ann, 'ben');
  await visit(client, random, 'elsewhere', ben, 'of his');
  await accepted(client.link('ben', { anonymousId: 'elsewhere' }));
  assertHolds(await exportOf(client, 'ben'), ben, ann, 'ben');
  await accepted(client.unlink('ann', { anonymousId: 'tablet' }));
  for (const read of [client.read('ann'), client.read('tablet', { anonymous: true })]) assert.equal((await read).status, 403);
  await accepted(client.gdpr('re-enable', 'ann'));
  assert.deepEqual((await accepted(client.read('ann'))).json().anonymousIds, []);
  assert.equal((await client.read('tablet', { anonymous: true })).status, 403);
  assert.deepEqual((await accepted(client.links('ben'))).json().links.length, 2);
});

test('an erasure leaves nothing of any linked identity, and the other of a shared tablet whole', async (t) => {
  const random = seeded(t);
  const server = await startServer(t, { options: AT_ONCE });
  const client = await server.account();
  const first = (await newestOrdinal(server)) + 1;
  const { ann } = await share(client, random); // tablet of ann, ann, ben, tablet of ben
  for (const id of ['web', 'phone']) {
    await visit(client, random, id, ann, id);
    await accepted(client.link('ann', { anonymousId: id }));
  }
  Object.assign(ann, await makeUser(client, random, 'ann before'));
  await accepted(client.link('ann', { userId: 'ann before' }));
  await accepted(client.user({ userId: 'ann', smsOptIn: false }));
  const hers = [0, 1, 4, 5, 6].map((n) => first + n);
  const traces = together(await Promise.all(hers.map((ordinal) => tracesOf(server, ordinal))));
  const bens = await tracesOf(server, first + 2);
  const tablet = await tracesOf(server, first + 3);
  await assertAllFound(server, traces);
  const shared = [...Object.values(bens.prints), ...Object.values(tablet.prints)];
  for (const [name, print] of Object.entries(traces.prints))
    if (shared.some((other) => other.equals(print))) delete traces.prints[name]; // the address and the tablet are Ben's, too
  assert.equal(Object.keys(traces.key).length, 5);
  assert.ok(Object.keys(traces.sealed).length >= 5 + 6);
  const before = await wholeOf(client, 'ben');

  await erase(client, 'web', 'erase', { identity_type: 'anonymous' });
  for (const id of ['ann', 'ann before']) assert.equal((await client.read(id)).status, 404);
  for (const id of ['web', 'phone']) assert.equal((await client.read(id, { anonymous: true })).status, 404);
  for (const moment of ['while it runs', 'after it stopped', 'after another start']) {
    if (moment === 'after it stopped') await server.stop();
    if (moment === 'after another start') await server.start();
    assert.deepEqual(await leftOf(server, traces), [], moment);
  }
  assert.deepEqual(await wholeOf(client, 'ben'), before);
  assert.equal((await client.read('tablet', { anonymous: true })).json().userId, 'ben');
  await assertIntegrity(server);
});

test('links that were acknowledged stand after kill -9, and each event is there once', async (t) => {
  const random = seeded(t);
  const server = await startServer(t);
  const client = await server.account();
  const USERS = ['ann', 'ben'];
  for (const userId of USERS) await accepted(client.event({ userId, eventName: 'Viewed' }));
  await accepted(client.event({ anonymousId: 'tablet', eventName: 'Visited', eventData: { n: 0 } }));
  let n = 0;
  for (let round = 0; round < 8; round++) {
    const seen = { owner: null, sent: [], unsure: new Set() };
    let running = true;
    const flip = async () => {
      for (let i = round; running; i++) {
        const owner = USERS[i % 2];
        const answer = await client.link(owner, { anonymousId: 'tablet' }).catch(() => null);
        seen.owner = answer?.status === 201 ? owner : null; // null: the last one is in doubt
      }
    };
    const send = async () => {
      while (running) {
        const one = ++n;
        const answer = await client.event({ anonymousId: 'tablet', eventName: 'Visited', eventData: { n: one } }).catch(() => null);
        if (answer?.status === 201) seen.sent.push(one);
        else seen.unsure.add(one);
      }
    };
    const work = Promise.all([flip(), send(), send(), send()]);
    await new Promise((done) => setTimeout(done, 60 + random.between(1, 60)));
    await server.kill();
    running = false;
    await work;
    await server.start();
    const { userId } = (await accepted(client.read('tablet', { anonymous: true }))).json();
    assert.ok(USERS.includes(userId));
    if (seen.owner) assert.equal(userId, seen.owner);
    const all = (await Promise.all(USERS.map((id) => client.events(id)))).flatMap(({ events }) => events);
    const found = all.map(({ eventData }) => eventData.n);
    for (const one of seen.sent) assert.equal(found.filter((other) => other === one).length, 1, `event ${one}`);
    for (const one of seen.unsure) assert.ok(found.filter((other) => other === one).length <= 1, `event ${one}`);
    assert.equal(found.filter((one) => one === 0).length, 1);
    for (const id of USERS) assert.ok((await client.links(id)).json().links.length <= 1, 'a tablet that goes to and fro does not grow');
  }
  assert.ok(n > 50);
  await assertIntegrity(server);
});

test('a link is audited without an id in it, and needs the scope', async (t) => {
  const server = await startServer(t);
  const client = await server.account();
  await accepted(client.event({ userId: 'ann', eventName: 'Viewed' }));
  await accepted(client.event({ anonymousId: 'web', eventName: 'Viewed' }));
  assert.equal((await client.link('ann', { anonymousId: 'web' }, { key: client.write_key })).status, 401);
  const acts = () => {
    const folder = join(server.data, 'ledger/audit');
    return readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8')).join('');
  };
  await accepted(client.link('ann', { anonymousId: 'web' }));
  await accepted(client.links('ann'));
  await accepted(client.unlink('ann', { anonymousId: 'web' }));
  for (const act of ['link', 'links', 'unlink'])
    assert.equal(acts().split(`"act":"${act}"`).length, 2, act);
  await assertIntegrity(server);
});
