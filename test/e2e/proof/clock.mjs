// Moves a server's clock (clock.c): what happens at the end of a day is made to happen now.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const DAY_S = 86_400;

/** Environment for a server whose clock is so many days ahead; the library lies in the server's own root. */
export function daysAhead(server, days) {
  const library = join(server.root, 'clock.so');
  const source = fileURLToPath(new URL('clock.c', import.meta.url));
  if (!existsSync(library))
    execFileSync('cc', ['-std=c17', '-D_GNU_SOURCE', '-O2', '-shared', '-fPIC', '-o', library, source]);
  return { LD_PRELOAD: library, HABEAS_CLOCK_AHEAD_S: String(days * DAY_S) };
}
