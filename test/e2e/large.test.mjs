// What is large and was accepted can be read, carried away, parked and taken in again; what is too large is refused before
// anything of it is done.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { Server, startServer } from './lib/server.mjs';

const MIB = 1 << 20;
const upTo = (count) => Array.from({ length: count }, (_, i) => i);

/** About 300 KB in which nothing is past a limit: 25 strings of 1,000 characters, each sent as two escapes. */
const ESSAY = upTo(25).map((i) => `"text ${i}":"${'\\ud83d\\ude00'.repeat(1000)}"`).join(',');
const essay = (userId, number) => `{"userId":"${userId}","eventName":"Essay","eventData":{"number":${number},${ESSAY}}}`;

async function ok(promise) {
  const answer = await promise;
  assert.ok(answer.status === 200 || answer.status === 201, `${answer.status} ${answer.text.slice(0, 300)}`);
  return answer;
}

async function writeEssays(client, userId, count) {
  for (let at = 0; at < count; at += 25) {
    const some = upTo(Math.min(25, count - at)).map((i) => essay(userId, at + i));
    const answer = await ok(client.bulkEvents(`{"events":[${some.join(',')}]}`));
    assert.equal(answer.text, '{"response":{"status":"queued"}}');
  }
}

const numbers = (events) => events.map(({ eventData }) => eventData.number);

describe('a person with much text', () => {
  let server, client;
  before(async () => {
    server = new Server({});
    await server.start();
    client = await server.account('large');
  });
  after(() => server.clear());

  test('events are read page by page: a page of large ones is shorter than asked for', async () => {
    await writeEssays(client, 'writer', 300);
    const { status, events, pages } = await client.events('writer', { limit: 1000 });
    assert.equal(status, 200);
    assert.deepEqual(numbers(events), upTo(300).reverse());
    assert.ok(pages > 1, 'all of it in one page');
  });

  test('portability names the archive, and the archive holds everything', async () => {
    const body = (await ok(client.gdpr('portability', 'writer'))).json();
    assert.deepEqual([body.complete, body.user.events], [false, undefined]);
    const archive = JSON.parse((await ok(client.call('GET', body.archive_url))).text);
    assert.deepEqual(numbers(archive.events), upTo(300));
    assert.equal(archive.events[299].eventData['text 24'], '😀'.repeat(1000));
  });

  test('the last page of exactly as many as were asked for says that it is the last', async () => {
    for (const number of upTo(5)) await ok(client.event({ userId: 'five', eventName: 'Seen', eventData: { number } }));
    const page = (await ok(client.call('GET', '/api/users/five/events?limit=5'))).json();
    assert.deepEqual([numbers(page.events), page.cursor], [[4, 3, 2, 1, 0], null]);
    const first = (await ok(client.call('GET', '/api/users/five/events?limit=4'))).json();
    const rest = (await ok(client.call('GET', `/api/users/five/events?limit=4&cursor=${first.cursor}`))).json();
    assert.deepEqual([numbers(rest.events), rest.cursor], [[0], null]);
  });
});

test('much that waits for the end of a window is handed over, and all of it comes in when the erasure is off', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '7d'] });
  const client = await server.account();
  await writeEssays(client, 'ann', 200);
  await ok(client.gdpr('erasure', 'ann', { subject_request_id: 'off' }));
  await writeEssays(client, 'ann', 150);
  // A body near the limit waits like a small one: whether an erasure waits is nobody's business.
  const spaces = ' '.repeat(7 * MIB);
  await ok(client.event(`{"userId":"ann","eventName":"Seen","eventData":{"number":-1},"note":"${spaces}"}`));
  const body = (await ok(client.gdpr('portability', 'ann'))).json();
  assert.deepEqual([body.complete, body.user.parked, body.user.events], [false, undefined, undefined]);
  const archive = JSON.parse((await ok(client.call('GET', body.archive_url))).text);
  assert.deepEqual([archive.parked.length, archive.events.length], [151, 200]);
  assert.equal(archive.parked[150].sent.note, spaces);
  await ok(client.cancel('off'));
  const { events } = await client.events('ann');
  assert.deepEqual(numbers(events), [-1, ...upTo(150).reverse(), ...upTo(200).reverse()]);
  assert.deepEqual(JSON.parse((await ok(client.call('GET', body.archive_url))).text).parked, []);
});

