// SHA-256 (FIPS 180-4) and HMAC-SHA-256 (RFC 2104), with nothing but the C language below, so that magd-trigger builds
// for any access point.
#ifndef FLOWMOB_SHA256_H
#define FLOWMOB_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { SHA256_LENGTH = 32, SHA256_BLOCK = 64 };

void sha256(const uint8_t *data, size_t length, uint8_t digest[SHA256_LENGTH]);
void hmac_sha256(
    const uint8_t *key, size_t key_length, const uint8_t *data, size_t length, uint8_t digest[SHA256_LENGTH]);

#endif
