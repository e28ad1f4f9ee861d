// The ingestion benchmark: one table of this build beside the floor and the peer, all driven by the same generator in
// interleaved rounds, as medians and their ratios. doc/performance.md says what the columns mean.
//
//   bench/run [--full] [--shapes ...] [--styles ...] [--people ...]    which rows; lists with commas, see lib/rows.mjs
//             [--rounds 3] [--secs 3] [--no-peer] [--save NAME] [--hurry]
//
// HABEAS_BENCH_TOOLS names the folder with `load/`, `limits/` and `peer-node-postgres/` (default: ../shared/bench beside this
// checkout), HABEAS_BENCH_PLACE where data lies meanwhile (default: the temporary folder; it decides which disk is measured),
// HABEAS_PROGRAM another build. Needs wrk, python3 and gcc; the peer is left out where PostgreSQL is not installed.
// --hurry neither waits for a quiet machine nor repeats a disturbed round: to try the scripts, not for figures.
// --save NAME keeps the table as bench/results/NAME.json; the newest one there is printed beside as "before".
import { rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { startFloor } from './lib/floor.mjs';
import { Habeas, copyData, makeData, sizeOf } from './lib/habeas.mjs';
import { startPeer } from './lib/peer.mjs';
import { place } from './lib/place.mjs';
import { rowsFor } from './lib/rows.mjs';
import { figuresOf, lastSaved, print, save } from './lib/table.mjs';
import { quietly, wrk } from './lib/wrk.mjs';

const text = { type: 'string' };
const { values: options } = parseArgs({ options: {
  full: { type: 'boolean' }, shapes: text, styles: text, people: text, 'no-peer': { type: 'boolean' }, hurry: { type: 'boolean' },
  rounds: { ...text, default: '3' }, secs: { ...text, default: '3' }, save: text } });
const [rounds, secs] = [Number(options.rounds), Number(options.secs)];
if (!(rounds >= 1 && rounds <= 99 && secs >= 1 && secs <= 600)) throw new Error('--rounds: 1 to 99; --secs: 1 to 600');

const prepared = new Map();
/** A directory that holds so many people, made once; each row begins with a copy, so that no row pays for another. */
async function preparedWith(known) {
  if (!prepared.has(known)) {
    const data = join(place, `known-${known}`);
    const account = await makeData(data);
    if (known > 0) {
      const habeas = await new Habeas(data, account).start();
      await habeas.fill(known);
      await habeas.stop();
    }
    prepared.set(known, { data, account });
  }
  return prepared.get(known);
}

let fresh = 1_000_000;
async function measure(name, side, row) {
  const env = { ...side.environment(row.style), ...row.env };
  // Each run has its own new people; nobody takes ten million in one.
  if (env.PEOPLE === 'next') env.START = String((fresh += 10_000_000));
  // The peer has no route for one Segment message: it gets a batch of one.
  const kind = name === 'peer' && row.style === 'segment' ? 'batch' : row.kind;
  const figures = await quietly(() => wrk(side.url, side.pids, { ...row, kind, secs }, env), options.hurry);
  if (figures.errors > 0 && name === 'product') throw new Error(`${row.name}: ${figures.errors} requests failed`);
  if (figures.errors > 0) console.log(`${row.name}: ${figures.errors} requests of the ${name} failed`);
  return figures;
}

/** Rounds of all sides in turn, in the other order every second time. */
async function roundsOf(row, sides) {
  const got = { product: [], floor: [], peer: [] };
  for (let i = 0; i < rounds; i++)
    for (const [name, side] of i % 2 ? [...sides].reverse() : sides)
      got[name].push(await measure(name, side, row));
  return got;
}

async function figuresFor(row) {
  const from = await preparedWith(row.known);
  const data = join(place, 'data');
  await copyData(from.data, data);
  const [product, floor] = [await new Habeas(data, from.account).start(), await startFloor()];
  const peerBefore = peer?.bytes();
  const got = await roundsOf(row, [['product', product], ['floor', floor], ...(peer ? [['peer', peer]] : [])]);
  const { events_accepted_total: events } = await product.metrics();
  const memory = product.memory('VmHWM');
  await Promise.all([product.stop(), floor.stop()]);
  const taken = (list) => list.reduce((sum, figures) => sum + figures.events_per_s * figures.seconds, 0);
  const bytes = sizeOf(data).bytes - sizeOf(from.data).bytes;
  const peerBytes = peer ? (peer.bytes() - peerBefore) / taken(got.peer) : NaN;
  rmSync(data, { recursive: true });
  rmSync(`${data}.master-key`);
  return { events, bytes, figures: figuresOf(row, got, { bytes: bytes / events, peerBytes, memory }, before) };
}

const rows = rowsFor(options);
const before = lastSaved();
const { peer, why } = options['no-peer'] ? { why: '--no-peer' } : await startPeer();
if (why) console.log(`bench: without the peer: ${why}`);
console.log(`${rows.length} rows of ${rounds} rounds of ${secs} s, ${availableParallelism()} cores`);
const all = [];
for (const row of rows) {
  all.push(await figuresFor(row));
  const { figures } = all.at(-1);
  console.log(`${row.name}: ${figures['events/s']} events/s, ${figures['of floor']} of the floor`);
}
const table = all.map(({ figures }) => figures);
console.log();
print(table);
const sum = (key, list = all) => list.reduce((total, each) => total + each[key], 0);
// Of people who were known: a new one takes a slot, rows and fingerprints beside the event.
const known = all.filter((_, i) => rows[i].known > 0 && rows[i].env.PEOPLE !== 'next');
const bytesPerEvent = known.length ? Math.round(sum('bytes', known) / sum('events', known)) : null;
console.log(`\n${sum('events')} events, ${bytesPerEvent ?? '-'} bytes on disk an event of known people` +
  (before ? `; before: ${before.name}, ${before.bytesPerEvent} bytes` : ''));
if (options.save) save(options.save, table, { events: sum('events'), bytesPerEvent });
process.exit(0);
