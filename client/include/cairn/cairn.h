// cairn.h: Cairn for programs in C (C11 or later; C++ may include it too).
//
// Nothing here waits for the network. A call either refuses at once or begins something, whose end
// is told by an *event* in the client's completion queue:
//
//   cairn_client client;  cairn_log log;  cairn_producer producer;  cairn_status why;
//   cairn_client_options options = CAIRN_CLIENT_OPTIONS_INIT;
//   options.endpoints = "10.0.0.1:7400,10.0.0.2:7400";
//   if (cairn_client_open(&options, &client, &why)) …                  // why.message
//   cairn_log_open(client, "cache", NULL, my_log, &log, &why);         // CAIRN_EVENT_LOG_OPENED
//   … add cairn_client_fd(client) to epoll, and when it is readable:
//   const cairn_event* events[64];
//   for (size_t i = 0, n = cairn_poll(client, events, 64); i < n; ++i) {
//     handle(events[i]);                                               // events[i]->context
//     cairn_event_release(events[i]);
//   }
//
// A whole program of that kind is client/examples/event_loop_cache.c; docs/languages.md explains.
//
// Handles are numbers that are never used again: one that is zero, closed or of another kind is
//   refused with CAIRN_INVALID_ARGUMENT, wherever it is passed. Closing twice is such a refusal.
// Threads: every function may be called from any thread. Objects do not block one another.
// Closing stops the object: once it returns, no event with the object's context comes any more,
//   and none of its callbacks runs, but for a callback that closes it itself; its context may be
//   freed. It may wait for the library's own thread, a matter of microseconds, never for the
//   network. cairn_client_close also closes whatever was opened from that client.
// Bounds: see max_outstanding, max_buffer_bytes. What is full answers CAIRN_RESOURCE_EXHAUSTED,
//   with nothing begun: take events from the queue, then try again.
// Memory: what a call is given (strings, records, options) is copied or used before it returns,
//   but for contexts. No C++ exception leaves a function; one that finds no memory answers
//   CAIRN_RESOURCE_EXHAUSTED. The library's threads, like those of gRPC below it, end the process
//   if they find none.
// ABI: libcairn_c.so.0 keeps it. Options begin with their size and may grow at their end;
//   events may grow at their end too, and are only ever made by the library. All other structs
//   stay as they are. A program that was built with an older header runs with a newer library.
// One process has this library or the C++ one, not both: each registers the API's messages.
// fork(): a child may call nothing of this library, nor of gRPC.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

// ---- Errors -------------------------------------------------------------------------------

// What a call answers: how the caller's next move differs. The values are gRPC's.
typedef int32_t cairn_code;
enum {
  CAIRN_OK = 0,
  CAIRN_CANCELLED = 1,          // The object was closed.
  CAIRN_UNKNOWN = 2,            // The transport gave no better name.
  CAIRN_INVALID_ARGUMENT = 3,   // A mistake of the program; the message says which.
  CAIRN_DEADLINE_EXCEEDED = 4,  // No answer in time: see unknown_outcome.
  CAIRN_NOT_FOUND = 5,          // No such log.
  CAIRN_ALREADY_EXISTS = 6,
  CAIRN_PERMISSION_DENIED = 7,
  CAIRN_RESOURCE_EXHAUSTED = 8,   // Full: nothing was begun. Try again later.
  CAIRN_FAILED_PRECONDITION = 9,  // Not in this state: the object is not ready, the epoch is over.
  CAIRN_ABORTED = 10,             // Somebody else was first: see the reason.
  CAIRN_OUT_OF_RANGE = 11,        // A seq that is trimmed, or not there yet.
  CAIRN_UNIMPLEMENTED = 12,
  CAIRN_INTERNAL = 13,
  CAIRN_UNAVAILABLE = 14,  // Nobody answers: see unknown_outcome.
  CAIRN_DATA_LOSS = 15,    // Call an operator.
  CAIRN_UNAUTHENTICATED = 16
};

