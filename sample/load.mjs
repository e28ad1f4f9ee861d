// Loads the sample shop into a server, through HTTP like any other client:
//
//   node sample/load.mjs --url http://127.0.0.1:8080 --license L --key KEY [--people 2000] [--events 200000]
//                        [--today YYYY-MM-DD]
//
// The key needs to write and to read (an api_key). --today: the last day of the data (default: today; a day that is over
// is taken to its end, today up to this minute). The data are the same for the same end and the same sizes.
//
// Twice is the same as once, however much later and wherever the first time was interrupted:
// - One anonymous person of the data set, "habeas-sample", is the marker: its attributes hold the end, the sizes, how many
//   batches are surely in, and whether all are. It is written before the first batch and after every few. A later run
//   goes by the marker: the end is the one it names, what is surely in is not sent again, and when all is in, nothing is.
// - Only the batches that were sent since the marker was last written are in doubt. A later run reads the people in them
//   back and sends just those people and events that are not there.
// - Every batch carries an x-request-id made from its content, so that sending it again in the same run, because its
//   answer was lost, changes nothing.
import { createHash } from 'node:crypto';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

import { makeShop } from './shop.mjs';

const BATCH = 250;
const MARK_EVERY = 8;
const MARKER = 'habeas-sample';
const TRIES = 8;
const TIMEOUT_MS = 60_000;

/** Something for people to read: what went wrong and what to do. */
export class LoadError extends Error {}

// ---- calls ----

class Server {
  constructor({ url, license, key, wait = sleep }) {
    Object.assign(this, { url: url.replace(/\/+$/, ''), license, key, wait, heard: false });
  }

  /** Reads one resource: its JSON, or undefined when it is not there (404), or null when it is not shown (403). */
  async read(path) {
    const answer = await this.send('GET', path);
    if (answer.status === 404) return undefined;
    if (answer.status === 403) return null;
    return this.expect(answer, 200).json;
  }

  async write(route, body, requestId) {
    const path = `/v1/accounts/${encodeURIComponent(this.license)}/${route}`;
    const answer = await this.send('POST', path, JSON.stringify(body), requestId);
    if (answer.status === 404) throw new LoadError(`there is no account "${this.license}" for this key: see --license`);
    const { response = {} } = this.expect(answer, 201).json ?? {};
    if (response.rejected?.length > 0)
      throw new LoadError(`the server refused ${response.rejected.length} of a batch: ${response.rejected[0].message}`);
    return response;
  }

  expect(answer, status) {
    if (answer.status === status && answer.json !== undefined) return answer;
    if (answer.status === 401)
      throw new LoadError('the server does not accept the key, or it may not do this: --key wants an api_key');
    const text = answer.json?.response?.message ?? answer.json?.error?.message ?? answer.text.slice(0, 200);
    throw new LoadError(`${this.url} answered ${answer.status}: ${text}`);
  }

  /** Sends; waits and sends again where the server asks for it, or where an answer was lost after there had been one. */
  async send(method, path, body, requestId) {
    for (let tries = 1; ; tries++) {
      const answer = await this.once(method, path, body, requestId);
      const again = answer.failure !== undefined ? this.heard : answer.status === 429 || answer.status === 503;
      if (answer.status !== undefined) this.heard = true;
      if (!again && answer.failure === undefined) return answer;
      if (!again) throw new LoadError(`no server answers at ${this.url} (${answer.failure}): start it or see --url`);
      if (tries === TRIES)
        throw new LoadError(
          `gave up after ${TRIES} tries: ${answer.failure ?? `the server answers ${answer.status}`}; run it again to go on`,
        );
      await this.wait(answer.retryAfterMs ?? Math.min(250 * 2 ** tries, 10_000));
    }
  }

  async once(method, path, body, requestId) {
    const headers = { authorization: `Bearer ${this.key}` };
    if (body !== undefined) headers['content-type'] = 'application/json';
    if (requestId) headers['x-request-id'] = requestId;
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const answer = await fetch(this.url + path, { method, headers, body, signal, redirect: 'error' });
      const text = await answer.text();
      return {
        status: answer.status,
        text,
        json: jsonOf(text),
        retryAfterMs: retryAfter(answer.headers.get('retry-after')),
      };
    } catch (error) {
      return { failure: error.cause?.code ?? error.cause?.message ?? error.message };
    }
  }
}

function jsonOf(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Retry-After is a number of seconds or a date. */
function retryAfter(value) {
  if (!value) return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), 300_000) : undefined;
}

function sleep(ms) {
  return new Promise((done) => setTimeout(done, ms));
}

// ---- the marker ----