describe('too large', () => {
  let server, client;
  before(async () => {
    server = new Server({});
    await server.start();
    client = await server.account('huge');
  });
  after(() => server.clear());
  const digits = '8'.repeat(1_100_000);

  test('a number of a million digits is ignored, and the rest of its item taken', async () => {
    const answer = await ok(client.user(`{"userId":"one","firstName":"One","emailOptIn":false,"attributes":{"n":${digits},"m":1}}`));
    assert.deepEqual(answer.json().response.ignored.map(({ field }) => field), ['n']);
    const { firstName, attributes, preferences } = (await client.read('one')).json();
    assert.deepEqual([firstName, attributes, preferences.email.optedIn], ['One', { m: 1 }, false]);
    await ok(client.event(`{"userId":"one","eventName":"Seen","eventData":{"n":${digits},"number":1}}`));
    assert.deepEqual((await client.events('one')).events[0].eventData, { number: 1 });
    const kept = '8'.repeat(1000);
    await ok(client.user(`{"userId":"one","attributes":{"m":${kept}}}`));
    assert.ok((await client.read('one')).text.includes(`"m":${kept}`));
  });

  test('one such item does not take its neighbours with it', async () => {
    const users = [`{"userId":"n1","lastName":"A"}`, `{"userId":"n2","attributes":{"n":${digits}}}`, `{"userId":"n3","lastName":"C"}`];
    const answer = await ok(client.bulkUsers(`{"users":[${users.join(',')}]}`));
    assert.deepEqual(answer.json().response.ignored.map(({ index, field }) => [index, field]), [[1, 'n']]);
    const names = await Promise.all(['n1', 'n2', 'n3'].map(async (id) => (await client.read(id)).json()));
    assert.deepEqual(names.map(({ userId, lastName }) => [userId, lastName]), [['n1', 'A'], ['n2', undefined], ['n3', 'C']]);
  });

  test('hundreds of thousands of new names: ignored, not refused, and a neighbour does not wait for them', async () => {
    const account = await server.account('names'); // whose room for names is used up here
    const many = upTo(200_000).map((i) => `"name ${i}":1`).join(',');
    const answer = await ok(account.user(`{"userId":"names","lastName":"N","attributes":{${many}}}`));
    assert.equal(answer.json().response.ignored.length, 1000);
    const { lastName, attributes } = (await account.read('names')).json();
    assert.deepEqual([lastName, Object.keys(attributes).length], ['N', 25]);
  });

  test('with an x-request-id too: a long list of what was ignored is told and kept', async () => {
    const unknown = (i) => `{"userId":"r${i}","lastName":"R","${`member ${i} `.padEnd(1000, 'x')}":1}`;
    const body = `{"users":[${upTo(400).map(unknown).join(',')}]}`;
    const options = { headers: { 'x-request-id': 'long list' } };
    const first = await ok(client.bulkUsers(body, options));
    assert.ok(first.text.length < MIB && first.json().response.ignored.length > 10);
    assert.equal((await ok(client.bulkUsers(body, options))).text, first.text);
    assert.equal((await client.read('r399')).json().userId, 'r399');
  });

  test('what was refused is told to whoever repeats the call, what depends on what is held to readers only', async () => {
    const held = Object.fromEntries(upTo(26).map((i) => [`held ${i}`, 'x']));
    const body = { users: [{ userId: 'full', attributes: held }, { userId: '' }] };
    const options = { headers: { 'x-request-id': 'two readers' } };
    const first = (await ok(client.bulkUsers(body, options))).json().response;
    assert.deepEqual([first.ignored.length, first.rejected.length], [1, 1]);
    for (const restarts of [false, true]) {
      if (restarts) await server.restart();
      const again = (await ok(client.bulkUsers(body, options))).json().response;
      assert.deepEqual(again, first);
      const writes = (await ok(client.bulkUsers(body, { ...options, key: client.write_key }))).json().response;
      assert.deepEqual(writes, { status: 'queued', rejected: first.rejected });
    }
  });

  test('consent of the longest texts stands in the history word for word', async () => {
    const text = '\u0001'.repeat(1000);
    const consent = { wording: text, version: text, road: text, when: new Date().toISOString() };
    await ok(client.user({ userId: 'wordy', emailOptIn: true, consent }));
    const { user } = (await ok(client.gdpr('portability', 'wordy'))).json();
    assert.deepEqual(user.preferenceHistory.map((row) => row.consent), [{ wording: text, version: text, road: text }]);
  });

  test('two consents in one call are two rows', async () => {
    const consent = (wording) => ({ wording, version: '1', road: 'form', when: '2026-11-20T10:00:00Z' });
    const users = ['A', 'B'].map((wording) => ({ userId: 'twice', emailOptIn: true, consent: consent(wording) }));
    await ok(client.bulkUsers(users));
    const { user } = (await ok(client.gdpr('portability', 'twice'))).json();
    assert.deepEqual(user.preferenceHistory.map((row) => row.consent.wording), ['A', 'B']);
  });
});
