// Flat or not: each limit is a row that says what it looks at, what may be, and what was.
const MB = 1 << 20;
const PAIR_ROWS = 4_000_000; // rows of an open pair of volumes, src/work/engine.c
const ID_BYTES = 26; // a remembered message id at most, doc/operating.md: its table grows until 16 million are there
const STEADY_MS = 2; // by so much two medians of p99 may differ in any case
const STEADY_MB = 32;

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
const column = (samples, key) => samples.map((sample) => sample[key]);

/** The second quarter, when all is warm, and the last. */
function quarters(samples, key) {
  const quarter = Math.max(1, Math.floor(samples.length / 4));
  return { early: median(column(samples.slice(quarter, 2 * quarter), key)), late: median(column(samples.slice(-quarter), key)) };
}

/** @typedef {{ what: string, was: number, limit: number, unit: string, note?: string }} Finding a breach when was > limit */

function memory(samples, { memoryMax }) {
  const { early, late } = quarters(samples, 'memory');
  const ids = quarters(samples, 'message_ids');
  const allowed = STEADY_MB + 0.05 * early + Math.max(0, ids.late - ids.early) * ID_BYTES / MB;
  return [
    { what: 'memory, growth', was: late - early, limit: allowed, unit: 'MB', note: 'last quarter over the second' },
    { what: 'memory, most', was: Math.max(...column(samples, 'memory')), limit: memoryMax, unit: 'MB' },
  ];
}

/** Only stretches in which strangers left the machine alone; of too few nothing is said. */
export const undisturbed = (samples) => samples.filter(({ strangers }) => strangers <= 0.15);

function latency(all, { p99Max }) {
  const samples = undisturbed(all);
  if (samples.length < 4) return [];
  const { early, late } = quarters(samples, 'p99');
  return [
    { what: 'p99, median of undisturbed stretches', was: median(column(samples, 'p99')), limit: p99Max, unit: 'ms' },
    { what: 'p99, last quarter', was: late, limit: 1.5 * early + STEADY_MS, unit: 'ms', note: '1.5 x the second quarter' },
  ];
}

function files(samples) {
  const last = samples.at(-1);
  const { early, late } = quarters(samples, 'openFiles');
  return [
    { what: 'largest log', was: Math.max(...column(samples, 'log')) / MB, limit: 64, unit: 'MB' },
    { what: 'files', was: last.files, limit: 32 + 3 * last.volumes, unit: '', note: '32 and 3 a volume' },
    { what: 'open files, growth', was: late - early, limit: 16 + 3 * last.volumes, unit: '' },
  ];
}

function volumes(samples) {
  const last = samples.at(-1);
  const pairs = Math.ceil(last.events_accepted_total / PAIR_ROWS);
  return [
    { what: 'volumes', was: last.volumes, limit: 4 + pairs, unit: '', note: 'the open and the closing pair, and one for 4 M events' },
    { what: 'rows in open volumes', was: Math.max(...column(samples, 'events_open')) / 1e6, limit: 2.2 * PAIR_ROWS / 1e6, unit: 'M' },
  ];
}

function nothingWrong(samples, { wrong, failed, unfinished, lost }) {
  const last = samples.at(-1);
  const none = (what, was, note) => ({ what, was, limit: 0, unit: '', note });
  return [
    none('calls of the load that failed', failed),
    none('events refused', last.events_refused_total),
    none('groups not committed', last.commit_groups_failed_total),
    none('rights answered wrongly', wrong.length, [...new Set(wrong)].slice(0, 3).join('; ')),
    none('requests not done when all was still', unfinished),
    none('events of before the restart that are not there', lost),
  ];
}

const restart = (_, { stopSeconds, readySeconds, readyMax }) => [
  { what: 'stop', was: stopSeconds, limit: 30, unit: 's' },
  { what: 'start until ready', was: readySeconds, limit: readyMax, unit: 's' },
];

/** @returns {Finding[]} */
export function judge(samples, facts) {
  return [memory, latency, files, volumes, nothingWrong, restart].flatMap((about) => about(samples, facts));
}

export const broken = ({ was, limit }) => !(was <= limit);

export function printFindings(findings) {
  const number = (value) => (Number.isInteger(value) ? String(value) : value.toFixed(2));
  for (const finding of findings) {
    const { what, was, limit, unit, note } = finding;
    console.log(`${broken(finding) ? 'BREACH' : 'ok    '}  ${what.padEnd(48)} ${`${number(was)} ${unit}`.padStart(12)}` +
      `   limit ${number(limit)} ${unit}${note ? ` (${note})` : ''}`);
  }
}
