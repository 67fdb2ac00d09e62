// cairn.h: elections. Each has a thread while it stands, which mostly sleeps.
#include <memory>
#include <thread>
#include <utility>

#include "base/status_macros.h"
#include "client/c/lease_object.h"
#include "client/c/options.h"
#include "client/c/status.h"

namespace cairn::c {
namespace {

// The voice of the lease that an election is about, known to the keepers' callbacks.
class Chair {
 public:
  void Set(std::shared_ptr<LeaseVoice> voice) {
    absl::MutexLock lock(&mutex_);
    voice_ = std::move(voice);
  }
  [[nodiscard]] std::shared_ptr<LeaseVoice> voice() const {
    absl::MutexLock lock(&mutex_);
    return voice_;
  }

 private:
  mutable absl::Mutex mutex_;
  std::shared_ptr<LeaseVoice> voice_ ABSL_GUARDED_BY(mutex_);
};

class ElectionObject : public Object {
 public:
  static constexpr Kind kKind = Kind::kElection;
  static constexpr char kName[] = "election";

  ElectionObject(const OpenedLog& opened, const LeaseOptions& lease, void (*on_unsafe)(void*),
                 std::shared_ptr<Outlet> outlet)
      : Object(kKind, std::move(outlet)),
        opened_(opened),
        on_unsafe_(on_unsafe),
        election_(opened.log, OptionsFor(lease, chair_)) {}
  ~ElectionObject() override { Stop(); }

  void Close() override {
    Object::Close();
    Stop();
  }

  absl::Status Run() {
    absl::MutexLock lock(&mutex_);
    if (stands_) return absl::FailedPreconditionError("it stands for election already");
    const std::shared_ptr<LeaseObject> won = won_.lock();
    if (won && won->keeper()) {
      return absl::FailedPreconditionError("close the lease that it has won first");
    }
    if (thread_.joinable()) thread_.join();  // It has nothing left to do.
    auto voice = std::make_shared<LeaseVoice>(opened_.NewOutlet(outlet()->context()), on_unsafe_);
    chair_->Set(voice);
    thread_ = std::thread([this, voice] { Stand(voice); });
    stands_ = true;
    return absl::OkStatus();
  }

  void Consumed(const TailEvent& event) { election_.Consumed(event); }

 private:
  static ElectionOptions OptionsFor(LeaseOptions lease, const std::shared_ptr<Chair>& chair) {
    lease.on_at_risk = [chair] { chair->voice()->AtRisk(); };
    lease.on_lost = [chair](const absl::Status& why) { chair->voice()->Lost(why); };
    ElectionOptions options;
    options.lease = std::move(lease);
    return options;
  }

  // The election's thread: until it has won, or there is no point in going on.
  void Stand(const std::shared_ptr<LeaseVoice>& voice) {
    absl::StatusOr<std::unique_ptr<LeaseKeeper>> keeper = election_.Campaign();
    auto event = std::make_unique<Event>(CAIRN_EVENT_ELECTED, keeper.status());
    std::shared_ptr<LeaseObject> lease;
    if (keeper.ok()) {
      event->epoch = (*keeper)->epoch().value();
      lease = std::make_shared<LeaseObject>(opened_.client, voice, *std::move(keeper));
    }
    {
      absl::MutexLock lock(&mutex_);
      stands_ = false;
      won_ = lease;
    }
    if (!lease) return outlet()->Push(std::move(event));
    voice->Name(Handles::Get().Add(std::move(lease)), std::move(event));
  }

  void Stop() {
    election_.Stop();
    std::thread thread;
    {
      absl::MutexLock lock(&mutex_);
      thread.swap(thread_);
    }
    if (thread.joinable()) thread.join();
  }

  const OpenedLog opened_;
  void (*const on_unsafe_)(void*);
  const std::shared_ptr<Chair> chair_ = std::make_shared<Chair>();
  Election election_;
  absl::Mutex mutex_;
  std::weak_ptr<LeaseObject> won_ ABSL_GUARDED_BY(mutex_);
  bool stands_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_ ABSL_GUARDED_BY(mutex_);
};

absl::Status OpenElection(cairn_log log, const cairn_lease_options* given, void* context,
                          cairn_election* election) {
  if (election == nullptr) {
    return absl::InvalidArgumentError("election: want a place for the handle");
  }
  *election = {0};
  ASSIGN_OR_RETURN(const cairn_lease_options options,
                   ReadOptions<cairn_lease_options>(given, CAIRN_LEASE_OPTIONS_INIT));
  if (options.if_last_seq != CAIRN_ANY_SEQ) {
    return absl::InvalidArgumentError(
        "if_last_seq: an election goes by what it is told has been consumed");
  }
  ASSIGN_OR_RETURN(const OpenedLog opened, FindOpened(log));
  ASSIGN_OR_RETURN(const LeaseOptions lease, ToLease(options));
  auto object =
      std::make_shared<ElectionObject>(opened, lease, options.on_unsafe, opened.NewOutlet(context));
  RETURN_IF_ERROR(object->Run());
  election->id = Handles::Get().Add(std::move(object));
  return absl::OkStatus();
}

absl::Status Consumed(cairn_election election, const cairn_event* event) {
  ASSIGN_OR_RETURN(const auto object, Handles::Get().Find<ElectionObject>(election.id));
  const std::unique_ptr<TailEvent> tail = EventTable::Get().CopyTail(event);
  if (!tail) {
    return absl::InvalidArgumentError(
        "the event is not one of a tail's records, or was released already");
  }
  object->Consumed(*tail);
  return absl::OkStatus();
}

absl::Status RunElection(cairn_election election) {
  ASSIGN_OR_RETURN(const auto object, Handles::Get().Find<ElectionObject>(election.id));
  return object->Run();
}

}  // namespace
}  // namespace cairn::c

using cairn::c::Handles;
using cairn::c::Run;

cairn_code cairn_election_open(cairn_log log, const cairn_lease_options* options, void* context,
                               cairn_election* election, cairn_status* status) {
  return Run(status, [&] { return cairn::c::OpenElection(log, options, context, election); });
}

cairn_code cairn_election_consumed(cairn_election election, const cairn_event* event) {
  return Run(nullptr, [&] { return cairn::c::Consumed(election, event); });
}

cairn_code cairn_election_run(cairn_election election, cairn_status* status) {
  return Run(status, [&] { return cairn::c::RunElection(election); });
}

cairn_code cairn_election_close(cairn_election election) {
  return Run(nullptr, [&] { return Handles::Get().Close<cairn::c::ElectionObject>(election.id); });
}
