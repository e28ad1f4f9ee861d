/* Data that was parked while an erasure waited, taken in when it was cancelled: each item once, as of its own time, judged
 * by the rights of that time. Runs on the worker; a crash in the middle is made up for at the next start. */
#ifndef HABEAS_INTAKE_PARKED_H
#define HABEAS_INTAKE_PARKED_H

#include "work/engine.h"

struct replayer;
struct replayer *replayer_new(void);
void replayer_free(struct replayer *replayer);
/* Calls `resume(waiter)` once everything parked until now for anybody who is free again has been taken in. */
void replayer_await(struct replayer *replayer, struct engine *engine, void (*resume)(void *), void *waiter);
/* The worker's job; `replayer` is its arg. */
int64_t replayer_run(struct engine *engine, void *replayer, int64_t now_ms);

#endif
