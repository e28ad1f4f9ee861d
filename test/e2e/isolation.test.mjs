// Who may see and change what: every route of the program against every kind of wrong key. The routes are asked of the
// program itself, so a new one is in by itself; what only its author knows (a body that does something) stands below.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';

import { describe as describeFinds, search } from './lib/search.mjs';
import { program, Server, startServer } from './lib/server.mjs';

const SCOPES = ['ingest', 'read', 'report', 'rights', 'admin'];
const PURPOSES = ['collect', 'store', 'view', 'report', 'profile', 'market', 'service', 'share', 'decide', 'answer'];
const MARK = 'Quillmarker7361';
const MANY = 32;

const OWN = 'shop1';
const OTHER = '~other~2';
const NEWCOMER = 'never-seen-before';

/** What stands for each name in a path: things of the first account that the second has not. */
const PARAMETERS = {
  userId: 'ann@shop1',
  anonymousId: 'anonymous-of-shop1',
  requestId: 'request-of-shop1',
  number: '5', // a key and an archive that only the first account has
  name: 'plan of shop1',
};

const gdpr = (type) => ({
  subject_request_id: `fresh-${type}`,
  subject_request_type: type,
  subject_identities: [{ identity_type: 'cuid', identity_value: PARAMETERS.userId }],
});

/** Bodies that would do something if the call were let in; a route that is not named here gets {}. */
const BODIES = {
  'POST /v1/accounts/{license}/users': { userId: NEWCOMER, firstName: 'Wrong' },
  'PUT /v1/accounts/{license}/users': { userId: PARAMETERS.userId, firstName: 'Wrong' },
  'POST /v1/accounts/{license}/events': { userId: PARAMETERS.userId, eventName: 'Wrong' },
  'POST /v1/accounts/{license}/bulk-users': { users: [{ userId: PARAMETERS.userId, firstName: 'Wrong' }] },
  'POST /v1/accounts/{license}/bulk-events': { events: [{ userId: PARAMETERS.userId, eventName: 'Wrong' }] },
  'POST /v1/accounts/{license}/opengdpr_requests': gdpr('erasure'),
  'POST /v1/batch': { batch: [{ type: 'track', userId: PARAMETERS.userId, event: 'Wrong' }] },
  'POST /v1/b': { batch: [{ type: 'identify', userId: NEWCOMER, traits: { firstName: 'Wrong' } }] },
  'POST /v1/track': { userId: PARAMETERS.userId, event: 'Wrong' },
  'POST /v1/t': { userId: NEWCOMER, event: 'Wrong' },
  'POST /v1/page': { userId: PARAMETERS.userId },
  'POST /v1/p': { userId: NEWCOMER },
  'POST /v1/screen': { userId: PARAMETERS.userId },
  'POST /v1/s': { userId: NEWCOMER },
  'POST /v1/identify': { userId: PARAMETERS.userId, traits: { firstName: 'Wrong', we_email_opt_in: false } },
  'POST /v1/i': { userId: NEWCOMER, traits: { firstName: 'Wrong' } },
  'POST /v1/group': { userId: PARAMETERS.userId, groupId: 'Wrong' },
  'POST /v1/g': { userId: NEWCOMER, groupId: 'Wrong' },
  'POST /v1/alias': { userId: NEWCOMER, previousId: PARAMETERS.userId },
  'POST /v1/a': { userId: NEWCOMER, previousId: PARAMETERS.userId },
  'POST /api/requests': gdpr('restriction'),
  'POST /api/users/{userId}/links': { anonymousId: 'anonymous-of-shop1' },
  'DELETE /api/users/{userId}/links': { anonymousId: 'anonymous-of-shop1' },
  'POST /api/accounts': { license: 'wrong' },
  'POST /api/keys': { scopes: 'admin' },
  'PUT /api/settings': { rate_limit: 1 },
  'PUT /api/attributes/{name}': { type: 'number' },
};