// Why a server refused; the values are those of cairn.v1.Reason (error.proto tells more). A reason
// that is not in this list comes from a newer server: go by the code.
enum {
  CAIRN_REASON_NONE = 0,              // Not a server's refusal.
  CAIRN_REASON_NOT_LEADER = 1,        // There was no leader until the deadline.
  CAIRN_REASON_CONDITION_FAILED = 2,  // The log is at last_seq: read on, then decide anew.
  CAIRN_REASON_LEASE_HELD = 3,        // Somebody else holds the lease.
  CAIRN_REASON_LEASE_LOST = 4,        // Final for that epoch: stop acting as the holder.
  CAIRN_REASON_LOG_NOT_FOUND = 5,
  CAIRN_REASON_LOG_RECREATED = 6,  // The name is another log now: what was built of it is void.
  CAIRN_REASON_LOG_EXISTS = 7,
  CAIRN_REASON_PRODUCER_EXPIRED = 8,  // Read the log before sending again.
  CAIRN_REASON_TRIMMED = 9,           // Start at first_seq, or from a snapshot.
  CAIRN_REASON_SEQ_IN_FUTURE = 10,    // The log ends at last_seq.
  CAIRN_REASON_TOO_LARGE = 11,
  CAIRN_REASON_INVALID = 12,
  CAIRN_REASON_OVERLOADED = 13,  // Waited out until the deadline; come back after retry_after_ms.
  CAIRN_REASON_FENCE_REQUIRED = 15,  // The log is fenced: append with if_lease_epoch.
  CAIRN_REASON_STORAGE_FULL = 17,
  CAIRN_REASON_UNAUTHENTICATED = 18,
  CAIRN_REASON_PERMISSION_DENIED = 19,
  CAIRN_REASON_LOG_HALTED = 20,
  CAIRN_REASON_TABLE_FULL = 22,
  CAIRN_REASON_SHUTTING_DOWN = 23,
  CAIRN_REASON_NOT_READY = 26,  // The cluster is forming.
  CAIRN_REASON_OUTCOME_UNKNOWN = 27
};

// How something ended. Ask in this order: code is CAIRN_OK: it is done. unknown_outcome: it may or
// may not have been done (an idempotent producer resolves that by itself; otherwise read the log).
// Else it is certainly not done, and code and reason say why.
typedef struct cairn_status {
  cairn_code code;
  int32_t reason;           // CAIRN_REASON_…
  int32_t unknown_outcome;  // 1: it may have been done. Never 1 with CAIRN_OK.
  int32_t unused;           // 0.
  uint64_t retry_after_ms;  // What an overloaded server asks for; 0: nothing.
  uint64_t last_seq;        // Where the log stands, if the reason says so; else 0.
  uint64_t first_seq;       // The oldest kept record, if the reason says so; else 0.
  uint64_t later[8];        // 0.
  char message[408];        // For people. Ends with a zero byte; cut if longer. "" for CAIRN_OK.
} cairn_status;

// "OK", "CONDITION_FAILED", "UNAVAILABLE", …: the reason if there is one, else the code.
const char* cairn_status_name(const cairn_status* status);

// The library's version, as in "0.1.0"; for people and logs.
const char* cairn_version(void);

// ---- Handles ------------------------------------------------------------------------------

// Passed by value. {0} stands for nothing.
typedef struct cairn_client {
  uint64_t id;
} cairn_client;
typedef struct cairn_log {
  uint64_t id;
} cairn_log;
typedef struct cairn_producer {
  uint64_t id;
} cairn_producer;
typedef struct cairn_reader {
  uint64_t id;
} cairn_reader;
typedef struct cairn_lease {
  uint64_t id;
} cairn_lease;
typedef struct cairn_election {
  uint64_t id;
} cairn_election;

// ---- Client and completion queue ----------------------------------------------------------

