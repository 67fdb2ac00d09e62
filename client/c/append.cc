// cairn.h: appends and producers.
#include <string>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "client/c/objects.h"
#include "client/c/options.h"
#include "client/c/status.h"

namespace cairn::c {
namespace {

constexpr size_t kMaxRecords = 65'536;
constexpr size_t kMaxMetadata = 16;

absl::StatusOr<NewRecord> ToRecord(const cairn_new_record& given) {
  if (given.payload == nullptr && given.payload_size != 0) {
    return absl::InvalidArgumentError(
        fmt::format("the payload is NULL, but of {} bytes", given.payload_size));
  }
  if (given.metadata_count > kMaxMetadata ||
      (given.metadata == nullptr && given.metadata_count != 0)) {
    return absl::InvalidArgumentError(fmt::format(
        "{} keys of metadata: want an array of at most {}", given.metadata_count, kMaxMetadata));
  }
  NewRecord record;
  if (given.payload_size != 0) {
    record.payload.assign(static_cast<const char*>(given.payload), given.payload_size);
  }
  for (size_t i = 0; i < given.metadata_count; ++i) {
    const cairn_metadata& pair = given.metadata[i];
    if (pair.key == nullptr || pair.value == nullptr) {
      return absl::InvalidArgumentError("metadata: want a key and a value, not NULL");
    }
    record.metadata.emplace(pair.key, pair.value);
  }
  return record;
}

absl::StatusOr<std::vector<NewRecord>> ToRecords(const cairn_new_record* given, size_t count) {
  if (given == nullptr || count == 0 || count > kMaxRecords) {
    return absl::InvalidArgumentError(
        fmt::format("{} records: want an array of 1 to {}", count, kMaxRecords));
  }
  std::vector<NewRecord> records;
  records.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    ASSIGN_OR_RETURN(records.emplace_back(), ToRecord(given[i]));
  }
  return records;
}

// Sets what cairn_append_options and cairn_producer_options have in common.
template <class Given, class Options>
void SetConditions(const Given& given, Options& options) {
  if (given.if_last_seq != CAIRN_ANY_SEQ) options.if_last_seq = Seq{given.if_last_seq};
  if (given.if_lease_epoch != 0) options.if_lease_epoch = Epoch{given.if_lease_epoch};
  options.lease_name = Text(given.lease_name);
}

absl::Status Append(cairn_log log, const cairn_new_record* given, size_t count,
                    const cairn_append_options* given_options, void* context) {
  ASSIGN_OR_RETURN(const cairn_append_options options,
                   ReadOptions<cairn_append_options>(given_options, CAIRN_APPEND_OPTIONS_INIT));
  ASSIGN_OR_RETURN(OpenedLog opened, FindOpened(log));
  ASSIGN_OR_RETURN(const std::vector<NewRecord> records, ToRecords(given, count));
  AppendOptions append;
  append.call.timeout = Millis(options.timeout_ms);
  SetConditions(options, append);
  const std::shared_ptr<Outlet> outlet = opened.NewOutlet(context);
  if (!outlet->queue().Reserve()) {
    return absl::ResourceExhaustedError(
        "max_outstanding events have not been taken yet: take some, or use a producer");
  }
  opened.log.AppendAsync(records, append, [outlet](const absl::StatusOr<AppendResult>& done) {
    auto event = std::make_unique<Event>(CAIRN_EVENT_APPENDED, done.status());
    event->has_place = true;
    if (done.ok()) event->SetAppended(*done);
    outlet->Push(std::move(event));
  });
  return absl::OkStatus();
}

void TellDelivery(const Delivery& delivery, Outlet& outlet) {
  auto event = std::make_unique<Event>(CAIRN_EVENT_DELIVERED, delivery.status);
  event->first_ticket = delivery.first_ticket;
  event->last_ticket = delivery.last_ticket;
  if (delivery.status.ok()) event->SetAppended(delivery.result);
  outlet.Push(std::move(event));
}

absl::Status OpenProducer(cairn_log log, const cairn_producer_options* given, void* context,
                          cairn_producer* producer) {
  if (producer == nullptr) {
    return absl::InvalidArgumentError("producer: want a place for the handle");
  }
  *producer = {0};
  ASSIGN_OR_RETURN(const cairn_producer_options options,
                   ReadOptions<cairn_producer_options>(given, CAIRN_PRODUCER_OPTIONS_INIT));
  ASSIGN_OR_RETURN(const OpenedLog opened, FindOpened(log));
  ProducerOptions produce;
  if (options.max_buffer_bytes != 0) produce.max_buffer_bytes = options.max_buffer_bytes;
  produce.linger = absl::Microseconds(options.linger_us);
  produce.delivery_timeout = Millis(options.delivery_timeout_ms, produce.delivery_timeout);
  SetConditions(options, produce);
  const std::shared_ptr<Outlet> outlet = opened.NewOutlet(context);
  produce.on_delivery = [outlet](const Delivery& delivery) { TellDelivery(delivery, *outlet); };
  ASSIGN_OR_RETURN(auto started, Producer::Start(opened.log, std::move(produce)));
  producer->id = Handles::Get().Add(
      std::make_shared<ProducerObject>(opened.client, outlet, std::move(started)));
  return absl::OkStatus();
}

absl::Status Send(cairn_producer producer, const cairn_new_record* record, uint64_t* ticket) {
  ASSIGN_OR_RETURN(const auto object, Handles::Get().Find<ProducerObject>(producer.id));
  if (record == nullptr) return absl::InvalidArgumentError("record: want one, not NULL");
  if (object->outlet()->queue().Crowded()) {
    return absl::ResourceExhaustedError("too many events have not been taken yet");
  }
  absl::StatusOr<uint64_t> sent;
  if (record->metadata_count == 0 && record->payload != nullptr) {
    sent = object->producer().TrySend(
        std::string_view(static_cast<const char*>(record->payload), record->payload_size));
  } else {
    ASSIGN_OR_RETURN(const NewRecord copy, ToRecord(*record));
    sent = object->producer().TrySend(copy);
  }
  if (sent.ok() && ticket != nullptr) *ticket = *sent;
  return sent.status();
}

}  // namespace
}  // namespace cairn::c