async function readMarker(server) {
  const person = await server.read(`/api/anonymous/${MARKER}`);
  if (person === null)
    throw new LoadError(`"${MARKER}" is restricted, so how far the sample was loaded cannot be read`);
  if (!person) return undefined;
  const {
    'Sample Until': until,
    'Sample People': people,
    'Sample Events': events,
    'Sample Batches': batches,
    'Sample Complete': complete,
  } = person.attributes ?? {};
  const untilMs = Date.parse(until);
  if (!Number.isFinite(untilMs) || !Number.isInteger(batches))
    throw new LoadError(`"${MARKER}" is there but does not say how far the sample was loaded`);
  return { untilMs, people, events, batches, complete: complete === true };
}

function writeMarker(server, { untilMs, people, events, batches, complete }) {
  const attributes = {
    'Sample Until': new Date(untilMs).toISOString(),
    'Sample People': people,
    'Sample Events': events,
    'Sample Batches': batches,
    'Sample Complete': complete,
  };
  return server.write('users', { anonymousId: MARKER, attributes });
}

// ---- batches ----

/** All batches in order: people first. The marker is one of the people, so there is one less to send. */
function batchesOf({ people, events, untilMs }) {
  const shop = makeShop({ people: Math.max(people - 1, 0), events, untilMs });
  const cut = (list, route, member) =>
    Array.from({ length: Math.ceil(list.length / BATCH) }, (_, i) => ({
      route,
      member,
      items: list.slice(i * BATCH, (i + 1) * BATCH),
    }));
  return [...cut(shop.users, 'bulk-users', 'users'), ...cut(shop.events, 'bulk-events', 'events')];
}

function sendBatch(server, { route, member, items }, number) {
  if (items.length === 0) return {};
  const body = { [member]: items };
  const requestId = createHash('sha256')
    .update(`${number} ${JSON.stringify(body)}`)
    .digest('hex')
    .slice(0, 40);
  return server.write(route, body, requestId);
}

const pathOf = ({ userId, anonymousId }) =>
  userId ? `/api/users/${encodeURIComponent(userId)}` : `/api/anonymous/${encodeURIComponent(anonymousId)}`;

/** What of a batch in doubt is not there yet. People who may not be looked at (restricted) are left as they are. */
async function missingOf(server, batch, seen) {
  const missing = [];
  for (const item of batch.items) {
    const path = pathOf(item);
    if (!seen.has(path))
      seen.set(path, batch.member === 'users' ? await server.read(path) : await heldEvents(server, path));
    const held = seen.get(path);
    if (held === undefined || (held instanceof Map && !takeOne(held, keyOf(item)))) missing.push(item);
  }
  return { ...batch, items: missing };
}

/** Tells one event of a person from another: nothing else is the same twice. Numbers and flags compare as JSON has them. */
function keyOf({ eventName, eventTime, eventData }) {
  const data = Object.keys(eventData)
    .sort()
    .map((name) => [name, eventData[name]]);
  return JSON.stringify([eventName, Date.parse(isoOf(eventTime)), data]);
}

function isoOf(time) {
  return time.replace(/([+-]\d\d)(\d\d)$/, '$1:$2');
}

/** A person's events as a bag of keys; undefined when the person is not there, null when not shown. */
async function heldEvents(server, path) {
  const bag = new Map();
  let cursor = null;
  do {
    const page = await server.read(`${path}/events?limit=1000${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`);
    if (!page) return page;
    for (const event of page.events) bag.set(keyOf(event), (bag.get(keyOf(event)) ?? 0) + 1);
    cursor = page.cursor;
  } while (cursor !== null);
  return bag;
}

function takeOne(bag, key) {
  const count = bag.get(key) ?? 0;
  bag.set(key, count - 1);
  return count > 0;
}

// ---- the whole ----

/**
 * @param {{ url: string, license: string, key: string, people?: number, events?: number, today?: string,
 *   now?: number, wait?: (ms: number) => Promise<void>, progress?: (done: number, all: number) => void }} options
 * @returns {Promise<{ untilMs: number, people: number, events: number, sent: number, wasThere: boolean, ignored: string[] }>}
 */
export async function load({
  people = 2000,
  events = 200_000,
  today,
  now = Date.now(),
  progress = () => {},
  ...options
}) {
  const server = new Server(options);
  const before = await readMarker(server);
  const plan = before ?? { untilMs: endOf(today, now), people, events, batches: 0, complete: false };
  if (before && (before.people !== people || before.events !== events))
    throw new LoadError(
      `a sample of ${before.people} people and ${before.events} events is there already: this account can hold one only`,
    );
  if (before?.complete) return { ...plan, sent: 0, wasThere: true, ignored: [] };
  const batches = batchesOf(plan);
  if (!before) await begin(server, plan, batches);
  const result = await sendAll(server, plan, batches, before !== undefined, progress);
  await writeMarker(server, { ...plan, batches: batches.length, complete: true });
  return { ...plan, ...result, wasThere: false };
}

