// The paper's AttachmentTrigger: tells a gateway (magd) that a station has come to this access point or left it.
// See docs/attachment.md. Nothing but the C library and sha256.c:
//   $CC -Os -I CSHA256/include magd-trigger/magd-trigger.c CSHA256/sha256.c -o magd-trigger
#define _DEFAULT_SOURCE
#include "sha256.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

enum { BODY = 26, MESSAGE = BODY + SHA256_LENGTH, VERSION = 1, ANSWER = 0x80, MINIMUM_KEY = 16, MAXIMUM_KEY = 64 };
enum { DONE = 0, NOT_ANSWERED = 1, WRONG_USAGE = 2 };

static const char usage[] =
    "usage: magd-trigger -g GATEWAY -i KEY-ID -k KEY-FILE [-p PORT] [-t MILLISECONDS] [-n TIMES] [IFNAME] EVENT STATION\n"
    "  -g  address or name of the gateway\n"
    "  -i  number of the key\n"
    "  -k  file with the key, hexadecimal, not readable by others\n"
    "  -p  UDP port of the gateway, default 5213\n"
    "  -t  wait for an answer this long before the message is repeated, default 200\n"
    "  -n  send the message at most so often, default 5\n"
    "EVENT: up, down, inactive, or as hostapd_cli calls its action script: AP-STA-CONNECTED, AP-STA-DISCONNECTED;\n"
    "other events of hostapd are ignored. Status: 0 the gateway has taken it, 1 it has not answered, 2 wrong usage.\n";

static void fail(const char *what, const char *why) {
  fprintf(stderr, "magd-trigger: %s: %s\n", what, why);
  exit(WRONG_USAGE);
}

static unsigned long number(const char *text, unsigned long maximum) {
  char *end;
  errno = 0;
  unsigned long value = strtoul(text, &end, 10);
  if (*text < '0' || *text > '9' || *end || errno || value > maximum) fail(text, "is no number in its range");
  return value;
}

static int digit(int character) {
  if (character >= '0' && character <= '9') return character - '0';
  if (character >= 'a' && character <= 'f') return character - 'a' + 10;
  if (character >= 'A' && character <= 'F') return character - 'A' + 10;
  return -1;
}

static size_t read_key(const char *path, uint8_t *key) {
  FILE *file = fopen(path, "r");
  if (!file) fail(path, strerror(errno));
  struct stat status;
  if (fstat(fileno(file), &status) || status.st_mode & 077) fail(path, "can be read by others; chmod 600 it");
  size_t length = 0;
  int high, low;
  while ((high = digit(fgetc(file))) >= 0) {
    low = digit(fgetc(file));
    if (low < 0 || length == MAXIMUM_KEY) fail(path, "expected 32 to 128 hexadecimal digits");
    key[length++] = (uint8_t)(high << 4 | low);
  }
  fclose(file);
  if (length < MINIMUM_KEY) fail(path, "expected 32 to 128 hexadecimal digits");
  return length;
}

static void put(uint8_t *octets, uint64_t value, unsigned count) {
  for (unsigned i = 0; i < count; i++) octets[i] = (uint8_t)(value >> (8 * (count - 1 - i)));
}

// 0: an event that is none of ours.
static uint8_t event_number(const char *name) {
  static const struct {
    const char *name;
    uint8_t number;
  } events[] = {
      {"up", 1}, {"AP-STA-CONNECTED", 1}, {"down", 2}, {"AP-STA-DISCONNECTED", 2}, {"inactive", 3},
  };
  for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
    if (!strcmp(name, events[i].name)) return events[i].number;
  }
  return 0;
}

static int same(const uint8_t *a, const uint8_t *b, size_t length) {
  uint8_t difference = 0;
  for (size_t i = 0; i < length; i++) difference |= a[i] ^ b[i];
  return difference == 0;
}