using cairn::c::Handles;
using cairn::c::ProducerObject;

cairn_code cairn_append(cairn_log log, const cairn_new_record* records, size_t count,
                        const cairn_append_options* options, void* context, cairn_status* status) {
  return cairn::c::Run(status,
                       [&] { return cairn::c::Append(log, records, count, options, context); });
}

cairn_code cairn_producer_open(cairn_log log, const cairn_producer_options* options, void* context,
                               cairn_producer* producer, cairn_status* status) {
  return cairn::c::Run(status,
                       [&] { return cairn::c::OpenProducer(log, options, context, producer); });
}

cairn_code cairn_producer_send(cairn_producer producer, const cairn_new_record* record,
                               uint64_t* ticket, cairn_status* status) {
  return cairn::c::Run(status, [&] { return cairn::c::Send(producer, record, ticket); });
}

cairn_code cairn_producer_pending(cairn_producer producer, uint64_t* records, uint64_t* bytes) {
  return cairn::c::Run(nullptr, [&] {
    const auto found = Handles::Get().Find<ProducerObject>(producer.id);
    if (!found.ok()) return found.status();
    if (records != nullptr) *records = (*found)->producer().pending_records();
    if (bytes != nullptr) *bytes = (*found)->producer().pending_bytes();
    return absl::OkStatus();
  });
}

cairn_code cairn_producer_close(cairn_producer producer) {
  return cairn::c::Run(nullptr, [&] { return Handles::Get().Close<ProducerObject>(producer.id); });
}