describe('the table of routes', () => {
  /** @type {Server} */
  let server;
  let own, other, routes;
  const keys = {};

  before(async () => {
    server = new Server({});
    await orCleared(server, furnishAll);
  });
  after(() => server.clear());

  async function furnishAll() {
    await server.start();
    const lines = execFileSync(program, ['routes'], { encoding: 'utf8' }).trim().split('\n');
    routes = lines.map((line) => JSON.parse(line));
    own = await server.account(OWN);
    other = await server.account(OTHER);
    await furnish(own, MARK);
    await other.user({ userId: 'somebody else' });
    for (const scope of SCOPES) keys[`all but ${scope}`] = await addKey(SCOPES.filter((one) => one !== scope).join());
    keys.revoked = await addKey(SCOPES.join());
    await revoke(server, OWN, keys.revoked.number);
  }

  async function addKey(scopes) {
    const { code, stdout, stderr } = await server.cli(['key', 'add', '--license', OWN, '--scopes', scopes]);
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout);
  }

  /** All that wrong calls could have changed in the first account. */
  async function stateOf() {
    const paths = [
      '/api/users/ann@shop1',
      '/api/anonymous/anonymous-of-shop1',
      '/api/users/ann@shop1/links',
      '/api/keys',
      '/api/requests',
      '/api/settings',
    ];
    const answers = [await own.read(NEWCOMER), (await own.events('ann@shop1')).last];
    for (const path of paths) answers.push(await own.call('GET', path));
    return answers.map(({ status, text }) => `${status} ${text}`);
  }

  /** `key`: for addresses in which the key itself stands. */
  const address = (route, license = OWN, key = own.api_key) =>
    route.path.replace(/\{(\w+)\}/g, (_, name) =>
      encodeURIComponent(name === 'license' ? license : name === 'key' ? key || 'x' : (PARAMETERS[name] ?? 'x')),
    );
  const bodyOf = (route) =>
    BODIES[`${route.method} ${route.path}`] ?? (['POST', 'PUT'].includes(route.method) ? {} : undefined);
  const guarded = () => routes.filter(({ scope }) => SCOPES.includes(scope));

  /** Calls every guarded route; none may let the caller in, show anything, or change anything. */
  async function walk(statusOf, key, { license = OWN, only = () => true, query = '' } = {}) {
    const held = await stateOf();
    let calls = 0;
    for (const route of guarded().filter(only)) {
      const answer = await own.call(route.method, address(route, license, key) + query, bodyOf(route), { key });
      const said = `${route.method} ${route.path}: ${answer.status} ${answer.text}`;
      assert.equal(answer.status, statusOf(route), said);
      assert.ok(messageOf(answer), `no word about what is wrong: ${said}`);
      assert.ok(!answer.text.includes(MARK), said);
      if (answer.status === 401) assert.equal(answer.headers['www-authenticate'], 'Bearer', said);
      calls++;
    }
    assert.ok(calls > 0);
    assert.deepEqual(await stateOf(), held, 'something was changed');
  }

  test('every row names a scope, a purpose and what it is for', () => {
    assert.ok(routes.length >= 28, 'routes are missing');
    for (const route of routes) {
      const said = JSON.stringify(route);
      assert.ok([...SCOPES, 'open', 'operator'].includes(route.scope), said);
      const isAdministration = ['admin', 'open', 'operator'].includes(route.scope);
      assert.ok(PURPOSES.includes(route.purpose) || (isAdministration && route.purpose === 'none'), said);
      assert.ok(route.summary.length > 5, said);
    }
    assert.deepEqual(
      routes.filter(({ scope }) => scope === 'open').map(({ path }) => path),
      ['/v1/m', '/healthz', '/readyz', '/metrics'],
    );
    for (const name of Object.keys(BODIES))
      assert.ok(
        routes.some((one) => `${one.method} ${one.path}` === name),
        `${name} is gone`,
      );
  });

  const wrongKeys = {
    'no key': () => null,
    'an empty key': () => '',
    'a garbage key': () => 'x'.repeat(40),
    'a key with its last letter changed': () => own.api_key.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A')),
    'a key that lacks its last letter': () => own.api_key.slice(0, -1),
    'a key with a letter too many': () => `${own.api_key}A`,
    'a key in other case': () => own.api_key.toUpperCase(),
    'a very long key': () => 'k'.repeat(8000),
    'a revoked key': () => keys.revoked.key,
  };
  for (const [name, keyOf] of Object.entries(wrongKeys))
    test(`${name} gets 401 everywhere`, () => walk(() => 401, keyOf()));

  test('a wrong key is refused before anything else is looked at', async () => {
    const held = await stateOf();
    for (const path of [address(guarded()[0]), address(guarded()[0], 'nobody'), `${address(guarded()[0])}?format=xml`])
      for (const body of ['{', '', Buffer.alloc(1000, 0xff), { userId: 7 }]) {
        const { status, text } = await own.call('POST', path, body, { key: 'wrong' });
        assert.equal(status, 401, `${path} ${text}`);
      }
    const basic = `Basic ${Buffer.from(`${own.api_key}:`).toString('base64')}`;
    for (const authorization of [own.api_key, basic, `Bearer${own.api_key}`, 'Bearer', `Token ${own.api_key}`]) {
      const answer = await own.read(PARAMETERS.userId, { key: null, headers: { authorization } });
      assert.equal(answer.status, 401, authorization.slice(0, 8));
    }
    for (const route of guarded().filter(({ method }) => method === 'GET')) {
      const { status, text } = await own.call('HEAD', address(route, OWN, 'x'), undefined, { key: null });
      assert.deepEqual([status, text], [401, ''], route.path);
    }
    assert.deepEqual(await stateOf(), held);
  });

  const withLicense = ({ path }) => path.includes('{license}');

  test("another account's key gets 404 for this license, and so does this key for another or for none", async () => {
    for (const key of [other.api_key, other.write_key]) await walk(() => 404, key, { only: withLicense });
    for (const license of [OTHER, 'nobody', 'SHOP1', 'shop1 ', 'shop1\0', '..', OWN + OTHER])
      await walk(() => 404, own.api_key, { license, only: withLicense });
  });

  test("another account's key finds nothing of this one at the addresses without a license", async () => {
    const named = ({ path }) => !withLicense({ path }) && /\{(?!key)/.test(path); // a key names its own account only
    await walk(() => 404, other.api_key, { only: named });
    await walk(() => 404, other.api_key, { only: named, query: `?license=${OWN}` });
    const held = await stateOf();
    const brings = ({ scope }) => scope === 'ingest'; // last: afterwards the other account has people of its own
    const others = guarded().filter((one) => !withLicense(one) && !named(one));
    for (const route of others.sort((a, b) => brings(a) - brings(b))) {
      const answer = await own.call(route.method, `${address(route)}?license=${OWN}`, bodyOf(route), {
        key: other.api_key,
      });
      assert.ok(
        !answer.text.includes(MARK) && !answer.text.includes('request-of-shop1'),
        `${route.path} ${answer.text}`,
      );
      assert.notEqual(answer.status, 401, route.path); // it is a good key, of its own account
      if (BODIES[`${route.method} ${route.path}`]?.subject_request_id) assert.equal(answer.status, 400, answer.text);
    }
    assert.deepEqual(await stateOf(), held);
    const { requests } = (await other.call('GET', '/api/requests')).json();
    assert.deepEqual(requests, [], 'requests of one account stand on the desk of another');
  });

  test('the write key may bring data and nothing else', () =>
    walk(() => 401, own.write_key, { only: ({ scope }) => scope !== 'ingest' }));

  for (const scope of SCOPES)
    test(`a key that lacks the scope ${scope} gets 401 there, and is let in elsewhere`, async () => {
      const lacking = keys[`all but ${scope}`].key;
      const only = (route) => route.scope === scope;
      if (guarded().some(only)) await walk(() => 401, lacking, { only });
      for (const route of guarded().filter((one) => !only(one) && one.method === 'GET')) {
        const answer = await own.call('GET', address(route, OWN, lacking), undefined, { key: lacking });
        assert.notEqual(answer.status, 401, `${route.path} asks for ${scope} although its row does not`);
      }
    });

  test('with the right key the same calls are let in', async () => {
    for (const route of guarded().filter(({ method }) => method === 'GET')) {
      const good = route.path.replace('{number}', route.path.includes('archives') ? '2' : '1');
      const answer = await own.call('GET', address({ path: good }), undefined);
      assert.equal(answer.status, 200, `${route.path} ${answer.text}`);
    }
    const { status } = await own.call('PUT', address({ path: '/api/settings' }), { rate_limit: 0 });
    assert.equal(status, 200);
  });

  test('what only the operator may do is not there on the network', async () => {
    const held = (await server.cli(['audit', 'verify'])).stdout;
    const operator = routes.filter(({ scope }) => scope === 'operator');
    assert.ok(operator.length > 0);
    for (const route of operator)
      for (const key of [null, own.api_key, own.write_key])
        for (const method of [route.method, 'GET', 'POST', 'DELETE', 'HEAD']) {
          const answer = await own.call(method, address(route), method === 'POST' ? bodyOf(route) : undefined, { key });
          assert.equal(answer.status, 404, `${method} ${route.path} ${answer.text}`);
        }
    assert.equal((await server.cli(['audit', 'verify'])).stdout, held);
    assert.equal((await server.cli(['key', 'list', '--license', 'wrong'])).code, 1, 'an account was made');
  });

  test('an address that is none, and a method that an address does not take', async () => {
    for (const path of [
      '/',
      '/api',
      '/api/',
      '/api/users',
      '/api/users/',
      '/api/users/a/b/c',
      '/v1/accounts',
      '/v1/accounts//users',
      '//healthz',
      '/api/users/%zz',
    ])
      assert.equal((await own.call('GET', path)).status, 404, path);
    for (const [method, path] of [
      ['DELETE', '/healthz'],
      ['PUT', '/api/users/x'],
      ['GET', `/v1/accounts/${OWN}/events`],
      ['POST', '/metrics'],
    ])
      assert.equal((await own.call(method, path)).status, 405, `${method} ${path}`);
  });

  test('no file holds the text of a key', async () => {
    const texts = { api: own.api_key, write: own.write_key, other: other.api_key, revoked: keys.revoked.key };
    for (const scope of SCOPES) texts[scope] = keys[`all but ${scope}`].key;
    const places = [server.data, server.temporary];
    // A process that dumps no core shows its open files to root only.
    const open = () => (process.getuid() === 0 ? { pid: server.pid } : {});
    assert.equal(describeFinds(await search(texts, places, open())), '');
    assert.ok((await search({ other: OTHER }, places)).length > 0, 'the search finds nothing at all');
    await server.restart();
    assert.equal(describeFinds(await search(texts, places, open())), '');
    assert.equal((await own.read(PARAMETERS.userId)).status, 200);
    assert.equal((await own.read(PARAMETERS.userId, { key: keys.revoked.key })).status, 401);
    for (const text of Object.values(texts)) assert.ok(!(server.stderr + server.stdout).includes(text));
  });
});

