/* A lock for files that readers use for one slice at a time. Many may share it; who wants it alone waits for a stated
 * time at most, and while somebody waits nobody new comes in, so that a steady stream of readers starves no one. */
#ifndef HABEAS_VAULT_HOLD_H
#define HABEAS_VAULT_HOLD_H

#include <pthread.h>
#include <stdbool.h>

struct hold {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    unsigned sharing, waiting;
    bool alone;
};

void hold_init(struct hold *hold);
void hold_clear(struct hold *hold);

void hold_share(struct hold *hold);
void hold_unshare(struct hold *hold);
/* False when those who share it did not leave within `wait_ms`. */
bool hold_alone(struct hold *hold, int wait_ms);
void hold_release(struct hold *hold);

#endif
