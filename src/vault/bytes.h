/* Integers as fixed little-endian bytes: what records are bound to and what headers hold reads the same on every machine. */
#ifndef HABEAS_VAULT_BYTES_H
#define HABEAS_VAULT_BYTES_H

#include <stdint.h>

static inline unsigned char *put_u32(unsigned char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (unsigned char)(value >> (8 * i));
    return at + 4;
}

static inline unsigned char *put_u64(unsigned char *at, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        at[i] = (unsigned char)(value >> (8 * i));
    return at + 8;
}

static inline uint32_t get_u32(const unsigned char *at)
{
    uint32_t value = 0;

    for (int i = 0; i < 4; i++)
        value |= (uint32_t)at[i] << (8 * i);
    return value;
}

static inline uint64_t get_u64(const unsigned char *at)
{
    uint64_t value = 0;

    for (int i = 0; i < 8; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

#endif
