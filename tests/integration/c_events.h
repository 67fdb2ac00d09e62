// CEvents: a client of cairn.h as a test drives it: takes events as poll(2) says that they are
// there.
//
// Threads: one. Lifetime: closes the client, and gives back what was taken.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/clock.h"
#include "base/check.h"
#include "cairn/cairn.h"

namespace cairn::integration {

// Ends the test, with the reason.
inline void Must(const cairn_status& status) {
  if (status.code == CAIRN_OK) return;
  ADD_FAILURE() << cairn_status_name(&status) << ": " << status.message;
  CHECK(status.code == CAIRN_OK);
}

struct EventReleaser {
  void operator()(const cairn_event* event) const { CHECK(cairn_event_release(event) == CAIRN_OK); }
};
using EventPtr = std::unique_ptr<const cairn_event, EventReleaser>;

class CEvents {
 public:
  explicit CEvents(const std::string& endpoints, uint64_t max_outstanding = 0) {
    cairn_client_options options = CAIRN_CLIENT_OPTIONS_INIT;
    options.endpoints = endpoints.c_str();
    options.max_outstanding = max_outstanding;
    cairn_status why;
    cairn_client_open(&options, &client_, &why);
    Must(why);
  }
  ~CEvents() { cairn_client_close(client_); }
  CEvents(const CEvents&) = delete;
  CEvents& operator=(const CEvents&) = delete;

  [[nodiscard]] cairn_client client() const { return client_; }

  // The next event; null: none came within a minute.
  EventPtr Next() {
    const absl::Time give_up = absl::Now() + absl::Minutes(1);
    while (absl::Now() < give_up) {
      const cairn_event* event = nullptr;
      if (cairn_poll(client_, &event, 1) == 1) return EventPtr(event);
      pollfd readable = {cairn_client_fd(client_), POLLIN, 0};
      CHECK_GE(poll(&readable, 1, 1000), 0);
    }
    return nullptr;
  }

  // The next event of that kind; those before it are given back unseen.
  EventPtr Await(int32_t kind) {
    EventPtr event;
    do {
      event = Next();
      CHECK(event != nullptr);
    } while (event->kind != kind);
    return event;
  }

  // A log that is open.
  cairn_log Open(const std::string& name, bool create = true) {
    cairn_log_options options = CAIRN_LOG_OPTIONS_INIT;
    options.create_if_missing = create ? 1 : 0;
    cairn_log log;
    cairn_status why;
    cairn_log_open(client_, name.c_str(), &options, nullptr, &log, &why);
    Must(why);
    const EventPtr opened = Await(CAIRN_EVENT_LOG_OPENED);
    Must(opened->status);
    return log;
  }

 private:
  cairn_client client_ = {0};
};

// Points into `payload`.
inline cairn_new_record RecordOf(std::string_view payload) {
  return {.payload = payload.data(),
          .payload_size = payload.size(),
          .metadata = nullptr,
          .metadata_count = 0};
}

inline std::string_view PayloadOf(const cairn_record& record) {
  return {static_cast<const char*>(record.payload), record.payload_size};
}

}  // namespace cairn::integration