static int open_socket(const char *gateway, const char *port) {
  struct addrinfo hints = {.ai_socktype = SOCK_DGRAM}, *found;
  int error = getaddrinfo(gateway, port, &hints, &found);
  if (error) fail(gateway, gai_strerror(error));
  int descriptor = -1;
  for (struct addrinfo *each = found; each && descriptor < 0; each = each->ai_next) {
    descriptor = socket(each->ai_family, each->ai_socktype, each->ai_protocol);
    if (descriptor >= 0 && connect(descriptor, each->ai_addr, each->ai_addrlen)) {
      close(descriptor);
      descriptor = -1;
    }
  }
  if (descriptor < 0) fail(gateway, strerror(errno));
  freeaddrinfo(found);
  return descriptor;
}

static int64_t milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// Whether `answer` arrives within `wait` milliseconds.
static int is_answered(int descriptor, const uint8_t answer[MESSAGE], int64_t wait) {
  int64_t end = milliseconds() + wait;
  for (int64_t left = wait; left > 0; left = end - milliseconds()) {
    struct pollfd ready = {.fd = descriptor, .events = POLLIN};
    if (poll(&ready, 1, (int)left) <= 0) continue;
    uint8_t received[MESSAGE + 1];
    ssize_t length = recv(descriptor, received, sizeof received, 0);
    if (length == MESSAGE && same(received, answer, MESSAGE)) return 1;
    // Nobody listens (yet); wait all the same, or the repetitions would be over at once.
    if (length < 0 && (left = end - milliseconds()) > 0) poll(NULL, 0, (int)left);
  }
  return 0;
}

int main(int count, char **arguments) {
  const char *gateway = NULL, *key_file = NULL, *key_number = NULL, *port = "5213";
  unsigned long wait = 200, times = 5;
  for (int option; (option = getopt(count, arguments, "g:i:k:p:t:n:h")) != -1;) {
    switch (option) {
    case 'g': gateway = optarg; break;
    case 'i': key_number = optarg; break;
    case 'k': key_file = optarg; break;
    case 'p': port = optarg; break;
    case 't': wait = number(optarg, 60000); break;
    case 'n': times = number(optarg, 1000); break;
    case 'h': fputs(usage, stdout); return DONE;
    default: fputs(usage, stderr); return WRONG_USAGE;
    }
  }
  arguments += optind;
  count -= optind;
  if (!gateway || !key_number || !key_file || count < 1) {
    fputs(usage, stderr);
    return WRONG_USAGE;
  }
  // hostapd_cli puts the interface before the event.
  uint8_t event = event_number(arguments[0]);
  if (!event && count > 1) {
    event = event_number(arguments[1]);
    arguments++;
    count--;
  }
  if (!event && (!strncmp(arguments[0], "AP-", 3) || !strncmp(arguments[0], "CTRL-", 5))) return DONE;
  if (!event || count < 2) {
    fputs(usage, stderr);
    return WRONG_USAGE;
  }
  unsigned octets[6];
  char rest;
  if (sscanf(arguments[1], "%2x:%2x:%2x:%2x:%2x:%2x%c", octets, octets + 1, octets + 2, octets + 3, octets + 4, octets + 5,
             &rest) != 6) {
    fail(arguments[1], "is no link-layer address such as 02:00:00:00:01:01");
  }

  uint8_t key[MAXIMUM_KEY];
  size_t key_length = read_key(key_file, key);
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  uint8_t message[MESSAGE] = {'F', 'M', 'A', 'T', VERSION, event};
  put(message + 8, number(key_number, UINT32_MAX), 4);
  put(message + 12, (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000, 8);
  for (unsigned i = 0; i < 6; i++) message[20 + i] = (uint8_t)octets[i];
  uint8_t answer[MESSAGE];
  memcpy(answer, message, BODY);
  answer[5] |= ANSWER;
  hmac_sha256(key, key_length, message, BODY, message + BODY);
  hmac_sha256(key, key_length, answer, BODY, answer + BODY);

  int descriptor = open_socket(gateway, port);
  for (unsigned long i = 0; i < times; i++) {
    // A refusal of the sending before is reported here; the repetition is the remedy.
    if (send(descriptor, message, MESSAGE, 0) < 0) (void)send(descriptor, message, MESSAGE, 0);
    if (is_answered(descriptor, answer, (int64_t)wait)) return DONE;
  }
  fprintf(stderr, "magd-trigger: %s does not answer; check address, key and the clocks of both\n", gateway);
  return NOT_ANSWERED;
}
