// cairn.h: clients, their completion queues, and logs.
#include <string>
#include <utility>

#include "base/status_macros.h"
#include "client/c/objects.h"
#include "client/c/options.h"
#include "client/c/status.h"

namespace cairn::c {
namespace {

constexpr uint64_t kDefaultOutstanding = 1024;
constexpr uint64_t kMaxOutstanding = 65'536;

absl::StatusOr<ClientOptions> FromEnvironment(const cairn_client_options& options) {
  if (options.tls != 0 || options.ca_file != nullptr || options.certificate_file != nullptr ||
      options.key_file != nullptr || options.server_name != nullptr ||
      options.bearer_token != nullptr || options.bearer_token_file != nullptr) {
    return absl::InvalidArgumentError(
        "without endpoints the environment says how to connect: give endpoints, or leave out TLS "
        "and token");
  }
  return Client::OptionsFromEnvironment();
}

absl::StatusOr<ClientOptions> ConnectionOf(const cairn_client_options& options) {
  if (options.endpoints == nullptr) return FromEnvironment(options);
  ClientOptions connection;
  connection.endpoints = SplitEndpoints(options.endpoints);
  connection.tls.enabled = options.tls != 0;
  connection.tls.ca_file = Text(options.ca_file);
  connection.tls.certificate_file = Text(options.certificate_file);
  connection.tls.key_file = Text(options.key_file);
  connection.tls.server_name = Text(options.server_name);
  connection.bearer_token = Text(options.bearer_token);
  connection.bearer_token_file = Text(options.bearer_token_file);
  return connection;
}

absl::Status OpenClient(const cairn_client_options* given, cairn_client* client) {
  if (client == nullptr) return absl::InvalidArgumentError("client: want a place for the handle");
  *client = {0};
  ASSIGN_OR_RETURN(cairn_client_options options,
                   ReadOptions<cairn_client_options>(given, CAIRN_CLIENT_OPTIONS_INIT));
  if (options.max_outstanding > kMaxOutstanding) {
    return absl::InvalidArgumentError(fmt::format("max_outstanding is {}, want 1 to {}",
                                                  options.max_outstanding, kMaxOutstanding));
  }
  ASSIGN_OR_RETURN(ClientOptions connection, ConnectionOf(options));
  connection.default_timeout = Millis(options.default_timeout_ms, connection.default_timeout);
  const auto queue = std::make_shared<CompletionQueue>(
      options.max_outstanding == 0 ? kDefaultOutstanding : options.max_outstanding);
  if (options.on_event == nullptr) RETURN_IF_ERROR(queue->Open());
  ASSIGN_OR_RETURN(auto connected, Client::Connect(std::move(connection)));
  client->id = Handles::Get().Add(std::make_shared<ClientObject>(
      std::move(connected), std::make_shared<Outlet>(queue, nullptr), options.on_event));
  return absl::OkStatus();
}

OpenLogOptions ToOpenOptions(const cairn_log_options& options) {
  OpenLogOptions open;
  open.call.timeout = Millis(options.timeout_ms);
  open.create_if_missing = options.create_if_missing != 0;
  open.settings.fenced = options.fenced != 0;
  open.settings.retention_bytes = options.retention_bytes;
  open.settings.retention_ms = options.retention_ms;
  return open;
}

absl::Status OpenLog(cairn_client client, const char* name, const cairn_log_options* given,
                     void* context, cairn_log* log) {
  if (log == nullptr) return absl::InvalidArgumentError("log: want a place for the handle");
  *log = {0};
  if (name == nullptr) return absl::InvalidArgumentError("name: want the log's name, not NULL");
  ASSIGN_OR_RETURN(const cairn_log_options options,
                   ReadOptions<cairn_log_options>(given, CAIRN_LOG_OPTIONS_INIT));
  ASSIGN_OR_RETURN(auto object, Handles::Get().Find<ClientObject>(client.id));
  auto outlet = std::make_shared<Outlet>(object->outlet()->shared_queue(), context);
  if (!outlet->queue().Reserve()) {
    return absl::ResourceExhaustedError("max_outstanding events have not been taken yet");
  }
  auto opened = std::make_shared<LogObject>(object, outlet);
  log->id = Handles::Get().Add(opened);
  object->client().OpenLogAsync(name, ToOpenOptions(options),
                                [outlet, finding = opened->finding()](absl::StatusOr<Log> found) {
                                  auto event = std::make_unique<Event>(CAIRN_EVENT_LOG_OPENED,
                                                                       found.status());
                                  event->has_place = true;
                                  finding->Set(std::move(found));
                                  outlet->Push(std::move(event));
                                });
  return absl::OkStatus();
}

}  // namespace

ClientObject::ClientObject(std::unique_ptr<Client> client, std::shared_ptr<Outlet> outlet,
                           cairn_event_callback on_event)
    : Object(kKind, std::move(outlet)), client_(std::move(client)), on_event_(on_event) {
  if (on_event_ != nullptr) runner_ = std::thread([this] { RunCallbacks(); });
}

ClientObject::~ClientObject() {
  if (runner_.joinable()) Close();
}

void ClientObject::RunCallbacks() {
  CompletionQueue& queue = outlet()->queue();
  while (std::unique_ptr<Event> event = queue.AwaitForCallback()) {
    void* const context = event->context;
    const cairn_event* const shown = EventTable::Get().Add(std::move(event));
    on_event_(shown, context);
    EventTable::Get().Remove(shown);  // Unless the program has done so already.
    queue.Ran();
  }
}

absl::Status ClientObject::CanClose() const {
  if (runner_.get_id() != std::this_thread::get_id()) return absl::OkStatus();
  return absl::FailedPreconditionError("on_event may not close the client that it runs for");
}

void ClientObject::Close() {
  Handles::Get().CloseAllOf(outlet()->queue());
  outlet()->queue().Shutdown();
  if (runner_.joinable()) runner_.join();
}

void LogObject::Finding::Set(absl::StatusOr<Log> found) {
  absl::MutexLock lock(&mutex_);
  found_ = std::move(found);
}

absl::StatusOr<Log> LogObject::Finding::Get() const {
  absl::MutexLock lock(&mutex_);
  return found_;
}

absl::StatusOr<OpenedLog> FindOpened(cairn_log log) {
  ASSIGN_OR_RETURN(const auto object, Handles::Get().Find<LogObject>(log.id));
  ASSIGN_OR_RETURN(Log found, object->finding()->Get());
  return OpenedLog{.client = object->client(), .log = std::move(found)};
}

}  // namespace cairn::c

