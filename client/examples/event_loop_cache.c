// A small cache in C around one event loop, made durable by a log: of several such processes one
// is elected, takes writes and answers reads; when it dies the next one goes on with all that was
// acknowledged.
//
//   CAIRN_ENDPOINTS=127.0.0.1:7400 event_loop_cache LOG NAME
//
// Commands come one a line on standard input; each is answered by a line as soon as it can be:
//
//   set KEY VALUE    "stored SEQ" once the write is synced on a majority; "unknown" if nobody told,
//                    and the next leader may have it or not
//   get KEY          "value VALUE", or "none"
//   anything else    "what? ..."
//
// A process that does not lead answers "not the leader", one that is full "full, try again".
// Nothing here ever waits but poll(2). A set is answered when the tail brings its record: it is
// committed then, and gets see it. A get is answered if the lease is safe *after* the value was
// found.
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cairn/cairn.h"

enum { kSlots = 4096, kText = 256, kLine = 1024, kEvents = 64 };

struct entry {
  char key[kText];
  char value[kText];
};

static struct {
  cairn_client client;
  cairn_log log;
  cairn_reader tail;
  cairn_election election;
  cairn_lease lease;  // While this process leads.
  cairn_producer producer;
  uint64_t consumed;   // Records up to here are in the table.
  uint64_t lead_from;  // Answer nobody before that one is.
  uint64_t sent;       // Sets of this reign, and how many of them were answered.
  uint64_t answered;
  int said;  // That this process leads.
  struct entry table[kSlots];
  char name[kText];
} cache;

static void say(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vprintf(format, arguments);
  va_end(arguments);
  putchar('\n');
  fflush(stdout);
}

static void give_up(const char* what, const cairn_status* why) {
  fprintf(stderr, "%s: %s: %s\n", what, cairn_status_name(why), why->message);
  exit(1);
}

// The entry of `key`, or the one where it belongs; NULL: the table is full.
static struct entry* find(const char* key) {
  uint32_t hash = 2166136261u;
  for (const char* at = key; *at != 0; ++at) hash = (hash ^ (unsigned char)*at) * 16777619u;
  for (uint32_t i = 0; i < kSlots; ++i) {
    struct entry* entry = &cache.table[(hash + i) % kSlots];
    if (entry->key[0] == 0 || strcmp(entry->key, key) == 0) return entry;
  }
  return NULL;
}

// A record's payload is "KEY VALUE".
static void apply(const cairn_record* record) {
  char text[2 * kText] = "";
  char key[kText];
  char value[kText];
  cache.consumed = record->seq;
  if (record->kind != CAIRN_RECORD_DATA || record->payload_size >= sizeof(text)) return;
  memcpy(text, record->payload, record->payload_size);
  if (sscanf(text, "%255s %255[^\n]", key, value) != 2) return;
  struct entry* entry = find(key);
  if (entry == NULL) return;
  strcpy(entry->key, key);
  strcpy(entry->value, value);
}

// The log is fenced, so all data behind the grant is this process's, in the order of its sets.
static void answer(const cairn_record* record) {
  if (cache.producer.id == 0 || record->kind != CAIRN_RECORD_DATA ||
      record->seq <= cache.lead_from || cache.answered == cache.sent) {
    return;
  }
  ++cache.answered;
  say("stored %llu", (unsigned long long)record->seq);
}

// Who is told of an object's events: its context.
struct role {
  void (*on_event)(const cairn_event* event);
};

static int leads(void) {
  return cache.producer.id != 0 && cache.consumed >= cache.lead_from &&
         cairn_lease_safe_us(cache.lease) > 0;
}

// The tail tells of those that were stored.
static void on_delivery(const cairn_event* event) {
  if (event->status.code == CAIRN_OK) return;
  for (; cache.answered < event->last_ticket; ++cache.answered) {
    if (event->status.unknown_outcome) {
      say("unknown");
    } else {
      say("not stored: %s", cairn_status_name(&event->status));
    }
  }
}
static struct role delivery = {on_delivery};

// From now on every append names the epoch: whoever else is elected fences this process.
static void on_elected(const cairn_event* event) {
  cairn_status why;
  cairn_producer_options options = CAIRN_PRODUCER_OPTIONS_INIT;
  if (event->status.code != CAIRN_OK) give_up("election", &event->status);
  cache.lease = event->lease;
  cache.lead_from = event->epoch;
  cache.sent = cache.answered = 0;
  options.if_lease_epoch = event->epoch;
  if (cairn_producer_open(cache.log, &options, &delivery, &cache.producer, &why)) {
    give_up("producer", &why);
  }
}

static void on_lost(const cairn_event* event) {
  cairn_status why;
  say("leads no longer: %s", cairn_status_name(&event->status));
  cache.said = 0;
  for (; cache.answered < cache.sent; ++cache.answered) say("unknown");  // The next leader knows.
  cairn_producer_close(cache.producer);
  cairn_lease_close(cache.lease);
  cache.producer.id = 0;
  cache.lease.id = 0;
  if (cairn_election_run(cache.election, &why)) give_up("election", &why);
}