/** No `after` follows a `before` that fails: the server is ended here then. */
async function orCleared(server, work) {
  try {
    return await work();
  } catch (error) {
    await server.clear();
    throw error;
  }
}

/** One of everything that an address can name, with a mark in each value. */
async function furnish(client, mark) {
  const answers = [
    await client.user({ userId: PARAMETERS.userId, firstName: mark, attributes: { [PARAMETERS.name]: mark } }),
    await client.event({ userId: PARAMETERS.userId, eventName: 'Looked', eventData: { what: mark } }),
    await client.user({ anonymousId: PARAMETERS.anonymousId, city: mark }),
    await client.gdpr('portability', PARAMETERS.userId, { subject_request_id: PARAMETERS.requestId }),
  ];
  for (let i = 2; i <= Number(PARAMETERS.number); i++)
    answers.push(await client.gdpr('portability', PARAMETERS.userId, { subject_request_id: `portability ${i}` }));
  for (const { status, text } of answers) assert.equal(status, 201, text);
}

async function revoke(server, license, number) {
  const { code, stderr } = await server.cli(['key', 'revoke', '--license', license, String(number)]);
  assert.equal(code, 0, stderr);
}

function messageOf(answer) {
  const body = answer.json();
  return body.error?.message ?? body.response?.message ?? body.message;
}