typedef struct cairn_event cairn_event;
// `context` is that of the object or call which the event is about.
typedef void (*cairn_event_callback)(const cairn_event* event, void* context);

typedef struct cairn_client_options {
  size_t size;
  // Comma-separated "host:port" of some members. NULL: endpoints, TLS and token by the environment
  // (CAIRN_ENDPOINTS, CAIRN_CA_FILE, CAIRN_CERTIFICATE_FILE, CAIRN_KEY_FILE, CAIRN_SERVER_NAME,
  // CAIRN_TOKEN_FILE), and the fields up to bearer_token_file must be NULL or 0.
  const char* endpoints;
  // 1: TLS. The paths name PEM files; NULL: the system's authorities, no certificate of our own,
  // and the endpoint's host as the name to expect.
  int32_t tls;
  int32_t unused;
  const char* ca_file;
  const char* certificate_file;
  const char* key_file;
  const char* server_name;
  const char* bearer_token;       // NULL: none.
  const char* bearer_token_file;  // Read once; in place of bearer_token.
  // Of calls that give none; milliseconds. 0: 10,000.
  uint64_t default_timeout_ms;
  // Appends and openings whose events have not been taken yet, 1 … 65,536; 0: 1,024.
  uint64_t max_outstanding;
  // NULL: the program takes events by cairn_poll. Otherwise a thread of the library takes them and
  // calls this for each, one at a time, in order, and releases the event afterwards. The callback
  // may block and may call everything but cairn_poll and cairn_client_close.
  cairn_event_callback on_event;
} cairn_client_options;
#define CAIRN_CLIENT_OPTIONS_INIT \
  { sizeof(cairn_client_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

// Checks the options and starts the library's threads; does not wait for a connection, so it
// succeeds while the cluster is down. `options` NULL: the environment's. `status` may be NULL,
// here and below; otherwise it is always set.
cairn_code cairn_client_open(const cairn_client_options* options, cairn_client* client,
                             cairn_status* status);
// Closes all that was opened from it as well, and releases the events that still wait. Events that
// were taken stay valid until they are released. Refused in a callback.
cairn_code cairn_client_close(cairn_client client);

// A descriptor that is readable while events wait: for poll, epoll, select. Only to be waited on:
// never read, written or closed. -1: no such client, or one with on_event.
int cairn_client_fd(cairn_client client);

// Takes up to `max` events, oldest first, without waiting, and returns how many; each must be
// released. It may be 0 though the descriptor was readable.
size_t cairn_poll(cairn_client client, const cairn_event** events, size_t max);

// Gives an event back; nothing that it points to may be used any more. An event that was already
// released is refused. NULL is CAIRN_OK.
cairn_code cairn_event_release(const cairn_event* event);

// ---- Logs ---------------------------------------------------------------------------------

typedef struct cairn_log_options {
  size_t size;
  uint64_t timeout_ms;        // 0: the client's.
  int32_t create_if_missing;  // 1: with the settings below; a log that exists is opened as it is.
  int32_t fenced;             // 1: its appends must name an epoch of a lease.
  uint64_t retention_bytes;   // 0: no limit.
  uint64_t retention_ms;      // 0: no limit.
} cairn_log_options;
#define CAIRN_LOG_OPTIONS_INIT \
  { sizeof(cairn_log_options), 0, 0, 0, 0, 0 }

// Finds the log, or creates it. CAIRN_EVENT_LOG_OPENED tells the end; until then calls with the
// handle answer CAIRN_FAILED_PRECONDITION. After a failure the handle must still be closed.
cairn_code cairn_log_open(cairn_client client, const char* name, const cairn_log_options* options,
                          void* context, cairn_log* log, cairn_status* status);
cairn_code cairn_log_close(cairn_log log);

// ---- Appending ----------------------------------------------------------------------------

typedef struct cairn_metadata {
  const char* key;  // Both end with a zero byte.
  const char* value;
} cairn_metadata;

// A record to append.
typedef struct cairn_new_record {
  const void* payload;
  size_t payload_size;             // Up to 8 MiB.
  const cairn_metadata* metadata;  // Up to 16, of 4 KiB together.
  size_t metadata_count;
} cairn_new_record;

// No condition on the log's last seq; 0 is one: the log is empty.
#define CAIRN_ANY_SEQ UINT64_MAX

typedef struct cairn_append_options {
  size_t size;
  uint64_t timeout_ms;      // 0: the client's.
  uint64_t if_last_seq;     // Append only if the log's last seq is this; CAIRN_ANY_SEQ: always.
  uint64_t if_lease_epoch;  // Append only if this is the lease's epoch; 0: always.
  const char* lease_name;   // NULL: "primary".
} cairn_append_options;
#define CAIRN_APPEND_OPTIONS_INIT \
  { sizeof(cairn_append_options), 0, CAIRN_ANY_SEQ, 0, 0 }

// Appends 1 … 65,536 records as one, at most 16 MiB. CAIRN_EVENT_APPENDED, with this `context`,
// tells the end. Not repeated when a connection breaks: see unknown_outcome. For streams of records
// use a producer.
cairn_code cairn_append(cairn_log log, const cairn_new_record* records, size_t count,
                        const cairn_append_options* options, void* context, cairn_status* status);

typedef struct cairn_producer_options {
  size_t size;
  uint64_t max_buffer_bytes;     // Unanswered, beyond which sends are refused; 0: 64 MiB.
  uint64_t linger_us;            // How long a record may wait for company; 0: not at all.
  uint64_t delivery_timeout_ms;  // After which an unanswered record fails; 0: 30,000.
  uint64_t if_last_seq;          // Fails if anybody else appends behind this; CAIRN_ANY_SEQ: never.
  uint64_t if_lease_epoch;       // Fails when this is not the lease's epoch; 0: never.
  const char* lease_name;        // NULL: "primary".
} cairn_producer_options;
#define CAIRN_PRODUCER_OPTIONS_INIT \
  { sizeof(cairn_producer_options), 0, 0, 0, CAIRN_ANY_SEQ, 0, 0 }

// Appends in order, pipelined, each record exactly once, over broken connections and changes of
// the leader. CAIRN_EVENT_DELIVERED tells of ranges of tickets, in order. The first failure ends
// the producer: all that is unanswered fails, and later sends answer the same. Open another then.
cairn_code cairn_producer_open(cairn_log log, const cairn_producer_options* options, void* context,
                               cairn_producer* producer, cairn_status* status);
// Accepts one record; the n-th has ticket n (1, 2, 3, …). CAIRN_RESOURCE_EXHAUSTED: full, and
// nothing was accepted; each event CAIRN_EVENT_DELIVERED makes room.
cairn_code cairn_producer_send(cairn_producer producer, const cairn_new_record* record,
                               uint64_t* ticket, cairn_status* status);
// What is not answered yet; either may be NULL.
cairn_code cairn_producer_pending(cairn_producer producer, uint64_t* records, uint64_t* bytes);
// The outcome of what is pending stays unknown: to avoid that, wait until nothing is.
cairn_code cairn_producer_close(cairn_producer producer);

// ---- Reading ------------------------------------------------------------------------------

// Kinds of records. Those of leases are the log's own, and have seqs like any other.
enum {
  CAIRN_RECORD_DATA = 0,
  CAIRN_RECORD_LEASE_ACQUIRED = 1,  // The record's seq is the epoch that it grants.
  CAIRN_RECORD_LEASE_RELEASED = 2,
  CAIRN_RECORD_LEASE_TRANSFERRED = 3,
  CAIRN_RECORD_LEASE_EXPIRED = 4
};

typedef struct cairn_record {
  uint64_t seq;
  int64_t timestamp_us;  // Log time: microseconds since 1970, never decreasing.
  int32_t kind;          // CAIRN_RECORD_…
  int32_t unused;
  const void* payload;
  size_t payload_size;
  const cairn_metadata* metadata;
  size_t metadata_count;
  const char* lease_name;    // NULL but for the kinds of leases.
  const char* lease_holder;  // Acquired, transferred: the new one. Released, expired: the old one.
} cairn_record;

// Where a tail begins.
enum {
  CAIRN_FROM_FIRST = 0,      // With the oldest kept record.
  CAIRN_FROM_SEQ = 1,        // With record `start`.
  CAIRN_FROM_NEXT = 2,       // With what is committed from now on.
  CAIRN_FROM_TIMESTAMP = 3,  // With the first record at or after `start`, in µs of log time.
};

typedef struct cairn_tail_options {
  size_t size;
  int32_t from;  // CAIRN_FROM_…
  int32_t unused;
  uint64_t start;
  uint64_t heartbeat_ms;        // 10 … 60,000; 0: 1,000.
  uint64_t max_buffer_bytes;    // Read ahead of the program; 0: 16 MiB.
  const char* prefer_endpoint;  // "host:port" to ask first; NULL: any.
} cairn_tail_options;
#define CAIRN_TAIL_OPTIONS_INIT \
  { sizeof(cairn_tail_options), 0, 0, 0, 0, 0, 0 }

// Follows the log for ever, over broken connections, no record missing, none twice. Events:
// CAIRN_EVENT_RECORDS, and CAIRN_EVENT_ENDED after an error that trying again cannot cure.
cairn_code cairn_tail_open(cairn_log log, const cairn_tail_options* options, void* context,
                           cairn_reader* reader, cairn_status* status);

typedef struct cairn_read_options {
  size_t size;
  uint64_t timeout_ms;   // Of the whole read; 0: the client's.
  uint64_t start_seq;    // 0: the oldest kept record.
  uint64_t end_seq;      // Inclusive; 0: what is committed when the read starts.
  uint64_t max_records;  // 0: no limit.
  int32_t linearizable;  // 1: includes all that was acknowledged to anybody before the call.
  int32_t unused;
} cairn_read_options;
#define CAIRN_READ_OPTIONS_INIT \
  { sizeof(cairn_read_options), 0, 0, 0, 0, 0, 0 }

// Reads a range: CAIRN_EVENT_RECORDS as they come, then one CAIRN_EVENT_ENDED, CAIRN_OK or not.
cairn_code cairn_read_open(cairn_log log, const cairn_read_options* options, void* context,
                           cairn_reader* reader, cairn_status* status);
cairn_code cairn_reader_close(cairn_reader reader);

// ---- Leases and elections -----------------------------------------------------------------

typedef struct cairn_lease_options {
  size_t size;
  const char* lease_name;  // NULL: "primary".
  // 1 … 255 bytes, unique to this incarnation of the process: a host's name and a random number.
  const char* holder;
  uint64_t ttl_ms;       // 100 … 3,600,000; 0: 10,000.
  uint64_t timeout_ms;   // Of the acquisition; 0: the client's.
  uint64_t if_last_seq;  // Acquire only if the log's last seq is this; not for elections.
  // Runs on the library's thread at the moment at which the lease is no longer safe, which is
  // before anybody else can get it; NULL: none. It must not block, and may call nothing of this
  // library but cairn_lease_safe_us: set a flag, or shut a socket.
  void (*on_unsafe)(void* context);
} cairn_lease_options;
#define CAIRN_LEASE_OPTIONS_INIT \
  { sizeof(cairn_lease_options), 0, 0, 0, 0, CAIRN_ANY_SEQ, 0 }

// Acquires a lease and keeps it, renewing it every third of its TTL. CAIRN_EVENT_LEASE_GRANTED
// tells the end; then CAIRN_EVENT_LEASE_AT_RISK whenever no renewal succeeded for half of the safe
// time, and once CAIRN_EVENT_LEASE_LOST. Loss is final: close it and open another.
cairn_code cairn_lease_open(cairn_log log, const cairn_lease_options* options, void* context,
                            cairn_lease* lease, cairn_status* status);
// For how many microseconds this process is still entitled; 0: it is not. Computed from the clock
// at each call, so it does not depend on events being taken in time: have an answer in hand, look
// here, then send it.
uint64_t cairn_lease_safe_us(cairn_lease lease);
// The fencing token, for if_lease_epoch; 0: not granted yet. Stays the same after the loss.
uint64_t cairn_lease_epoch(cairn_lease lease);
// Frees the lease; not safe from the call on. CAIRN_EVENT_LEASE_RELEASED tells the end.
cairn_code cairn_lease_release(cairn_lease lease, cairn_status* status);
// Renews it no more: unless released it ends after its TTL.
cairn_code cairn_lease_close(cairn_lease lease);

// Stands for election until it has won: CAIRN_EVENT_ELECTED with a lease, which the program closes
// when it is lost, and then calls cairn_election_run again. Only a process that has consumed every
// record can win: it tails the log, and hands each event of the tail to cairn_election_consumed
// after it has applied the records. `options` name lease, holder and TTL; the events of the lease
// have this `context` too.
cairn_code cairn_election_open(cairn_log log, const cairn_lease_options* options, void* context,
                               cairn_election* election, cairn_status* status);
cairn_code cairn_election_consumed(cairn_election election, const cairn_event* event);
// Stands again. CAIRN_FAILED_PRECONDITION: it does already.
cairn_code cairn_election_run(cairn_election election, cairn_status* status);
cairn_code cairn_election_close(cairn_election election);

// ---- Events -------------------------------------------------------------------------------

enum {
  CAIRN_EVENT_LOG_OPENED = 1,
  CAIRN_EVENT_APPENDED = 2,        // first_seq, last_seq, timestamp_us, chain.
  CAIRN_EVENT_DELIVERED = 3,       // The same, and first_ticket, last_ticket.
  CAIRN_EVENT_RECORDS = 4,         // records, perhaps none; next_seq, chain, caught_up.
  CAIRN_EVENT_ENDED = 5,           // Of a reader; nothing follows.
  CAIRN_EVENT_LEASE_GRANTED = 6,   // status: whether; cairn_lease_epoch is known from now on.
  CAIRN_EVENT_LEASE_AT_RISK = 7,   // Still entitled: finish what cannot be finished later.
  CAIRN_EVENT_LEASE_LOST = 8,      // status: why.
  CAIRN_EVENT_LEASE_RELEASED = 9,  // status: whether.
  CAIRN_EVENT_ELECTED = 10         // lease, epoch; or status: why it stands no longer.
};

// A field that the kind does not name is 0.
struct cairn_event {
  int32_t kind;  // CAIRN_EVENT_…; ignore those that you do not know.
  int32_t unused;
  void* context;
  cairn_status status;
  // Both ends included. Ticket t of an event that is CAIRN_OK has seq first_seq + t - first_ticket.
  uint64_t first_ticket;
  uint64_t last_ticket;
  uint64_t first_seq;
  uint64_t last_seq;
  int64_t timestamp_us;
  // Checksum over all records up to last_seq (or before next_seq); 0: not known.
  uint64_t chain;
  // Valid, with all that they point to, until the event is released.
  const cairn_record* records;
  size_t record_count;
  uint64_t next_seq;  // Where to go on after a restart; 0: not known.
  // A leader confirmed that, when it was asked, there was nothing behind caught_up_seq.
  int32_t caught_up;
  int32_t stale;  // The answering replica hears no quorum: there may be newer records elsewhere.
  uint64_t caught_up_seq;
  cairn_lease lease;
  uint64_t epoch;
};

#pragma GCC visibility pop
#ifdef __cplusplus
}  // extern "C"
#endif
