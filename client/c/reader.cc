// cairn.h: tails and reads. A reader's events are made when they are taken, so its stream waits
// while the program does.
#include <atomic>
#include <optional>
#include <utility>

#include "base/status_macros.h"
#include "client/c/objects.h"
#include "client/c/options.h"
#include "client/c/status.h"

namespace cairn::c {
namespace {

// What a reader has for whoever takes its events.
struct Brought {
  std::optional<TailEvent> records;
  std::optional<absl::Status> end;
  bool stale = false;
  uint64_t next_seq = 0;
};

// A Tailer or a ReadStream.
class Stream {
 public:
  virtual ~Stream() = default;
  // Never waits; with neither records nor an end there is nothing now.
  virtual Brought Next() = 0;
};

class TailStream : public Stream {
 public:
  explicit TailStream(std::unique_ptr<Tailer> tailer) : tailer_(std::move(tailer)) {}

  Brought Next() override {
    absl::StatusOr<TailEvent> event = tailer_->Next(absl::ZeroDuration());
    if (event.ok()) {
      return {.records = *std::move(event),
              .end = {},
              .stale = false,
              .next_seq = tailer_->next_seq().value()};
    }
    if (absl::IsDeadlineExceeded(event.status())) return {};
    return {.records = {}, .end = event.status(), .stale = false, .next_seq = 0};
  }

 private:
  const std::unique_ptr<Tailer> tailer_;
};

class RangeStream : public Stream {
 public:
  explicit RangeStream(ReadStream stream) : stream_(std::move(stream)) {}

  Brought Next() override {
    Brought brought;
    if (!stream_.ready()) return brought;
    absl::StatusOr<std::optional<RecordBatch>> batch = stream_.Next();
    brought.stale = stream_.stale();
    if (batch.ok() && *batch) {
      brought.next_seq = (*batch)->last_seq().value() + 1;
      brought.records.emplace().batches.push_back(**std::move(batch));
    } else {
      brought.end = batch.status();
    }
    return brought;
  }

 private:
  ReadStream stream_;
};

class ReaderObject : public Object, public CompletionQueue::Source {
 public:
  static constexpr Kind kKind = Kind::kReader;
  static constexpr char kName[] = "reader";

  // Rings when the stream has something; known to the stream's callback.
  struct Bell {
    std::shared_ptr<Outlet> outlet;
    std::atomic<bool> waits{false};  // The reader stands in the queue.
    absl::Mutex mutex;
    std::weak_ptr<ReaderObject> reader ABSL_GUARDED_BY(mutex);

    void Ring() {
      if (waits.exchange(true)) return;
      absl::MutexLock lock(&mutex);
      outlet->queue().PushSource(reader);
    }
  };

  ReaderObject(std::shared_ptr<ClientObject> client, std::shared_ptr<Bell> bell,
               std::unique_ptr<Stream> stream)
      : Object(kKind, bell->outlet),
        client_(std::move(client)),
        bell_(std::move(bell)),
        stream_(std::move(stream)) {}

  std::unique_ptr<Event> Take() override {
    // First, so that what comes meanwhile rings again.
    bell_->waits = false;
    Brought brought = TakeFromStream();
    if (!brought.records && !brought.end) return nullptr;
    auto event = std::make_unique<Event>(brought.end ? CAIRN_EVENT_ENDED : CAIRN_EVENT_RECORDS,
                                         brought.end.value_or(absl::OkStatus()));
    if (brought.records) {
      event->SetRecords(*std::move(brought.records));
      event->next_seq = brought.next_seq;
      bell_->Ring();  // Behind the others, for what comes next.
    }
    if (brought.stale) event->stale = 1;
    return outlet()->Own(std::move(event));
  }

 private:
  // An end is told once.
  Brought TakeFromStream() {
    absl::MutexLock lock(&mutex_);
    if (ended_) return {};
    Brought brought = stream_->Next();
    ended_ = brought.end.has_value();
    return brought;
  }