test('two accounts with the same ids never see each other', async (t) => {
  const server = await startServer(t);
  const ids = ['ann', 'a/b', '..', '%2e', 'ann ', 'Ann', '~', 'é', 'e\u0301', 'x\u0000y'];
  const licenses = ['~aa1234567', '~AA1234567', 'in~-_58adccb'];
  const clients = [];
  for (const license of licenses) clients.push(await server.account(license));
  for (const [i, client] of clients.entries())
    for (const id of ids) {
      assert.equal((await client.user({ userId: id, firstName: `${licenses[i]} ${id}` })).status, 201);
      assert.equal((await client.event({ userId: id, eventName: `Of ${i}`, eventData: { id } })).status, 201);
    }
  const check = async (client, i) => {
    for (const id of ids) {
      const { events } = await client.events(id);
      assert.deepEqual(
        events.map(({ eventName, eventData }) => [eventName, eventData.id]),
        [[`Of ${i}`, id]],
      );
      assert.equal((await client.read(id)).json().firstName, `${licenses[i]} ${id}`);
    }
  };
  for (const [i, client] of clients.entries()) await check(client, i);

  // What one asks for touches nobody of another, even by the same name of the request.
  const [first, ...others] = clients;
  assert.equal((await first.gdpr('erasure', 'ann', { subject_request_id: 'same' })).status, 201);
  assert.equal((await first.gdpr('restriction', 'Ann', { subject_request_id: 'second' })).status, 201);
  for (const client of others) {
    assert.equal((await client.status('same')).status, 404);
    assert.equal((await client.cancel('same')).status, 404);
    assert.equal((await client.gdpr('portability', 'ann', { subject_request_id: 'same' })).status, 201);
  }
  assert.equal((await first.status('same')).json().status, 'PENDING');
  assert.equal((await first.read('ann')).status, 403);
  assert.equal((await first.read('Ann')).status, 403);
  await server.restart();
  for (const [i, client] of clients.entries()) if (i > 0) await check(client, i);
  const encoded = `/v1/accounts/${licenses[1].replace('~', '%7E')}/opengdpr_requests/same`;
  assert.equal((await clients[1].call('GET', encoded)).json().status, 'DONE', 'the license written as %7E is another');
  assert.equal((await first.status('same')).json().status, 'PENDING');
});