/** Without a marker nothing of the sample may be there: its marker was removed then, and sending would double it. */
async function begin(server, plan, batches) {
  const [first] = batches[0]?.items ?? [];
  if (first && (await server.read(pathOf(first))) !== undefined)
    throw new LoadError(`the sample is there but its marker "${MARKER}" is not: load it into another account`);
  await writeMarker(server, plan);
}

async function sendAll(server, plan, batches, resumed, progress) {
  const doubtful = resumed ? plan.batches + MARK_EVERY : 0;
  const seen = new Map();
  const ignored = new Set();
  let sent = 0;
  for (let i = plan.batches; i < batches.length; i++) {
    if (batches[i].member !== batches[i - 1]?.member) seen.clear();
    const batch = i < doubtful ? await missingOf(server, batches[i], seen) : batches[i];
    const response = await sendBatch(server, batch, i);
    for (const { field, message } of response.ignored ?? []) ignored.add(`${field}: ${message}`);
    sent += batch.items.length;
    if ((i + 1) % MARK_EVERY === 0) await writeMarker(server, { ...plan, batches: i + 1, complete: false });
    progress(i + 1, batches.length);
  }
  return { sent, ignored: [...ignored] };
}

/** The last moment of the data: the end of a day that is over, else this minute. */
function endOf(today, now) {
  const day = Date.parse(`${today ?? new Date(now).toISOString().slice(0, 10)}T00:00:00Z`);
  if (!Number.isFinite(day) || (today && !/^\d{4}-\d\d-\d\d$/.test(today)))
    throw new LoadError('--today wants a day: YYYY-MM-DD');
  if (day > now) throw new LoadError('--today lies in the future');
  return Math.min(day + 86_400_000 - 1000, Math.floor(now / 60_000) * 60_000);
}

// ---- the command ----

const USAGE = `usage: node sample/load.mjs --url URL --license LICENSE --key KEY [--people 2000] [--events 200000] [--today YYYY-MM-DD]`;

function readOptions(line) {
  const text = { type: 'string' };
  const options = {
    url: text,
    license: text,
    key: text,
    people: text,
    events: text,
    today: text,
    help: { type: 'boolean' },
  };
  const { values } = parseArgs({ args: line, options });
  for (const name of ['url', 'license', 'key'])
    if (!values[name] && !values.help) throw new TypeError(`--${name} is missing`);
  for (const [name, most] of [
    ['people', 1_000_000],
    ['events', 10_000_000],
  ])
    if (values[name] !== undefined) values[name] = wholeNumber(name, values[name], most);
  if (values.url && !/^https?:\/\//.test(values.url))
    throw new TypeError('--url wants http://HOST:PORT or https://...');
  return values;
}

function wholeNumber(name, text, most) {
  if (!/^\d+$/.test(text) || Number(text) < 1 || Number(text) > most)
    throw new TypeError(`--${name} wants a number from 1 to ${most}`);
  return Number(text);
}

/** A bar on a terminal, else a line every tenth. */
function progressOn(stream) {
  let tenth = 0;
  return (done, all) => {
    const part = done / all;
    if (stream.isTTY) {
      const bar = '#'.repeat(Math.floor(part * 40)).padEnd(40, '.');
      stream.write(`\rsample: [${bar}] ${Math.floor(part * 100)} %${done === all ? '\n' : ''}`);
    } else if (Math.floor(part * 10) > tenth) {
      tenth = Math.floor(part * 10);
      stream.write(`sample: ${tenth * 10} %\n`);
    }
  };
}

async function main(line) {
  const options = readOptions(line);
  if (options.help) return console.log(USAGE);
  const begin = Date.now();
  const { untilMs, people, events, wasThere, ignored } = await load({
    ...options,
    progress: progressOn(process.stderr),
  });
  const what = `${people} people and ${events} events over 90 days up to ${new Date(untilMs).toISOString()}`;
  if (wasThere) return console.log(`sample: already there: ${what}`);
  for (const message of ignored) console.error(`sample: taken in part: ${message}`);
  console.log(`sample: loaded ${what} in ${((Date.now() - begin) / 1000).toFixed(1)} s`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  main(process.argv.slice(2)).catch((error) => {
    const isUsage =
      error instanceof TypeError &&
      !(error instanceof LoadError) &&
      (error.code?.startsWith('ERR_PARSE_ARGS') || error.message.startsWith('--'));
    console.error(
      error instanceof LoadError ? `sample: ${error.message}` : isUsage ? `sample: ${error.message}\n${USAGE}` : error,
    );
    process.exitCode = isUsage ? 2 : 1;
  });
