// From the rounds of a row to what is printed and kept.
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { root } from './place.mjs';

const folder = join(root, 'bench/results');
const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
const round = (value, digits) => (Number.isFinite(value) ? Number(value.toFixed(digits)) : null);

/** The release measured last, by its number, or null. */
export function lastSaved() {
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.json')) : [];
  names.sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  return names.length ? JSON.parse(readFileSync(join(folder, names.at(-1)), 'utf8')) : null;
}

/** @param {Record<'product'|'floor'|'peer', Record<string, number>[]>} got @param {Record<string, number>} beside */
export function figuresOf(row, got, beside, before) {
  const of = (side, key) => (got[side].length ? median(got[side].map((figures) => figures[key])) : NaN);
  const events = (side) => of(side, 'events_per_s');
  const rates = got.product.map((figures) => figures.events_per_s);
  const old = before?.table.find(({ scenario }) => scenario === row.name);
  return {
    'scenario': row.name,
    'events/s': round(events('product'), 0), 'floor': round(events('floor'), 0), 'peer': round(events('peer'), 0),
    'of floor': round(events('product') / events('floor'), 2), 'before': old?.['of floor'] ?? null,
    'of peer': round(events('product') / events('peer'), 1),
    'p50 ms': round(of('product', 'p50_us') / 1000, 2), 'p99 ms': round(of('product', 'p99_us') / 1000, 1),
    'floor p99': round(of('floor', 'p99_us') / 1000, 1), 'peer p99': round(of('peer', 'p99_us') / 1000, 1),
    'CPU us/event': round(of('product', 'srv_cpu_us_per_event'), 1), 'CPU before': old?.['CPU us/event'] ?? null,
    'floor CPU': round(of('floor', 'srv_cpu_us_per_event'), 1), 'peer CPU': round(of('peer', 'srv_cpu_us_per_event'), 1),
    'bytes/event': round(beside.bytes, 0), 'peer bytes': round(beside.peerBytes, 0),
    'memory MB': round(beside.memory, 0),
    'spread': round(Math.max(...rates) / Math.min(...rates), 2),
    'generator': round(median(got.product.map((figures) => figures.gen_cpu_s / figures.seconds)), 2),
    'strangers': round(Math.max(...Object.values(got).flat().map((figures) => figures.foreign_cpu)), 2),
  };
}

/** Two tables, for one would be wider than most screens: how fast, and at what cost. */
export function print(table) {
  const columns = Object.keys(table[0]);
  const half = columns.indexOf('CPU us/event');
  printColumns(table, columns.slice(0, half));
  console.log();
  printColumns(table, ['scenario', ...columns.slice(half)]);
}

/** Columns in which no row has anything are left out. */
function printColumns(table, wanted) {
  const columns = wanted.filter((name) => table.some((row) => row[name] !== null));
  const text = (value) => (value === null ? '-' : typeof value === 'number' ? value.toLocaleString('en-US') : value);
  // A heading of two words takes two lines.
  const heads = columns.map((name) => (/ /.test(name) ? name.split(/ (.*)/, 2) : ['', name]));
  const widths = columns.map((name, i) =>
    Math.max(...heads[i].map((word) => word.length), ...table.map((row) => text(row[name]).length)));
  const line = (cells) => cells.map((cell, i) => (i ? cell.padStart(widths[i]) : cell.padEnd(widths[i]))).join('  ');
  console.log(line(heads.map(([first]) => first)));
  console.log(line(heads.map(([, second]) => second)));
  for (const row of table) console.log(line(columns.map((name) => text(row[name]))));
}

export function save(name, table, beside) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify({ name, ...beside, table }, null, 2)}\n`);
}