static void on_election(const cairn_event* event) {
  if (event->kind == CAIRN_EVENT_ELECTED) on_elected(event);
  if (event->kind == CAIRN_EVENT_LEASE_LOST && event->lease.id == cache.lease.id) on_lost(event);
}
static struct role election = {on_election};

static void on_tail(const cairn_event* event) {
  if (event->kind == CAIRN_EVENT_ENDED) give_up("tail", &event->status);
  for (size_t i = 0; i < event->record_count; ++i) {
    apply(&event->records[i]);
    answer(&event->records[i]);
  }
  cairn_election_consumed(cache.election, event);  // After they were applied.
}
static struct role tail = {on_tail};

static void on_opened(const cairn_event* event) {
  cairn_status why;
  cairn_lease_options lease = CAIRN_LEASE_OPTIONS_INIT;
  char holder[kText + 32];
  if (event->status.code != CAIRN_OK) give_up("log", &event->status);
  snprintf(holder, sizeof(holder), "%s-%ld", cache.name, (long)getpid());
  lease.holder = holder;
  lease.ttl_ms = 2000;
  if (cairn_election_open(cache.log, &lease, &election, &cache.election, &why) ||
      cairn_tail_open(cache.log, NULL, &tail, &cache.tail, &why)) {
    give_up("log", &why);
  }
}
static struct role opened = {on_opened};

static void take_events(void) {
  const cairn_event* events[kEvents];
  const size_t count = cairn_poll(cache.client, events, kEvents);
  for (size_t i = 0; i < count; ++i) {
    ((struct role*)events[i]->context)->on_event(events[i]);
    cairn_event_release(events[i]);
  }
  if (!cache.said && leads()) {
    cache.said = 1;
    say("leads");
  }
}

static void set(const char* key, const char* value) {
  cairn_status why;
  char text[2 * kText];
  cairn_new_record record = {0};
  record.payload = text;
  record.payload_size = (size_t)snprintf(text, sizeof(text), "%s %s", key, value);
  if (!leads()) {
    say("not the leader");
  } else if (cairn_producer_send(cache.producer, &record, NULL, &why)) {
    if (why.code == CAIRN_RESOURCE_EXHAUSTED)
      say("full, try again");
    else
      say("not stored: %s", cairn_status_name(&why));
  } else {
    ++cache.sent;
  }
}

static void get(const char* key) {
  const struct entry* entry = find(key);
  if (!leads()) {
    say("not the leader");
  } else if (entry == NULL || entry->key[0] == 0) {
    say("none");
  } else {
    say("value %s", entry->value);
  }
}

static void obey(const char* line) {
  char key[kText];
  char value[kText];
  if (sscanf(line, "set %255s %255[^\n]", key, value) == 2)
    set(key, value);
  else if (sscanf(line, "get %255s", key) == 1)
    get(key);
  else
    say("what? set KEY VALUE, or get KEY");
}

// Obeys the whole lines that have come; 0 at the end of the input.
static int take_input(void) {
  static char input[kLine];
  static size_t held;
  const ssize_t got = read(STDIN_FILENO, input + held, sizeof(input) - held);
  if (got <= 0) return 0;
  held += (size_t)got;
  char* line = input;
  for (char* end; (end = memchr(line, '\n', held)) != NULL; line = end + 1) {
    *end = 0;
    obey(line);
    held -= (size_t)(end + 1 - line);
  }
  if (held == sizeof(input)) {
    say("what? a line is at most %d bytes", (int)sizeof(input) - 1);
    held = 0;
  }
  memmove(input, line, held);
  return 1;
}

int main(int argc, char** argv) {
  cairn_status why;
  cairn_log_options options = CAIRN_LOG_OPTIONS_INIT;
  if (argc != 3) {
    fprintf(stderr, "usage: %s LOG NAME\n", argv[0]);
    return 2;
  }
  snprintf(cache.name, sizeof(cache.name), "%s", argv[2]);
  options.create_if_missing = 1;
  options.fenced = 1;
  if (cairn_client_open(NULL, &cache.client, &why) ||
      cairn_log_open(cache.client, argv[1], &options, &opened, &cache.log, &why)) {
    give_up("client", &why);
  }
  struct pollfd polled[2] = {{STDIN_FILENO, POLLIN, 0}, {cairn_client_fd(cache.client), POLLIN, 0}};
  for (;;) {
    if (poll(polled, 2, -1) < 0) return 1;
    if (polled[1].revents != 0) take_events();
    if (polled[0].revents != 0 && !take_input()) break;
  }
  if (cache.lease.id != 0) cairn_lease_release(cache.lease, NULL);
  cairn_client_close(cache.client);
  return 0;
}