  const std::shared_ptr<ClientObject> client_;
  const std::shared_ptr<Bell> bell_;
  absl::Mutex mutex_;  // Streams are asked by one thread at a time.
  const std::unique_ptr<Stream> stream_ ABSL_PT_GUARDED_BY(mutex_);
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
};

std::shared_ptr<ReaderObject::Bell> NewBell(const OpenedLog& opened, void* context) {
  auto bell = std::make_shared<ReaderObject::Bell>();
  bell->outlet = opened.NewOutlet(context);
  return bell;
}

uint64_t AddReader(const OpenedLog& opened, std::shared_ptr<ReaderObject::Bell> bell,
                   std::unique_ptr<Stream> stream) {
  auto reader = std::make_shared<ReaderObject>(opened.client, bell, std::move(stream));
  const uint64_t id = Handles::Get().Add(reader);
  {
    absl::MutexLock lock(&bell->mutex);
    bell->reader = reader;
  }
  // What came before the reader was known rang in vain.
  bell->waits = false;
  bell->Ring();
  return id;
}

absl::StatusOr<TailStart> ToStart(const cairn_tail_options& options) {
  switch (options.from) {
    case CAIRN_FROM_FIRST:
      return TailStart::AtFirst();
    case CAIRN_FROM_SEQ:
      return TailStart::AtSeq(Seq{options.start});
    case CAIRN_FROM_NEXT:
      return TailStart::AtNext();
    case CAIRN_FROM_TIMESTAMP:
      return TailStart::AtTimestamp(static_cast<int64_t>(options.start));
    default:
      return absl::InvalidArgumentError(
          fmt::format("from is {}, want one of CAIRN_FROM_…", options.from));
  }
}

absl::Status OpenTail(cairn_log log, const cairn_tail_options* given, void* context,
                      cairn_reader* reader) {
  if (reader == nullptr) return absl::InvalidArgumentError("reader: want a place for the handle");
  *reader = {0};
  ASSIGN_OR_RETURN(const cairn_tail_options options,
                   ReadOptions<cairn_tail_options>(given, CAIRN_TAIL_OPTIONS_INIT));
  ASSIGN_OR_RETURN(const OpenedLog opened, FindOpened(log));
  TailerOptions tail;
  ASSIGN_OR_RETURN(tail.start, ToStart(options));
  tail.heartbeat = Millis(options.heartbeat_ms, tail.heartbeat);
  if (options.max_buffer_bytes != 0) tail.max_buffer_bytes = options.max_buffer_bytes;
  tail.prefer_endpoint = Text(options.prefer_endpoint);
  auto bell = NewBell(opened, context);
  tail.on_ready = [bell] { bell->Ring(); };
  ASSIGN_OR_RETURN(auto tailer, Tailer::Open(opened.log, std::move(tail)));
  reader->id = AddReader(opened, bell, std::make_unique<TailStream>(std::move(tailer)));
  return absl::OkStatus();
}

absl::Status OpenRead(cairn_log log, const cairn_read_options* given, void* context,
                      cairn_reader* reader) {
  if (reader == nullptr) return absl::InvalidArgumentError("reader: want a place for the handle");
  *reader = {0};
  ASSIGN_OR_RETURN(const cairn_read_options options,
                   ReadOptions<cairn_read_options>(given, CAIRN_READ_OPTIONS_INIT));
  ASSIGN_OR_RETURN(OpenedLog opened, FindOpened(log));
  cairn::ReadOptions read;
  read.call.timeout = Millis(options.timeout_ms);
  read.start_seq = Seq{options.start_seq};
  read.end_seq = Seq{options.end_seq};
  read.max_records = options.max_records;
  read.linearizable = options.linearizable != 0;
  auto bell = NewBell(opened, context);
  read.on_ready = [bell] { bell->Ring(); };
  reader->id = AddReader(opened, bell, std::make_unique<RangeStream>(opened.log.Read(read)));
  return absl::OkStatus();
}

}  // namespace
}  // namespace cairn::c

cairn_code cairn_tail_open(cairn_log log, const cairn_tail_options* options, void* context,
                           cairn_reader* reader, cairn_status* status) {
  return cairn::c::Run(status, [&] { return cairn::c::OpenTail(log, options, context, reader); });
}

cairn_code cairn_read_open(cairn_log log, const cairn_read_options* options, void* context,
                           cairn_reader* reader, cairn_status* status) {
  return cairn::c::Run(status, [&] { return cairn::c::OpenRead(log, options, context, reader); });
}

cairn_code cairn_reader_close(cairn_reader reader) {
  return cairn::c::Run(
      nullptr, [&] { return cairn::c::Handles::Get().Close<cairn::c::ReaderObject>(reader.id); });
}