// ---- under load ----

/**
 * So many connections call without a pause while `act` runs between: what was called after it returned must obey.
 * @param {(when: 'before'|'after', i: number) => Promise<void>} call one call and its check; 'during' is free
 */
async function underLoad(act, call) {
  let phase = 'before';
  const counts = { before: 0, during: 0, after: 0 };
  const enough = () => phase === 'after' && counts.after >= 4 * MANY;
  const workers = Array.from({ length: MANY }, async (_, i) => {
    while (!enough()) {
      const began = phase;
      const isRight = await call(i);
      const ended = phase;
      if (began === 'after') assert.ok(isRight.after, `a call after it returned does not obey: ${isRight.said}`);
      if (ended === 'before') assert.ok(isRight.before, `a call before it began obeys: ${isRight.said}`);
      counts[began === ended ? began : 'during']++;
    }
  });
  const acting = (async () => {
    while (counts.before < 2 * MANY) await new Promise((done) => setTimeout(done, 5));
    phase = 'during';
    await act();
    phase = 'after';
  })();
  await Promise.all([acting, ...workers]);
  return counts;
}

test('after a key is revoked the very next call is refused, under load', async (t) => {
  const server = await startServer(t);
  const client = await server.account();
  for (let round = 0; round < 6; round++) {
    const { stdout } = await server.cli(['key', 'add', '--license', 'shop1', '--scopes', 'ingest,read']);
    const { number, key } = JSON.parse(stdout);
    const byCommand = () => revoke(server, 'shop1', number);
    const byCall = async () => assert.equal((await client.call('DELETE', `/api/keys/${number}`)).status, 200);
    let n = 0;
    await underLoad(round % 2 ? byCall : byCommand, async (i) => {
      const fields = { userId: `user ${round} ${i}`, eventName: 'Clicked', eventData: { n: n++ } };
      const { status, text } = await client.event(fields, { key });
      return { before: status === 201, after: status === 401, said: `${status} ${text}` };
    });
    assert.equal((await client.read(`user ${round} 0`, { key })).status, 401);
    assert.equal((await client.read(`user ${round} 0`)).status, 200);
  }
});

test('after a restriction is answered the very next call obeys it, and after its end too, under load', async (t) => {
  const server = await startServer(t);
  const client = await server.account();
  await client.user({ userId: 'ann' });
  const ask = (type, round) => async () => {
    const byCommand = () => server.cli(['request', type, '--license', 'shop1', '--user-id', 'ann']);
    const byCall = () => client.gdpr(type, 'ann');
    const answer = await (round % 2 ? byCall() : byCommand());
    assert.ok(answer.status === 201 || answer.code === 0, answer.text ?? answer.stderr);
  };
  const look = async (good, bad) => {
    const { status, text } = await client.read('ann');
    return { before: status === good, after: status === bad, said: `${status} ${text}` };
  };
  let n = 0;
  const sent = { before: new Set(), after: new Set() };
  for (let round = 0; round < 4; round++) {
    let isOver = false;
    let hasBegun = false;
    const restrict = async () => {
      hasBegun = true;
      await ask(round % 2 ? 'restriction' : 'restrict', round)();
      isOver = true;
    };
    await underLoad(restrict, async (i) => {
      if (i % 2) return look(200, 403);
      const number = n++;
      const set = isOver ? sent.after : undefined;
      const { status, text } = await client.event({ userId: 'ann', eventName: 'Clicked', eventData: { number } });
      if (set) set.add(number);
      else if (!hasBegun) sent.before.add(number);
      return { before: status === 201, after: status === 201, said: `${status} ${text}` };
    });
    await underLoad(ask('re-enable', round), () => look(403, 200));
  }
  const held = new Set((await client.events('ann')).events.map(({ eventData }) => eventData.number));
  assert.deepEqual(
    [...sent.before].filter((number) => !held.has(number)),
    [],
    'accepted before, and lost',
  );
  assert.deepEqual(
    [...sent.after].filter((number) => held.has(number)),
    [],
    'sent after the restriction, and recorded',
  );
  assert.ok(sent.before.size > MANY && sent.after.size > MANY);
});
