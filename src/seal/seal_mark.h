/* Whether this program's seal is the real one. Apart from seal.h, because anybody may ask. */
#ifndef HABEAS_SEAL_SEAL_MARK_H
#define HABEAS_SEAL_SEAL_MARK_H

#include <stdbool.h>

/* True in the test-only build whose seal does nothing (meson -Dcontrol=true); its data is refused by every other build. */
bool seal_is_control(void);

#endif
