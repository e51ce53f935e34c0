#include "sha256.h"

#include <string.h>

static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

// A message that arrives in parts.
struct state {
  uint32_t words[8];
  uint64_t length;
  uint8_t block[SHA256_BLOCK];
  size_t filled;
};

static uint32_t rotate(uint32_t value, unsigned count) { return value >> count | value << (32 - count); }

static void start(struct state *state) {
  static const uint32_t initial[8] = {
      0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
  };
  memcpy(state->words, initial, sizeof initial);
  state->length = 0;
  state->filled = 0;
}

static void compress(struct state *state) {
  uint32_t schedule[64];
  for (unsigned t = 0; t < 16; t++) {
    const uint8_t *octets = state->block + 4 * t;
    schedule[t] = (uint32_t)octets[0] << 24 | (uint32_t)octets[1] << 16 | (uint32_t)octets[2] << 8 | octets[3];
  }
  for (unsigned t = 16; t < 64; t++) {
    uint32_t before2 = schedule[t - 2], before15 = schedule[t - 15];
    uint32_t s0 = rotate(before15, 7) ^ rotate(before15, 18) ^ before15 >> 3;
    uint32_t s1 = rotate(before2, 17) ^ rotate(before2, 19) ^ before2 >> 10;
    schedule[t] = s1 + schedule[t - 7] + s0 + schedule[t - 16];
  }
  uint32_t v[8];
  memcpy(v, state->words, sizeof v);
  for (unsigned t = 0; t < 64; t++) {
    uint32_t sum1 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
    uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
    uint32_t first = v[7] + sum1 + choice + constants[t] + schedule[t];
    uint32_t sum0 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
    uint32_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
    memmove(v + 1, v, 7 * sizeof v[0]);
    v[4] += first;
    v[0] = first + sum0 + majority;
  }
  for (unsigned i = 0; i < 8; i++) state->words[i] += v[i];
  state->filled = 0;
}

static void add(struct state *state, const uint8_t *data, size_t length) {
  state->length += length;
  while (length > 0) {
    size_t room = SHA256_BLOCK - state->filled;
    size_t part = length < room ? length : room;
    memcpy(state->block + state->filled, data, part);
    state->filled += part;
    data += part;
    length -= part;
    if (state->filled == SHA256_BLOCK) compress(state);
  }
}

static void finish(struct state *state, uint8_t digest[SHA256_LENGTH]) {
  uint64_t bits = state->length * 8;
  state->block[state->filled++] = 0x80;
  if (state->filled > SHA256_BLOCK - 8) {
    memset(state->block + state->filled, 0, SHA256_BLOCK - state->filled);
    compress(state);
  }
  memset(state->block + state->filled, 0, SHA256_BLOCK - 8 - state->filled);
  for (unsigned i = 0; i < 8; i++) state->block[SHA256_BLOCK - 8 + i] = (uint8_t)(bits >> (56 - 8 * i));
  compress(state);
  for (unsigned i = 0; i < SHA256_LENGTH; i++) digest[i] = (uint8_t)(state->words[i / 4] >> (24 - 8 * (i % 4)));
}

void sha256(const uint8_t *data, size_t length, uint8_t digest[SHA256_LENGTH]) {
  struct state state;
  start(&state);
  add(&state, data, length);
  finish(&state, digest);
}

void hmac_sha256(
    const uint8_t *key, size_t key_length, const uint8_t *data, size_t length, uint8_t digest[SHA256_LENGTH]) {
  uint8_t block[SHA256_BLOCK] = {0};
  if (key_length > SHA256_BLOCK) {
    sha256(key, key_length, block);
  } else {
    memcpy(block, key, key_length);
  }
  struct state state;
  start(&state);
  for (unsigned i = 0; i < SHA256_BLOCK; i++) block[i] ^= 0x36;
  add(&state, block, sizeof block);
  add(&state, data, length);
  finish(&state, digest);
  start(&state);
  for (unsigned i = 0; i < SHA256_BLOCK; i++) block[i] ^= 0x36 ^ 0x5c;
  add(&state, block, sizeof block);
  add(&state, digest, SHA256_LENGTH);
  finish(&state, digest);
}