using cairn::c::EventTable;
using cairn::c::Handles;

const char* cairn_version(void) { return CAIRN_VERSION; }

cairn_code cairn_client_open(const cairn_client_options* options, cairn_client* client,
                             cairn_status* status) {
  return cairn::c::Run(status, [&] { return cairn::c::OpenClient(options, client); });
}

cairn_code cairn_client_close(cairn_client client) {
  return cairn::c::Run(nullptr,
                       [&] { return Handles::Get().Close<cairn::c::ClientObject>(client.id); });
}

int cairn_client_fd(cairn_client client) {
  int fd = -1;
  cairn::c::Run(nullptr, [&] {
    const auto found = Handles::Get().Find<cairn::c::ClientObject>(client.id);
    if (found.ok()) fd = (*found)->outlet()->queue().fd();
    return found.status();
  });
  return fd;
}

size_t cairn_poll(cairn_client client, const cairn_event** events, size_t max) {
  size_t taken = 0;
  cairn::c::Run(nullptr, [&] {
    const auto found = Handles::Get().Find<cairn::c::ClientObject>(client.id);
    if (!found.ok() || events == nullptr || (*found)->has_callback()) return found.status();
    while (taken < max) {
      auto event = (*found)->outlet()->queue().Take();
      if (!event) break;
      events[taken++] = EventTable::Get().Add(std::move(event));
    }
    return absl::OkStatus();
  });
  return taken;
}

cairn_code cairn_event_release(const cairn_event* event) {
  if (event == nullptr || EventTable::Get().Remove(event)) return CAIRN_OK;
  return CAIRN_INVALID_ARGUMENT;
}

cairn_code cairn_log_open(cairn_client client, const char* name, const cairn_log_options* options,
                          void* context, cairn_log* log, cairn_status* status) {
  return cairn::c::Run(status,
                       [&] { return cairn::c::OpenLog(client, name, options, context, log); });
}

cairn_code cairn_log_close(cairn_log log) {
  return cairn::c::Run(nullptr, [&] { return Handles::Get().Close<cairn::c::LogObject>(log.id); });
}
