// The rows of the table: what is sent, in which dialect, about whom.

const shapes = {
  'batch-100-8': { name: 'batch of 100, 8 connections', kind: 'batch', batch: 100, conns: 8 },
  'batch-100-32': { name: 'batch of 100, 32 connections', kind: 'batch', batch: 100, conns: 32 },
  'batch-100-128': { name: 'batch of 100, 128 connections', kind: 'batch', batch: 100, conns: 128 },
  'batch-25-8': { name: 'batch of 25, 8 connections', kind: 'batch', batch: 25, conns: 8 },
  'batch-25-32': { name: 'batch of 25, 32 connections', kind: 'batch', batch: 25, conns: 32 },
  'batch-25-128': { name: 'batch of 25, 128 connections', kind: 'batch', batch: 25, conns: 128 },
  'single-32': { name: 'single, 32 connections', kind: 'event', batch: 1, conns: 32 },
  'single-128': { name: 'single, 128 connections', kind: 'event', batch: 1, conns: 128 },
};
const styles = { webengage: '', segment: ', Segment' };

/** `known`: how many people the directory holds before; `env`: for the load script. Filled with each person's first event. */
const people = {
  '10k': { name: '', known: 10_000, script: 'shared', env: { USERS: '10000' } },
  '1m': { name: ', 1 M people', known: 1_000_000, script: 'people', env: { PEOPLE: 'any', USERS: '1000000' } },
  'new': { name: ', new people', known: 0, script: 'people', env: { PEOPLE: 'next' } },
  'new-beside-1m': { name: ', new people beside 1 M', known: 1_000_000, script: 'people', env: { PEOPLE: 'next' } },
};

/** What `make bench` takes: about six minutes. */
const few = [
  'batch-100-8 webengage 10k', 'batch-25-8 webengage 10k', 'single-32 webengage 10k', 'single-128 webengage 10k',
  'batch-100-8 segment 10k', 'single-32 segment 10k', 'batch-100-8 webengage 1m', 'batch-100-8 webengage new',
];

const row = (shape, style, whom) => ({
  id: `${shape} ${style} ${whom}`,
  ...shapes[shape],
  name: shapes[shape].name + styles[style] + people[whom].name,
  style, known: people[whom].known, script: people[whom].script,
  env: { ...people[whom].env, BATCH: String(shapes[shape].batch) },
});

function chosen(table, list, option) {
  const names = list ? list.split(',') : Object.keys(table);
  for (const name of names)
    if (!(name in table)) throw new Error(`${option}: there is no ${name}; there are ${Object.keys(table).join(', ')}`);
  return names;
}

/** Those of one `people` stand together, so that each is filled once. */
export function rowsFor({ full, shapes: shape, styles: style, people: whom }) {
  const all = chosen(people, whom, '--people').flatMap((p) =>
    chosen(styles, style, '--styles').flatMap((s) => chosen(shapes, shape, '--shapes').map((h) => row(h, s, p))));
  return full || shape || style || whom ? all : all.filter(({ id }) => few.includes(id));
}
